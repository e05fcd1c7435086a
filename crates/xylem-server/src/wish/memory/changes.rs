//! What accounts write, rename, copy and delete, in the memory store.

use xylem_api::control::{ChangeFile, DeclareReceived, FileChange};
use xylem_model::{DistributionServerId, FileId, Priority, Stamp, Timestamp};
use xylem_trust::Descriptor;

use super::{Memory, MemoryUpload, StoredUpload};
use crate::uploading::{name_exists, name_taken};
use crate::wish::{Sign, WishError};

impl Memory {
    pub(super) fn receive(
        &mut self,
        received: &DeclareReceived,
        server: DistributionServerId,
        actor: &str,
    ) -> Result<(), WishError> {
        let declared = MemoryUpload {
            id: received.upload,
            name: received.name.clone(),
            kind: received.kind,
            size: received.size,
            priority: Priority::Normal,
            blake3: None,
            sha256: None,
            replace: true,
            server,
        };
        if let Some(known) = self.uploads.get(&declared.id) {
            return match known.declared == declared && known.actor.as_deref() == Some(actor) {
                true => Ok(()),
                false => Err(WishError::Conflict(format!(
                    "the upload {} is declared in other words",
                    declared.id
                ))),
            };
        }
        let key = declared.name.collision_key();
        if let Some(file) = self.live(&key).and_then(|id| self.files.get(&id))
            && !file.is_called(declared.kind, &declared.name)
        {
            let (existing, kind) = (&file.descriptor.name, file.descriptor.kind);
            return Err(WishError::Conflict(name_taken(&declared.name, existing, kind)));
        }
        let (id, actor) = (declared.id, Some(actor.to_owned()));
        let stored = StoredUpload { declared, actor, outcome: None, published: false };
        self.uploads.insert(id, stored);
        Ok(())
    }

    pub(super) fn change(
        &mut self,
        asked: &ChangeFile,
        new_file: FileId,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<Stamp, WishError> {
        let source = self.live_descriptor(&asked.name.collision_key());
        let source = source.filter(|source| source.kind == asked.kind).ok_or_else(|| {
            WishError::NotFound { what: asked.kind.as_str(), name: asked.name.to_string() }
        })?;
        let is_move = match asked.change {
            FileChange::Delete => {
                self.delete(source.file);
                return Ok(self.stamp);
            }
            FileChange::Rename { .. } => true,
            FileChange::Copy { .. } => false,
        };
        let Some(version) = self.under_new_name(asked, &source, new_file, now)? else {
            return Ok(self.stamp);
        };
        let target = version.file;
        let known = self.files.get(&target).map(|file| file.descriptor.content);
        if target == source.file || known != Some(source.content) {
            let envelope = sign(&version).map_err(|e| WishError::Store(Box::new(e)))?;
            self.raise();
            self.store_version(version, envelope);
        }
        if is_move && target != source.file {
            self.delete(source.file);
        }
        Ok(self.stamp)
    }

    /// The content of a file as a version under its new name; none where it has that name.
    fn under_new_name(
        &self,
        asked: &ChangeFile,
        source: &Descriptor,
        new_file: FileId,
        now: Timestamp,
    ) -> Result<Option<Descriptor>, WishError> {
        let (to, replace, is_move) = match &asked.change {
            FileChange::Rename { to, replace } => (to, *replace, true),
            FileChange::Copy { to, replace } => (to, *replace, false),
            FileChange::Delete => return Ok(None),
        };
        let existing = self.live_descriptor(&to.collision_key());
        let is_own = existing.as_ref().is_some_and(|existing| existing.file == source.file);
        let (file, version) = match existing {
            Some(own) if is_own && own.name == *to => return Ok(None),
            Some(own) if is_own && is_move => (own.file, own.version.saturating_add(1)),
            Some(other) if other.kind != asked.kind || other.name != *to => {
                return Err(WishError::Conflict(name_taken(to, &other.name, other.kind)));
            }
            Some(other) if replace => (other.file, other.version.saturating_add(1)),
            Some(other) => {
                return Err(WishError::Conflict(name_exists(other.kind, to, other.version)));
            }
            None if is_move => (source.file, source.version.saturating_add(1)),
            None => (new_file, 1),
        };
        let mut stamp = self.stamp;
        stamp.generation.0 = stamp.generation.0.saturating_add(1);
        let name = to.clone();
        Ok(Some(Descriptor { file, name, version, stamp, issued: now, ..source.clone() }))
    }

    fn live_descriptor(&self, key: &str) -> Option<Descriptor> {
        let file = self.live(key).and_then(|id| self.files.get(&id))?;
        Some(file.descriptor.clone())
    }
}
