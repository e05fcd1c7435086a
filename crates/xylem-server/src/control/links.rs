//! Who fetches from whom, and is let in there. Pure.

use xylem_model::DistributionServerId;

use crate::wish::{Overview, ServerWish};

impl Overview {
    pub(super) fn server(&self, id: DistributionServerId) -> Option<&ServerWish> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// Where a server fetches from, best first: its parents, then, for when those are away, the
    /// servers above them up to the root. The root fetches from nobody, but for the principal
    /// where new files enter elsewhere: outside the tree and its cycle check.
    pub(super) fn parents_of(&self, server: &ServerWish) -> Vec<&ServerWish> {
        if server.is_root {
            let elsewhere = |other: &&ServerWish| other.is_principal && other.id != server.id;
            return self.servers.iter().filter(elsewhere).collect();
        }
        self.tree.sources(server.id).into_iter().filter_map(|id| self.server(id)).collect()
    }

    /// The servers that list this one among those they fetch from.
    pub(super) fn peers_of(
        &self,
        server: &ServerWish,
    ) -> impl Iterator<Item = DistributionServerId> {
        let lists_it = |other: &&ServerWish| {
            self.parents_of(other).iter().any(|parent| parent.id == server.id)
        };
        self.servers.iter().filter(lists_it).map(|other| other.id)
    }
}

#[cfg(test)]
mod tests {
    use xylem_model::{ParentPolicy, Stamp, Tree};

    use super::*;

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    /// Root 1, below it 2, below that 3; and 4 below the root.
    fn overview(principal: u8) -> Overview {
        let server = |n: u8| ServerWish {
            id: id(n),
            name: format!("s{n}"),
            site: None,
            public_url: format!("https://s{n}"),
            is_root: n == 1,
            is_principal: n == principal,
            parent_policy: ParentPolicy::default(),
        };
        let mut tree = Tree::new();
        for (server, parent) in [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))] {
            tree.set_parent(id(server), parent.map(id)).unwrap();
        }
        Overview {
            stamp: Stamp::new(1, 1),
            may_remove: true,
            servers: vec![server(1), server(2), server(3), server(4)],
            tree,
            removed: Vec::new(),
        }
    }

    fn parents(overview: &Overview, n: u8) -> Vec<DistributionServerId> {
        let server = overview.server(id(n)).unwrap();
        overview.parents_of(server).iter().map(|parent| parent.id).collect()
    }

    fn peers(overview: &Overview, n: u8) -> Vec<DistributionServerId> {
        overview.peers_of(overview.server(id(n)).unwrap()).collect()
    }

    #[test]
    fn a_server_falls_back_on_its_ancestors_and_they_admit_it() {
        let overview = overview(1);
        assert_eq!(parents(&overview, 3), [id(2), id(1)]);
        assert_eq!(parents(&overview, 1), []);
        assert_eq!(peers(&overview, 1), [id(2), id(3), id(4)]);
        assert_eq!(peers(&overview, 2), [id(3)]);
        assert_eq!(peers(&overview, 4), []);
    }

    #[test]
    fn a_further_parent_and_those_above_it_admit_it_too() {
        let mut overview = overview(1);
        overview.tree.set_parents(id(4), &[id(1), id(3)]).unwrap();
        assert_eq!(parents(&overview, 4), [id(1), id(3), id(2)]);
        assert_eq!(peers(&overview, 3), [id(4)]);
        assert_eq!(peers(&overview, 2), [id(3), id(4)]);
    }

    #[test]
    fn the_root_fetches_from_a_principal_below_it() {
        let overview = overview(3);
        assert_eq!(parents(&overview, 1), [id(3)]);
        assert_eq!(peers(&overview, 3), [id(1)]);
    }
}
