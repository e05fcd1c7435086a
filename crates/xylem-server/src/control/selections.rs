//! What servers are to hold, counted and digested once for each selection of files. Pure.
//!
//! A change makes every server ask for its head. Sorting and digesting a hundred thousand ids for
//! each of a thousand servers would take minutes, and most of them hold the same files.

use std::collections::HashMap;

use xylem_model::ContentId;
use xylem_trust::{DescriptorId, set_root};

/// The digests of the selections asked for since the last change.
#[derive(Debug, Default)]
pub(super) struct Selections {
    known: HashMap<Vec<u64>, Digested>,
}

/// What a head says of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digested {
    pub(super) count: u64,
    pub(super) set_root: ContentId,
}

impl Selections {
    /// The files have changed: the same selection is another set now.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The digest over the descriptors that are held, out of all in their order.
    pub(super) fn digest(
        &mut self,
        all: impl Iterator<Item = (DescriptorId, bool)> + Clone,
    ) -> Digested {
        let key = bits(all.clone().map(|(_, is_held)| is_held));
        *self.known.entry(key).or_insert_with(|| {
            let held: Vec<_> = all.filter(|(_, is_held)| *is_held).map(|(id, _)| id).collect();
            Digested { count: held.len() as u64, set_root: set_root(held) }
        })
    }
}

/// One bit for each answer.
fn bits(answers: impl Iterator<Item = bool>) -> Vec<u64> {
    let mut words = Vec::new();
    let (mut word, mut place) = (0_u64, 0_u32);
    for answer in answers {
        word |= u64::from(answer) << place;
        place += 1;
        if place == u64::BITS {
            words.push(word);
            (word, place) = (0, 0);
        }
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests {
    use xylem_trust::{Envelope, SigningKey};

    use super::*;

    fn ids(count: u8) -> Vec<DescriptorId> {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let envelope = |n: u8| {
            let mut envelope = Envelope::sign(&document(), &[&key]).unwrap();
            envelope.payload = vec![n];
            envelope
        };
        (0..count).map(|n| DescriptorId::of(&envelope(n))).collect()
    }

    fn document() -> xylem_trust::Revocations {
        let issued = xylem_model::Timestamp::from_unix_ms(0);
        xylem_trust::Revocations {
            stamp: xylem_model::Stamp::default(),
            issued,
            expires: issued,
            parties: Vec::new(),
        }
    }

    #[test]
    fn each_selection_has_the_digest_of_what_it_holds() {
        let ids = ids(130);
        let mut selections = Selections::default();
        for left_out in [None, Some(0), Some(63), Some(64), Some(129)] {
            let is_held = |at: usize| Some(at) != left_out;
            let all = ids.iter().enumerate().map(|(at, id)| (*id, is_held(at)));
            let held = all.clone().filter(|(_, is_held)| *is_held).map(|(id, _)| id);
            let expected =
                Digested { count: held.clone().count() as u64, set_root: set_root(held) };
            for _ in 0..2 {
                assert_eq!(selections.digest(all.clone()), expected, "{left_out:?}");
            }
        }
        assert_eq!(selections.known.len(), 5, "each is digested once");
        selections.forget();
        let none = selections.digest(std::iter::empty());
        assert_eq!((none.count, none.set_root), (0, set_root([])));
    }
}
