use super::*;

fn id(n: usize) -> DistributionServerId {
    let byte = u8::try_from(n).unwrap();
    DistributionServerId::from_parts(u64::from(byte), &[byte; 10])
}

fn chain(length: usize) -> Tree {
    let mut tree = Tree::new();
    tree.set_parent(id(0), None).unwrap();
    for n in 1..length {
        tree.set_parent(id(n), Some(id(n - 1))).unwrap();
    }
    tree
}

#[test]
fn a_server_cannot_hang_below_itself() {
    let mut tree = chain(4);
    assert_eq!(tree.set_parent(id(1), Some(id(3))), Err(TreeError::Cycle));
    assert_eq!(tree.set_parent(id(1), Some(id(1))), Err(TreeError::Cycle));
    assert_eq!(tree.set_parents(id(1), &[id(0), id(3)]), Err(TreeError::Cycle));
    assert_eq!(tree, chain(4));
}

#[test]
fn a_cycle_through_further_parents_is_one_too() {
    let mut tree = chain(2);
    tree.set_parents(id(2), &[id(0), id(1)]).unwrap();
    assert_eq!(tree.set_parents(id(1), &[id(0), id(2)]), Err(TreeError::Cycle));
    tree.set_parents(id(2), &[id(0)]).unwrap();
    tree.set_parents(id(1), &[id(0), id(2)]).unwrap();
}

#[test]
fn depth_eight_is_allowed_and_nine_is_not() {
    let mut tree = chain(9);
    assert_eq!(tree.depth(id(8)), 8);
    assert_eq!(tree.set_parent(id(9), Some(id(8))), Err(TreeError::TooDeep { depth: 9 }));
}

#[test]
fn the_longest_way_counts() {
    let mut tree = chain(9);
    let too_deep = Err(TreeError::TooDeep { depth: 9 });
    assert_eq!(tree.set_parents(id(9), &[id(0), id(8)]), too_deep);
    tree.set_parents(id(9), &[id(0), id(7)]).unwrap();
    assert_eq!(tree.depth(id(9)), 1, "it is shown below its first parent");
    assert_eq!(tree.set_parent(id(10), Some(id(9))), too_deep, "though its first is the root");
}

#[test]
fn moving_a_branch_counts_what_hangs_below_it() {
    let mut tree = chain(5);
    tree.set_parent(id(10), Some(id(0))).unwrap();
    for n in 11..16 {
        tree.set_parent(id(n), Some(id(n - 1))).unwrap();
    }
    assert_eq!(tree.set_parent(id(10), Some(id(4))), Err(TreeError::TooDeep { depth: 10 }));
    tree.set_parent(id(10), Some(id(2))).unwrap();
    assert_eq!(tree.depth(id(15)), 8);
}

#[test]
fn there_is_one_root() {
    let mut tree = chain(2);
    assert_eq!(tree.set_parent(id(7), None), Err(TreeError::SecondRoot));
    assert_eq!(tree.set_parent(id(7), Some(id(6))), Err(TreeError::UnknownParent));
    assert_eq!(tree.set_parent(id(0), Some(id(1))), Err(TreeError::RootHasNoParent));
    assert_eq!(tree.remove(id(0)), Err(TreeError::HasChildren { children: 1 }));
    tree.remove(id(1)).unwrap();
    assert_eq!(tree.set_parent(id(0), Some(id(0))), Err(TreeError::RootHasNoParent));
    let two = [(id(1), Vec::new()), (id(2), Vec::new())];
    assert_eq!(Tree::from_servers(two), Err(TreeError::SecondRoot));
}

#[test]
fn lists_of_parents_are_short_and_name_each_once() {
    let mut tree = chain(1);
    for n in 1..=MAX_PARENTS {
        tree.set_parent(id(n), Some(id(0))).unwrap();
    }
    assert_eq!(tree.set_parents(id(20), &[id(1), id(2), id(1)]), Err(TreeError::TwiceNamed));
    let all: Vec<_> = (0..=MAX_PARENTS).map(id).collect();
    let refused = tree.set_parents(id(20), &all);
    assert_eq!(refused, Err(TreeError::TooManyParents { parents: MAX_PARENTS + 1 }));
    tree.set_parents(id(20), &all[1..]).unwrap();
}

