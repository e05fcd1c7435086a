//! Files and folders, in memory.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xylem_model::Timestamp;

use super::FolderError;
use super::store::Change;
use crate::entry::Meta;
use crate::place::Place;
use crate::properties::Property;

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) id: Uuid,
    /// The folder it is in; none at the top.
    pub(super) parent: Option<Uuid>,
    pub(super) name: String,
    /// A file's bytes; a folder has none.
    pub(super) content: Option<Content>,
    pub(super) author: Option<String>,
    pub(super) created: Timestamp,
    /// When its bytes were written.
    pub(super) modified: Timestamp,
    /// When its name or bytes were last changed: of two with one name the later counts.
    pub(super) changed: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property>,
}

/// The bytes of a file. They are never changed; new ones get a new id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) file: Uuid,
    pub(super) len: u64,
}

impl Node {
    pub(super) fn meta(&self) -> Meta {
        let Self { created, modified, .. } = *self;
        match &self.content {
            None => Meta::folder(created, modified),
            Some(content) => Meta {
                len: content.len,
                modified,
                created,
                is_folder: false,
                etag: Some(content.file.simple().to_string()),
            },
        }
    }

    fn property_bytes(&self) -> usize {
        self.properties.iter().map(Property::bytes).sum()
    }

    /// What is told of the top, which is no node.
    pub(super) fn top_meta() -> Meta {
        Meta::folder(Timestamp::default(), Timestamp::default())
    }
}

/// All nodes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: HashMap<Uuid, Node>,
    folders: HashMap<Option<Uuid>, BTreeMap<String, Uuid>>,
    /// How many nodes have these bytes.
    uses: HashMap<Uuid, usize>,
    /// Bytes of all properties.
    property_bytes: usize,
}

impl Tree {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn get(&self, id: &Uuid) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The node at a place; none for the top.
    pub(super) fn find(&self, place: &Place) -> Result<Option<&Node>, FolderError> {
        let mut at = None;
        for name in place.names() {
            let folder = self.folders.get(&at).ok_or(FolderError::NotFound)?;
            at = Some(*folder.get(name).ok_or(FolderError::NotFound)?);
        }
        Ok(at.and_then(|id| self.nodes.get(&id)))
    }

    /// The folder at a place; none is the top.
    pub(super) fn folder(&self, place: &Place) -> Result<Option<Uuid>, FolderError> {
        match self.find(place)? {
            Some(node) if node.content.is_some() => Err(FolderError::WrongKind),
            node => Ok(node.map(|node| node.id)),
        }
    }

    /// Where something of this place belongs.
    pub(super) fn parent_and_name(
        &self,
        place: &Place,
    ) -> Result<(Option<Uuid>, String), FolderError> {
        let (Some(parent), Some(name)) = (place.parent(), place.name()) else {
            return Err(FolderError::Exists);
        };
        // A file in the way is as little a folder as nothing is.
        let parent = self.folder(&parent).map_err(|_| FolderError::NotFound)?;
        Ok((parent, name.to_owned()))
    }

    /// The file whose place another one is to take.
    pub(super) fn replaced(&self, node: &Node, to: &Place) -> Result<Option<Uuid>, FolderError> {
        match self.find(to) {
            Err(_) => Ok(None),
            Ok(Some(there)) if there.id == node.id => Ok(None),
            Ok(Some(there)) if there.content.is_some() && node.content.is_some() => {
                Ok(Some(there.id))
            }
            Ok(_) => Err(FolderError::Exists),
        }
    }

    pub(super) fn children(&self, folder: Option<Uuid>) -> impl Iterator<Item = &Node> {
        let names = self.folders.get(&folder).into_iter().flatten();
        names.filter_map(|(_, id)| self.nodes.get(id))
    }

    /// Bytes of all properties once these changes are made, or a little more.
    pub(super) fn property_bytes_after(&self, changes: &[Change]) -> usize {
        let added = changes.iter().map(|change| match change {
            Change::Write(node) => {
                let before = self.get(&node.id).map_or(0, Node::property_bytes);
                node.property_bytes().saturating_sub(before)
            }
            Change::Remove(_) => 0,
        });
        // What makes nothing larger is never refused.
        match added.sum::<usize>() {
            0 => 0,
            added => self.property_bytes + added,
        }
    }

    pub(super) fn uses(&self, file: &Uuid) -> bool {
        self.uses.contains_key(file)
    }

    /// Makes changes; gives the bytes that nobody names any more.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Vec<Uuid> {
        let mut orphans = Vec::new();
        // What is replaced goes first, since it has the name.
        for change in changes {
            if let Change::Remove(id) = change {
                orphans.extend(self.take(id));
            }
        }
        for change in changes {
            if let Change::Write(node) = change {
                orphans.extend(self.take(&node.id));
                self.add(node.clone());
            }
        }
        orphans.retain(|file| !self.uses.contains_key(file));
        orphans
    }

    pub(super) fn add(&mut self, node: Node) {
        self.property_bytes += node.property_bytes();
        if let Some(content) = &node.content {
            *self.uses.entry(content.file).or_default() += 1;
        }
        self.folders.entry(node.parent).or_default().insert(node.name.clone(), node.id);
        self.nodes.insert(node.id, node);
    }

    fn take(&mut self, id: &Uuid) -> Option<Uuid> {
        let node = self.nodes.remove(id)?;
        self.property_bytes -= node.property_bytes();
        if let Some(names) = self.folders.get_mut(&node.parent) {
            if names.get(&node.name) == Some(id) {
                names.remove(&node.name);
            }
            if names.is_empty() {
                self.folders.remove(&node.parent);
            }
        }
        let file = node.content?.file;
        let uses = self.uses.get_mut(&file)?;
        *uses -= 1;
        if *uses > 0 {
            return None;
        }
        self.uses.remove(&file);
        Some(file)
    }
}
