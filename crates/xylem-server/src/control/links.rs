//! Who fetches from whom, and is let in there, in one state. Pure.

use std::collections::HashMap;

use xylem_model::DistributionServerId;

use crate::wish::{Overview, ServerWish};

/// The most servers that the root asks for what it lacks.
const MAX_SOURCES_OF_ROOT: usize = 32;

/// The links between servers, in both directions: worked out once for each state, since every
/// server asks for its own when something changed.
#[derive(Debug, Default)]
pub(super) struct Links {
    parents: HashMap<DistributionServerId, Vec<DistributionServerId>>,
    peers: HashMap<DistributionServerId, Vec<DistributionServerId>>,
}

impl Links {
    pub(super) fn of(overview: &Overview) -> Self {
        let mut links = Self::default();
        for server in &overview.servers {
            let parents = overview.parents_of(server);
            for parent in &parents {
                links.peers.entry(*parent).or_default().push(server.id);
            }
            links.parents.insert(server.id, parents);
        }
        links
    }

    /// Where a server fetches from, best first.
    pub(super) fn parents(&self, id: DistributionServerId) -> &[DistributionServerId] {
        self.parents.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The servers that list one among those they fetch from.
    pub(super) fn peers(&self, id: DistributionServerId) -> &[DistributionServerId] {
        self.peers.get(&id).map_or(&[], Vec::as_slice)
    }
}

impl Overview {
    pub(crate) fn server(&self, id: DistributionServerId) -> Option<&ServerWish> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// A server's parents, then, for when those are away, the servers above them up to the root.
    ///
    /// The root has nobody above it. Where new files enter elsewhere it fetches them from the
    /// principal; and what it has lost, from its children: both outside the tree and its cycle check.
    fn parents_of(&self, server: &ServerWish) -> Vec<DistributionServerId> {
        if !server.is_root {
            return self.tree.sources(server.id);
        }
        let principal = self.servers.iter().find(|other| other.is_principal);
        let principal = principal.map(|principal| principal.id).filter(|id| *id != server.id);
        let mut children = self.tree.children(server.id);
        children.retain(|id| Some(*id) != principal);
        // Those that hold everything first; among them is the former root.
        children.sort_by_key(|id| self.server(*id).is_some_and(|it| it.selection.is_some()));
        principal.into_iter().chain(children).take(MAX_SOURCES_OF_ROOT).collect()
    }
}

#[cfg(test)]
mod tests {
    use xylem_model::{Stamp, Tree};
    use xylem_sync::ServerSettings;

    use super::*;

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    /// Root 1, below it 2, below that 3; and 4 below the root.
    fn overview(principal: u8) -> Overview {
        let server = |n: u8| ServerWish {
            public_chain: None,
            accounts: Vec::new(),
            settings: ServerSettings::default(),
            selection: None,
            scrub_asked: None,
            id: id(n),
            name: format!("s{n}"),
            site: None,
            public_url: format!("https://s{n}"),
            is_root: n == 1,
            is_principal: n == principal,
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
            root_epoch: 1,
            cloud_is_principal: false,
            removed: Vec::new(),
        }
    }

    #[test]
    fn a_server_falls_back_on_its_ancestors_and_they_admit_it() {
        let links = Links::of(&overview(1));
        assert_eq!(links.parents(id(3)), [id(2), id(1)]);
        assert_eq!(links.parents(id(1)), [id(2), id(4)], "what it lost its children may have");
        assert_eq!(links.peers(id(1)), [id(2), id(3), id(4)]);
        assert_eq!(links.peers(id(2)), [id(1), id(3)]);
        assert_eq!(links.peers(id(4)), [id(1)]);
    }

    #[test]
    fn a_further_parent_and_those_above_it_admit_it_too() {
        let mut overview = overview(1);
        overview.tree.set_parents(id(4), &[id(1), id(3)]).unwrap();
        let links = Links::of(&overview);
        assert_eq!(links.parents(id(4)), [id(1), id(3), id(2)]);
        assert_eq!(links.peers(id(3)), [id(4)]);
        assert_eq!(links.peers(id(2)), [id(1), id(3), id(4)]);
    }

    #[test]
    fn the_root_fetches_from_a_principal_below_it() {
        let links = Links::of(&overview(3));
        assert_eq!(links.parents(id(1)), [id(3), id(2), id(4)]);
        assert_eq!(links.peers(id(3)), [id(1)]);
    }
}