#[test]
fn sources_are_the_named_ones_then_those_above_them_and_the_root_last() {
    let mut tree = chain(4);
    tree.set_parent(id(4), Some(id(0))).unwrap();
    tree.set_parents(id(5), &[id(4), id(3)]).unwrap();
    // The root is above 4, but 2 and 1, above 3, come before it.
    assert_eq!(tree.sources(id(5)), [id(4), id(3), id(2), id(1), id(0)]);
    tree.set_parents(id(5), &[id(0), id(3)]).unwrap();
    assert_eq!(tree.sources(id(5)), [id(0), id(3), id(2), id(1)], "unless it is named");
    assert_eq!(tree.sources(id(0)), []);
    assert_eq!(tree.sources(id(9)), []);
}

#[test]
fn a_removed_parent_is_followed_by_the_next_and_nobody_loses_the_last() {
    let mut tree = chain(3);
    tree.set_parents(id(3), &[id(1), id(2)]).unwrap();
    tree.set_parents(id(4), &[id(2), id(1)]).unwrap();
    assert_eq!(tree.remove(id(1)), Err(TreeError::HasChildren { children: 1 }));
    tree.set_parent(id(2), Some(id(0))).unwrap();
    tree.remove(id(1)).unwrap();
    assert_eq!((tree.parents(id(3)), tree.parents(id(4))), (&[id(2)][..], &[id(2)][..]));
}

/// Numbers without a pattern that matters here (xorshift, Marsaglia 2003), the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }
}

/// Steps from a server up to the end of the longest way, told without the tree's own means; none
/// where a way comes back to where it was.
fn longest_way(
    parents: &BTreeMap<DistributionServerId, Vec<DistributionServerId>>,
    at: DistributionServerId,
    way: &[DistributionServerId],
) -> Option<usize> {
    if way.contains(&at) {
        return None;
    }
    let way = [way, &[at]].concat();
    let mut longest = 0;
    for parent in &parents[&at] {
        longest = longest.max(1 + longest_way(parents, *parent, &way)?);
    }
    Some(longest)
}

/// Whether a graph keeps the rule, by looking at every way through it.
fn keeps_the_rule(parents: &BTreeMap<DistributionServerId, Vec<DistributionServerId>>) -> bool {
    let is_known = |id: &DistributionServerId| parents.contains_key(id);
    parents.values().filter(|named| named.is_empty()).count() <= 1
        && parents.values().flatten().all(is_known)
        && parents.values().all(|named| named.iter().collect::<BTreeSet<_>>().len() == named.len())
        && parents
            .keys()
            .all(|id| longest_way(parents, *id, &[]).is_some_and(|depth| depth <= MAX_DEPTH))
}

fn check_sources(tree: &Tree) {
    for id in tree.parents.keys() {
        let sources = tree.sources(*id);
        assert!(sources.starts_with(tree.parents(*id)));
        assert_eq!(sources.iter().collect::<BTreeSet<_>>().len(), sources.len(), "nobody twice");
        assert!(!sources.contains(id));
        let is_root = tree.root() == Some(*id);
        assert_eq!(sources.is_empty(), is_root);
        assert!(is_root || sources.contains(&tree.root().unwrap()));
        for source in &sources {
            assert!(tree.parents(*source).iter().all(|above| sources.contains(above)));
        }
    }
}

