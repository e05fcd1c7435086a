//! The published folders: what is published under its name.

use std::sync::Arc;

use xylem_model::{FileKind, FileName};
use xylem_trust::Descriptor;
use xylem_webdav::{Entry, FsError, FsResult, Meta};

use super::session::Session;

/// What a name means, for whoever asks.
pub(super) fn find(session: &Session, kind: FileKind, name: &str) -> Option<Arc<Descriptor>> {
    let name = FileName::new(name).ok()?;
    let descriptor = session.node.catalogue().named(kind, &name).cloned()?;
    is_shown(session, &descriptor).then_some(descriptor)
}

/// Readers see what they can get here. Whoever writes sees all that is published here, so that a
/// file that was just written does not vanish until it has come.
fn is_shown(session: &Session, descriptor: &Descriptor) -> bool {
    let (node, content) = (&session.node, &descriptor.content);
    let is_offered = || node.access().is_some_and(|access| access.offers(content));
    session.writes() || (is_offered() && node.repository.contains(content))
}

/// What is told of a name.
pub(super) fn meta(session: &Session, kind: FileKind, name: &str) -> FsResult<Meta> {
    if let Some(descriptor) = find(session, kind, name) {
        return Ok(meta_of(&descriptor));
    }
    let phantom = session.node.share.phantoms.get(kind, name, session.node.now());
    phantom.filter(|_| session.writes()).ok_or(FsError::NotFound)
}

/// What is published, and what is only seen.
pub(super) fn list(session: &Session, kind: FileKind) -> Vec<Entry> {
    let descriptors = session.node.catalogue().of_kind(kind);
    let mut entries: Vec<Entry> = descriptors
        .into_iter()
        .filter(|descriptor| is_shown(session, descriptor))
        .map(|descriptor| Entry {
            name: descriptor.name.as_str().to_owned(),
            meta: meta_of(&descriptor),
        })
        .collect();
    if session.writes() {
        let phantoms = session.node.share.phantoms.list(kind, session.node.now());
        let is_new = |phantom: &Entry| entries.iter().all(|entry| entry.name != phantom.name);
        let phantoms: Vec<Entry> = phantoms.into_iter().filter(is_new).collect();
        entries.extend(phantoms);
    }
    entries
}

/// The strong ETag is the content id, as everywhere.
pub(super) fn meta_of(descriptor: &Descriptor) -> Meta {
    Meta {
        len: descriptor.size,
        modified: descriptor.issued,
        created: descriptor.issued,
        is_folder: false,
        etag: Some(descriptor.content.to_string()),
    }
}
