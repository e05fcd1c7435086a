//! What the server has, as far as names are concerned.

use std::collections::HashMap;

use xylem_model::{ContentId, FileName};

use super::ItemKind;

/// The names on the server with what they hold. Packages, apps and books share their names; scripts
/// have theirs.
#[derive(Debug, Clone, Default)]
pub struct Existing {
    by_key: HashMap<(Space, String), Held>,
    by_content: HashMap<(Space, ContentId), Vec<String>>,
}

/// Where names must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Space {
    Files,
    Scripts,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) kind: ItemKind,
    pub(super) name: FileName,
    pub(super) content: ContentId,
}

impl Existing {
    /// Adds a name. Of a script the content is that of what is kept, digested with BLAKE3
    /// ([`ContentId::of`]).
    pub fn add(&mut self, kind: ItemKind, name: FileName, content: ContentId) {
        let (space, key) = (kind.space(), name.collision_key());
        self.by_content.entry((space, content)).or_default().push(key.clone());
        self.by_key.insert((space, key), Held { kind, name, content });
    }

    pub(super) fn held(&self, space: Space, key: &str) -> Option<&Held> {
        self.by_key.get(&(space, key.to_owned()))
    }

    /// The names that hold something.
    pub(super) fn holding(&self, space: Space, content: ContentId) -> impl Iterator<Item = &Held> {
        let keys = self.by_content.get(&(space, content)).into_iter().flatten();
        keys.filter_map(move |key| self.held(space, key)).filter(move |it| it.content == content)
    }
}

impl ItemKind {
    pub(super) fn space(self) -> Space {
        if self == Self::Script { Space::Scripts } else { Space::Files }
    }
}