#[test]
fn random_changes_are_taken_exactly_when_the_rule_holds_afterwards() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 1..=60 {
        let mut numbers = Numbers(seed * 0x9E37_79B9);
        let mut tree = Tree::new();
        for _ in 0..120 {
            let server = id(numbers.below(14));
            let before = tree.clone();
            let mut wished = tree.parents.clone();
            let outcome = if numbers.below(8) == 0 {
                wished.remove(&server);
                let orphans = wished.values().filter(|named| **named == [server]).count();
                for named in wished.values_mut() {
                    named.retain(|parent| *parent != server);
                }
                let outcome = tree.remove(server);
                assert_eq!(outcome.is_ok(), orphans == 0);
                outcome
            } else {
                let parents: Vec<_> =
                    (0..numbers.below(4)).map(|_| id(numbers.below(14))).collect();
                wished.insert(server, parents.clone());
                let outcome = tree.set_parents(server, &parents);
                let unrooted = !wished.values().any(Vec::is_empty);
                assert_eq!(outcome.is_ok(), !unrooted && keeps_the_rule(&wished), "{outcome:?}");
                outcome
            };
            if outcome.is_ok() {
                taken += 1;
                assert_eq!(tree.parents, wished);
                assert_eq!(Tree::from_servers(wished), Ok(tree.clone()));
            } else {
                refused += 1;
                assert_eq!(tree, before, "a refused change leaves nothing");
            }
            check_sources(&tree);
        }
    }
    assert!(taken > 500 && refused > 500, "{taken} taken, {refused} refused");
}

#[test]
fn children_move_in_one_step_or_not_at_all() {
    let mut tree = chain(3);
    tree.set_parent(id(3), Some(id(1))).unwrap();
    tree.set_parents(id(4), &[id(1), id(3)]).unwrap();
    tree.set_parents(id(5), &[id(1), id(0)]).unwrap();
    let before = tree.clone();
    assert_eq!(tree.move_children(id(1), id(2)), Err(TreeError::Cycle), "one of the children");
    assert_eq!(tree.move_children(id(1), id(99)), Err(TreeError::UnknownParent));
    assert_eq!(tree, before);
    assert_eq!(tree.move_children(id(1), id(0)), Ok(vec![id(2), id(3), id(4), id(5)]));
    assert_eq!(tree.parents(id(2)), [id(0)]);
    assert_eq!(tree.parents(id(4)), [id(0), id(3)]);
    assert_eq!(tree.parents(id(5)), [id(0)], "named once");
    tree.remove(id(1)).unwrap();
    assert_eq!(tree.move_children(id(2), id(0)), Ok(vec![]));
}

#[test]
fn the_root_is_handed_over_to_any_server_and_becomes_its_child() {
    // 0 above 1 above 2, 3 below 0, 4 below 0 and 2.
    let mut tree = chain(3);
    tree.set_parent(id(3), Some(id(0))).unwrap();
    tree.set_parents(id(4), &[id(0), id(2)]).unwrap();
    let before = tree.clone();
    assert_eq!(tree.hand_over(id(9), false), Err(TreeError::UnknownParent));
    assert_eq!(tree.hand_over(id(0), false), Ok(vec![]));
    assert_eq!(tree, before);

    let mut changed = tree.hand_over(id(2), false).unwrap();
    changed.sort();
    assert_eq!(changed, [id(0), id(1), id(2), id(3), id(4)]);
    assert_eq!((tree.root(), tree.parents(id(0))), (Some(id(2)), &[id(2)][..]));
    assert_eq!((tree.parents(id(1)), tree.parents(id(3))), (&[id(2)][..], &[id(2)][..]));
    assert_eq!(tree.parents(id(4)), [id(2)], "named once");

    let mut tree = before;
    let mut changed = tree.hand_over(id(2), true).unwrap();
    changed.sort();
    assert_eq!(changed, [id(0), id(2)]);
    assert_eq!((tree.parents(id(1)), tree.depth(id(1))), (&[id(0)][..], 2));
}

#[test]
fn a_root_that_would_be_too_far_from_some_server_is_refused() {
    // 0 above a chain of eight, and 10 beside it: below 10 with its children kept, the chain's end
    // would be nine levels down.
    let mut tree = chain(9);
    tree.set_parent(id(10), Some(id(0))).unwrap();
    let before = tree.clone();
    assert_eq!(tree.hand_over(id(10), true), Err(TreeError::TooDeep { depth: 9 }));
    assert_eq!(tree, before);
    tree.hand_over(id(10), false).unwrap();
    assert_eq!(tree.depth(id(8)), 8);
}
