//! What servers are to hold, worked out and digested once for each selection of files. Pure.
//!
//! A change makes every server ask for its head. Asking, sorting and digesting a hundred thousand
//! files for each of a thousand servers would take minutes, and most of them hold the same files.

use std::collections::HashMap;
use std::sync::Arc;

use xylem_model::ContentId;
use xylem_sync::{Choice, FileFacts, Holding};
use xylem_trust::{DescriptorId, GrantedEntries, set_root};

/// What there is to choose from, in one order.
pub(super) trait Files {
    /// All versions of files that are to be held. Several of one file have the same facts.
    fn files(&self) -> impl Iterator<Item = FileEntry<'_>>;
}

/// One version of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileEntry<'a> {
    pub(super) facts: &'a FileFacts,
    pub(super) descriptor: DescriptorId,
    pub(super) content: ContentId,
}

/// Some of all files, one bit for each.
pub(super) type Set = Arc<[u64]>;

/// The sets asked for since the last change.
#[derive(Debug, Default)]
pub(super) struct Selections {
    chosen: HashMap<Choice, Set>,
    digested: HashMap<Set, Digested>,
}

/// The most selections that are remembered.
const MAX_CHOSEN: usize = 4096;

/// What a head says of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digested {
    pub(super) count: u64,
    pub(super) set_root: ContentId,
}

impl Selections {
    /// The files have changed: the same selection is another set now.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What a server is to hold.
    pub(super) fn held(&mut self, holding: &Holding, all: &impl Files) -> Set {
        let mut choices = holding.choices();
        if choices.iter().any(|choice| choice.is_none()) {
            return self.chosen(&None, all);
        }
        let Some(first) = choices.pop() else { return Set::default() };
        let mut held = self.chosen(first, all);
        for choice in choices {
            let more = self.chosen(choice, all);
            held = held.iter().zip(more.iter()).map(|(a, b)| a | b).collect();
        }
        held
    }

    /// What a server is to offer to clients.
    pub(super) fn offered(&mut self, holding: &Holding, all: &impl Files) -> Set {
        self.chosen(holding.own(), all)
    }

    fn chosen(&mut self, choice: &Choice, all: &impl Files) -> Set {
        if let Some(known) = self.chosen.get(choice) {
            return Arc::clone(known);
        }
        if self.chosen.len() >= MAX_CHOSEN {
            // Most of them were chosen once and are not any more.
            self.forget();
        }
        let chooses = |file: FileEntry<'_>| match choice {
            None => true,
            Some(selection) => selection.chooses(file.facts),
        };
        let set: Set = bits(all.files().map(chooses)).into();
        self.chosen.insert(choice.clone(), Arc::clone(&set));
        set
    }

    /// The digest over the descriptors of a set.
    pub(super) fn digest(&mut self, set: &Set, all: &impl Files) -> Digested {
        *self.digested.entry(Arc::clone(set)).or_insert_with(|| {
            let held: Vec<_> = members(set, all).map(|file| file.descriptor).collect();
            Digested { count: held.len() as u64, set_root: set_root(held) }
        })
    }
}

