//! Which parent to ask first.

use xylem_model::{ContentId, DistributionServerId, ParentPolicy};

/// What a policy may look at besides the list.
#[derive(Debug, Clone, Copy)]
pub struct ParentChoice {
    /// The policy.
    pub policy: ParentPolicy,
    /// The parent that gave the last content.
    pub last_good: Option<DistributionServerId>,
    /// How many contents were asked for before this one.
    pub turn: u64,
    /// A random number.
    pub dice: u64,
}

/// The named parents of a server in the order in which to ask them for a content. Whichever is
/// first, the others follow in the order of the list, going round.
pub fn parent_order(
    named: &[DistributionServerId],
    content: &ContentId,
    choice: &ParentChoice,
) -> Vec<DistributionServerId> {
    let count = named.len() as u64;
    if count < 2 {
        return named.to_vec();
    }
    let first = match choice.policy {
        ParentPolicy::FirstAvailable => 0,
        ParentPolicy::RoundRobin => choice.turn % count,
        ParentPolicy::Random => choice.dice % count,
        ParentPolicy::Sticky => place_of(named, choice.last_good),
        ParentPolicy::ByHash => highest_score(named, content),
    };
    let mut order = named.to_vec();
    order.rotate_left(usize::try_from(first).unwrap_or(0));
    order
}

fn place_of(named: &[DistributionServerId], one: Option<DistributionServerId>) -> u64 {
    named.iter().position(|id| Some(*id) == one).map_or(0, |place| place as u64)
}

/// Rendezvous hashing (Thaler and Ravishankar, 1998): when a parent comes or goes, only what it
/// would have given changes its place.
fn highest_score(named: &[DistributionServerId], content: &ContentId) -> u64 {
    let score = |id: &DistributionServerId| {
        let server = id.uuid().as_u128();
        let seed =
            content.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        mix(seed ^ mix((server >> 64) as u64) ^ mix(server as u64).rotate_left(32))
    };
    let best = named.iter().enumerate().max_by_key(|(_, id)| score(id));
    best.map_or(0, |(place, _)| place as u64)
}

/// The finisher of SplitMix64 (Steele, Lea and Flood, 2014): spreads nearby numbers evenly.
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    fn order(policy: ParentPolicy, content: u8, turn: u64) -> Vec<DistributionServerId> {
        let choice = ParentChoice { policy, last_good: Some(id(2)), turn, dice: turn };
        parent_order(&[id(1), id(2), id(3)], &ContentId::of(&[content]), &choice)
    }

    #[test]
    fn each_policy_chooses_the_first_and_the_others_follow_in_order() {
        assert_eq!(order(ParentPolicy::FirstAvailable, 0, 5), [id(1), id(2), id(3)]);
        assert_eq!(order(ParentPolicy::Sticky, 0, 5), [id(2), id(3), id(1)]);
        assert_eq!(order(ParentPolicy::RoundRobin, 0, 5), [id(3), id(1), id(2)]);
        assert_eq!(order(ParentPolicy::RoundRobin, 0, 6), [id(1), id(2), id(3)]);
        assert_eq!(order(ParentPolicy::Random, 0, 4), [id(2), id(3), id(1)]);
    }

    #[test]
    fn by_hash_shares_contents_evenly_and_keeps_them_where_they_are() {
        let mut firsts = [0; 4];
        for content in 0..=255 {
            let with_three = order(ParentPolicy::ByHash, content, 0);
            assert_eq!(
                with_three,
                order(ParentPolicy::ByHash, content, 9),
                "it depends on nothing else"
            );
            let first = with_three[0];
            firsts[[1, 2, 3].iter().position(|n| id(*n) == first).unwrap()] += 1;
            let choice =
                ParentChoice { policy: ParentPolicy::ByHash, last_good: None, turn: 0, dice: 0 };
            let without = parent_order(&[id(1), id(2)], &ContentId::of(&[content]), &choice);
            assert!(first == id(3) || first == without[0], "only its own contents move");
        }
        assert!(firsts[..3].iter().all(|count| *count > 50), "{firsts:?}");
    }

    #[test]
    fn a_list_of_one_or_none_is_left_as_it_is() {
        let choice =
            ParentChoice { policy: ParentPolicy::Random, last_good: None, turn: 1, dice: 7 };
        assert_eq!(parent_order(&[], &ContentId::of(b""), &choice), []);
        assert_eq!(parent_order(&[id(4)], &ContentId::of(b""), &choice), [id(4)]);
    }
}
