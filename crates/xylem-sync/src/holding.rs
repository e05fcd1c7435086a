//! Which server is to hold which file, and why.
//!
//! The root holds everything, because it feeds all others. Every other server holds what was chosen
//! for it, everything where nothing was, and besides what those need that fetch from it: a child can
//! only get what its parent holds. What it holds for others alone it does not offer to clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xylem_model::{DistributionServerId, Tree};

use crate::{FileFacts, Selection};

/// What was chosen for a server; none: everything.
pub type Choice = Option<Arc<Selection>>;

/// What each server of a tree is to hold.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    servers: BTreeMap<DistributionServerId, Holding>,
}

/// What one server is to hold.
#[derive(Debug, Clone)]
pub struct Holding {
    is_root: bool,
    own: Choice,
    /// The servers that fetch from it, directly or through others, with what was chosen for each.
    below: Vec<(DistributionServerId, Choice)>,
}

/// Why a server is to hold a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is the root.
    Root,
    /// It, or the server below it that is named, replicates everything.
    Everything(DistributionServerId),
    /// A rule, counted from 1, of it or of the server below it that is named.
    Rule(DistributionServerId, usize),
}

impl Holdings {
    /// What the servers of a tree are to hold; a server that is not named holds everything.
    pub fn new(
        tree: &Tree,
        choices: impl IntoIterator<Item = (DistributionServerId, Choice)>,
    ) -> Self {
        let choices: BTreeMap<DistributionServerId, Choice> = choices.into_iter().collect();
        let root = tree.root();
        let choice = |id: &DistributionServerId| match root {
            Some(root) if root == *id => None,
            _ => choices.get(id).cloned().flatten(),
        };
        let holding = |id: &DistributionServerId| Holding {
            is_root: root == Some(*id),
            own: choice(id),
            below: below(tree, *id).into_iter().map(|id| (id, choice(&id))).collect(),
        };
        Self { servers: choices.keys().map(|id| (*id, holding(id))).collect() }
    }

    /// All servers with what each is to hold.
    pub fn iter(&self) -> impl Iterator<Item = (DistributionServerId, &Holding)> {
        self.servers.iter().map(|(id, holding)| (*id, holding))
    }

    /// What one server is to hold; none for strangers.
    pub fn of(&self, id: DistributionServerId) -> Option<&Holding> {
        self.servers.get(&id)
    }
}

/// Everybody below a server, nobody twice.
fn below(tree: &Tree, id: DistributionServerId) -> BTreeSet<DistributionServerId> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![id];
    while let Some(next) = waiting.pop() {
        waiting.extend(tree.children(next).into_iter().filter(|child| found.insert(*child)));
    }
    found
}

impl Holding {
    /// What was chosen for the server itself: what it offers to clients.
    pub const fn own(&self) -> &Choice {
        &self.own
    }

    /// Everything that makes it hold files: its own choice first. Each once.
    pub fn choices(&self) -> Vec<&Choice> {
        let mut choices: Vec<&Choice> = vec![&self.own];
        for (_, choice) in &self.below {
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        choices
    }

    /// Whether it is to hold a file.
    pub fn holds(&self, file: &FileFacts) -> bool {
        chooses(&self.own, file) || self.below.iter().any(|(_, choice)| chooses(choice, file))
    }

    /// Whether it is to offer a file to clients: not where it holds it for others alone.
    pub fn offers(&self, file: &FileFacts) -> bool {
        chooses(&self.own, file)
    }

    /// Why `id`, whose holding this is, is to hold a file: all that makes it.
    pub fn why(&self, id: DistributionServerId, file: &FileFacts) -> Vec<Why> {
        if self.is_root {
            return vec![Why::Root];
        }
        let own = std::iter::once((id, &self.own));
        let all = own.chain(self.below.iter().map(|(id, choice)| (*id, choice)));
        all.flat_map(|(id, choice)| match choice {
            None => vec![Why::Everything(id)],
            Some(selection) => {
                let rules = selection.rules.iter().enumerate();
                let choosing = rules.filter(|(_, rule)| rule.chooses(file));
                choosing.map(|(at, _)| Why::Rule(id, at + 1)).collect()
            }
        })
        .collect()
    }
}

fn chooses(choice: &Choice, file: &FileFacts) -> bool {
    choice.as_ref().is_none_or(|selection| selection.chooses(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::tests::{by_site, file};

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    fn sites(sites: &[u8]) -> Choice {
        Some(Arc::new(Selection { rules: sites.iter().copied().map(by_site).collect() }))
    }

    /// Root 1; below it 2, which chose site 2; below that 3 and 4, which chose their own; 5 below
    /// the root, which holds everything, and has 4 for a further child.
    fn holdings() -> Holdings {
        let mut tree = Tree::new();
        tree.set_parent(id(1), None).unwrap();
        for (server, parents) in [(2, vec![1]), (3, vec![2]), (5, vec![1]), (4, vec![2, 5])] {
            let parents: Vec<_> = parents.into_iter().map(id).collect();
            tree.set_parents(id(server), &parents).unwrap();
        }
        let choices =
            [(1, sites(&[9])), (2, sites(&[2])), (3, sites(&[3])), (4, sites(&[4, 3])), (5, None)];
        Holdings::new(&tree, choices.map(|(server, choice)| (id(server), choice)))
    }

    fn holds(server: u8, of_site: u8) -> (bool, bool) {
        let holdings = holdings();
        let (holding, file) = (holdings.of(id(server)).unwrap(), file(1, "a", &[of_site]));
        (holding.holds(&file), holding.offers(&file))
    }

    #[test]
    fn a_parent_holds_what_those_below_it_need_and_offers_what_was_chosen_for_itself() {
        for site in 0..9 {
            assert_eq!(holds(1, site), (true, true), "the root, whatever was chosen for it");
            assert_eq!(holds(5, site), (true, true));
        }
        assert_eq!(holds(2, 2), (true, true));
        assert_eq!(
            (holds(2, 3), holds(2, 4), holds(2, 5)),
            ((true, false), (true, false), (false, false))
        );
        assert_eq!((holds(3, 3), holds(3, 4)), ((true, true), (false, false)));
        assert_eq!(holdings().of(id(9)).map(Holding::choices), None);
        let choices = holdings().of(id(2)).unwrap().choices().len();
        assert_eq!(choices, 3);
    }

    #[test]
    fn every_reason_is_told() {
        let holdings = holdings();
        let why = |server: u8, of_site: u8| {
            holdings.of(id(server)).unwrap().why(id(server), &file(1, "a", &[of_site]))
        };
        assert_eq!(why(1, 7), [Why::Root]);
        assert_eq!(why(2, 3), [Why::Rule(id(3), 1), Why::Rule(id(4), 2)]);
        assert_eq!(why(2, 2), [Why::Rule(id(2), 1)]);
        assert_eq!(why(2, 7), []);
        assert_eq!(why(5, 4), [Why::Everything(id(5)), Why::Rule(id(4), 1)]);
    }
}
