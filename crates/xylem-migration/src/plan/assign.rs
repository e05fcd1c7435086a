//! Gives each item its name.
//!
//! First come items whose own name may stay, then those whose name is the same text in another
//! Unicode form: each gets its name unless another has it. All others take the first free one of
//! `name`, `name (2)`, `name (3)` …, in the stable order. A name is free that no item before has,
//! and that the server does not have with other content.

use std::collections::HashMap;

use xylem_model::FileName;

use super::existing::{Existing, Space};
use super::{ItemKind, Renamed};
use crate::digest::Content;
use crate::names::{Change, numbered, split_ending};
use crate::path::SourcePath;
use crate::survey::Entry;

/// Most files that may want one name.
const MAX_NUMBER: usize = 1000;

/// An item that needs a name.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) entry: &'a Entry,
    pub(super) kind: ItemKind,
    pub(super) content: Content,
    /// What it is called if nothing collides.
    pub(super) base: FileName,
    /// How far that is from its own name.
    pub(super) change: Change,
}

/// What an item got.
#[derive(Debug, Clone)]
pub(super) enum Assigned {
    Name {
        name: FileName,
        is_there: bool,
        /// Who has the name that it would have had.
        because: Option<String>,
    },
    /// Nothing: the same file lies in another folder.
    Same(usize),
}

struct Assigning<'a> {
    wanted: &'a [Wanted<'a>],
    existing: &'a Existing,
    owners: HashMap<(Space, String), usize>,
    assigned: Vec<Option<Assigned>>,
}

/// What came of asking for a name.
enum Asked {
    Got(Assigned),
    /// Somebody has it.
    Held(String),
}

/// Assigns all names. One that is still missing could not be had.
pub(super) fn assign<'a>(
    wanted: &'a [Wanted<'a>],
    existing: &'a Existing,
) -> Vec<Option<Assigned>> {
    let assigned = vec![None; wanted.len()];
    let mut it = Assigning { wanted, existing, owners: HashMap::new(), assigned };
    for change in [Change::None, Change::Form] {
        for (index, asking) in wanted.iter().enumerate().filter(|(_, it)| it.change == change) {
            if let Asked::Got(got) = it.ask(index, asking, &asking.base, None) {
                it.give(index, asking.kind, got);
            }
        }
    }
    for (index, asking) in wanted.iter().enumerate() {
        it.first_free(index, asking);
    }
    for (index, asking) in wanted.iter().enumerate() {
        it.reclaim(index, asking);
    }
    it.assigned
}

impl Assigning<'_> {
    fn ask(
        &self,
        index: usize,
        asking: &Wanted<'_>,
        name: &FileName,
        because: Option<&String>,
    ) -> Asked {
        let (space, key) = (asking.kind.space(), name.collision_key());
        let because = because.cloned();
        if let Some(owner) = self.owners.get(&(space, key.clone())).copied() {
            let Some(other) = self.wanted.get(owner) else { return Asked::Held(key) };
            return match asking.is_same_as(other) && owner != index {
                true => Asked::Got(Assigned::Same(owner)),
                false => Asked::Held(format!("`{}` has the name `{name}`", other.entry.path)),
            };
        }
        match self.existing.held(space, &key) {
            None => Asked::Got(Assigned::Name { name: name.clone(), is_there: false, because }),
            Some(held) if asking.is_held_by(held.kind, held.content) => {
                let name = held.name.clone();
                Asked::Got(Assigned::Name { name, is_there: true, because })
            }
            Some(held) => Asked::Held(format!("the server has another file `{}`", held.name)),
        }
    }

    fn give(&mut self, index: usize, kind: ItemKind, got: Assigned) {
        if let Assigned::Name { name, .. } = &got {
            self.owners.insert((kind.space(), name.collision_key()), index);
        }
        if let Some(place) = self.assigned.get_mut(index) {
            *place = Some(got);
        }
    }

    fn first_free(&mut self, index: usize, asking: &Wanted<'_>) {
        if self.assigned.get(index).is_none_or(Option::is_some) {
            return;
        }
        let mut because = None;
        for number in 1..=MAX_NUMBER {
            let Some(name) = asking.candidate(number) else { return };
            match self.ask(index, asking, &name, because.as_ref()) {
                Asked::Got(got) => return self.give(index, asking.kind, got),
                Asked::Held(by) => because = because.or(Some(by)),
            }
        }
    }

    /// Takes a later name of its row instead of a new one, if the server has that with its content
    /// and nobody else claims it: an earlier run gave it that name, when something else that has
    /// gone since had the first one.
    fn reclaim(&mut self, index: usize, asking: &Wanted<'_>) {
        let Some(Some(Assigned::Name { is_there: false, .. })) = self.assigned.get(index) else {
            return;
        };
        let space = asking.kind.space();
        let holding = self.existing.holding(space, asking.content.digests.blake3);
        let found = holding
            .filter(|held| held.kind == asking.kind)
            .filter(|held| !self.owners.contains_key(&(space, held.name.collision_key())))
            .filter_map(|held| Some((asking.number_of(&held.name)?, &held.name)))
            .min_by_key(|(number, _)| *number);
        if let Some((_, name)) = found {
            let because = Some(format!("the server has it as `{name}`, from an earlier run"));
            let got = Assigned::Name { name: name.clone(), is_there: true, because };
            self.give(index, asking.kind, got);
        }
    }
}

impl Wanted<'_> {
    /// The same name in another folder, with the same content. Names that differ in any way are two
    /// files, even where a file share could hold only one of them.
    fn is_same_as(&self, other: &Wanted<'_>) -> bool {
        self.kind == other.kind
            && self.content == other.content
            && self.entry.path.name() == other.entry.path.name()
            && self.entry.object == other.entry.object
    }

    fn is_held_by(&self, kind: ItemKind, content: xylem_model::ContentId) -> bool {
        kind == self.kind && content == self.content.digests.blake3
    }

    fn candidate(&self, number: usize) -> Option<FileName> {
        if number == 1 { Some(self.base.clone()) } else { numbered(&self.base, number).ok() }
    }

    /// Which one of its row a name is.
    fn number_of(&self, name: &FileName) -> Option<usize> {
        let (stem, _) = split_ending(name.as_str());
        let (_, number) = stem.strip_suffix(')')?.rsplit_once(" (")?;
        let number = number.parse().ok().filter(|it| (2..=MAX_NUMBER).contains(it))?;
        let same = self.candidate(number)?.collision_key() == name.collision_key();
        same.then_some(number)
    }

    /// What is said of its renaming, if it was renamed.
    pub(super) fn renamed(&self, name: &FileName, because: Option<&str>) -> Option<Renamed> {
        let raw = self.entry.path.name();
        let zipped = matches!(self.entry.finding, crate::survey::Finding::Bundle(_));
        let own = name.as_str().as_bytes();
        let own = if zipped { own.strip_suffix(b".zip").unwrap_or(own) } else { own };
        if own == raw {
            return None;
        }
        let because = match (because, self.change) {
            (Some(by), Change::Text) => format!("{CHARACTERS}; then {by}"),
            (Some(by), _) => by.to_owned(),
            (None, Change::Text) => CHARACTERS.to_owned(),
            (None, Change::Form) => FORM.to_owned(),
            (None, Change::None) => "the server has it so".to_owned(),
        };
        Some(Renamed { from: SourcePath::top().join(raw).to_string(), because })
    }
}

const CHARACTERS: &str = "not every distribution point can hold its name";
const FORM: &str = "the same name in composed Unicode";