/// How many versions of files a set has.
pub(super) fn count(set: &Set) -> u64 {
    set.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// What may be fetched of `of`, where that is `set`.
pub(super) fn entries(set: &Set, of: &Set, all: &impl Files) -> GrantedEntries {
    if set == of {
        return GrantedEntries::All;
    }
    let mut contents: Vec<ContentId> = members(set, all).map(|file| file.content).collect();
    contents.sort_unstable();
    contents.dedup();
    GrantedEntries::Only(contents)
}

/// The files of a set.
fn members<'a>(set: &'a Set, all: &'a impl Files) -> impl Iterator<Item = FileEntry<'a>> {
    let is_member = |at: usize| {
        let word = set.get(at / WORD).copied().unwrap_or(0);
        word >> (at % WORD) & 1 == 1
    };
    all.files().enumerate().filter(move |(at, _)| is_member(*at)).map(|(_, file)| file)
}

/// Bits of one word.
const WORD: usize = u64::BITS as usize;

/// One bit for each answer.
fn bits(answers: impl Iterator<Item = bool>) -> Vec<u64> {
    let mut words = Vec::new();
    for (at, answer) in answers.enumerate() {
        if at.is_multiple_of(WORD) {
            words.push(0);
        }
        if let Some(word) = words.last_mut() {
            *word |= u64::from(answer) << (at % WORD);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use xylem_model::{DistributionServerId, FileId, FileKind, Tree};
    use xylem_sync::{Holdings, Rule, Selection};
    use xylem_trust::{Envelope, SigningKey};

    use super::*;

    struct Listed(Vec<(FileFacts, DescriptorId)>);

    impl Files for Listed {
        fn files(&self) -> impl Iterator<Item = FileEntry<'_>> {
            self.0.iter().map(|(facts, descriptor)| FileEntry {
                facts,
                descriptor: *descriptor,
                content: content(facts.id),
            })
        }
    }

    fn file_id(n: u8) -> FileId {
        FileId::from_parts(u64::from(n), &[n; 10])
    }

    fn content(file: FileId) -> ContentId {
        ContentId::of(file.uuid().as_bytes())
    }

    fn listed(count: u8) -> Listed {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let envelope = |n: u8| {
            let mut envelope = Envelope::sign(&document(), &[&key]).unwrap();
            envelope.payload = vec![n];
            envelope
        };
        let facts = |n| FileFacts {
            id: file_id(n),
            kind: FileKind::Package,
            category: None,
            sites: Vec::new(),
            folded_name: n.to_string(),
        };
        Listed((0..count).map(|n| (facts(n), DescriptorId::of(&envelope(n)))).collect())
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

    fn choice(files: &[u8]) -> Choice {
        let files = files.iter().copied().map(file_id).collect();
        Some(Arc::new(Selection { rules: vec![Rule { files, ..Rule::default() }] }))
    }

    fn server(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    /// A root, and a child below it with a grandchild, which chose some files.
    fn holdings(child: &[u8], grandchild: &[u8]) -> Holdings {
        let mut tree = Tree::new();
        tree.set_parent(server(0), None).unwrap();
        tree.set_parent(server(1), Some(server(0))).unwrap();
        tree.set_parent(server(2), Some(server(1))).unwrap();
        let choices = [(0, None), (1, choice(child)), (2, choice(grandchild))];
        Holdings::new(&tree, choices.map(|(n, choice)| (server(n), choice)))
    }

    #[test]
    fn each_set_is_digested_once_and_over_what_it_holds() {
        let all = listed(130);
        let mut selections = Selections::default();
        for (child, grandchild) in [(&[1_u8, 64][..], &[64_u8, 129][..]), (&[129], &[1, 64])] {
            let holdings = holdings(child, grandchild);
            let held = selections.held(holdings.of(server(1)).unwrap(), &all);
            let digest = selections.digest(&held, &all);
            let ids = [1, 64, 129].map(|at: usize| all.0[at].1);
            assert_eq!(digest, Digested { count: 3, set_root: set_root(ids) });
        }
        assert_eq!(selections.digested.len(), 1);
        let none = listed(0);
        selections.forget();
        let root = selections.held(holdings(&[], &[]).of(server(0)).unwrap(), &none);
        assert_eq!(selections.digest(&root, &none).set_root, set_root([]));
    }

    #[test]
    fn what_is_granted_is_named_where_it_is_not_all() {
        let all = listed(70);
        let holdings = holdings(&[1], &[2, 69]);
        let mut selections = Selections::default();
        let mut held = |n| selections.held(holdings.of(server(n)).unwrap(), &all);
        let (root, child, grandchild) = (held(0), held(1), held(2));
        let contents = |files: &[u8]| {
            let mut contents: Vec<_> = files.iter().map(|n| content(file_id(*n))).collect();
            contents.sort_unstable();
            GrantedEntries::Only(contents)
        };
        assert_eq!(entries(&root, &root, &all), GrantedEntries::All);
        assert_eq!(entries(&child, &root, &all), contents(&[1, 2, 69]));
        assert_eq!(entries(&grandchild, &child, &all), contents(&[2, 69]));
        let offered = selections.offered(holdings.of(server(1)).unwrap(), &all);
        assert_eq!(entries(&offered, &child, &all), contents(&[1]));
    }
}
