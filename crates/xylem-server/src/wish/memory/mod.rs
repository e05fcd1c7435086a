//! The wish store in memory: for simulation, where no database can run.
//!
//! Simple on purpose: one lock, ordered maps, no history. What it decides, it decides as the
//! database does; the same tests run against both.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use xylem_api::control::CopyReport;
use xylem_api::ingest::Ingested;
use xylem_model::{
    AccountName, ContentId, DistributionServerId, FileId, FileKind, FileName, FurtherDigests,
    Generation, Party, Priority, Sha256, Stamp, Timestamp, Tree, TreeError, UploadId,
};
use xylem_sync::{Choice, FileFacts, ServerSettings};
use xylem_trust::{Account, Descriptor, DigestSource};

pub use hand_over::HandOverError;

use super::{CommitOutcome, ServerNews, ServerWish};
use crate::uploading::name_taken;

mod changes;
mod digests;
mod hand_over;
mod store;

/// A wish store that forgets everything with its process.
#[derive(Debug, Default)]
pub struct MemoryWishStore(Mutex<Memory>);

/// An upload to be declared to a [`MemoryWishStore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryUpload {
    /// Its id.
    pub id: UploadId,
    /// The name to publish under.
    pub name: FileName,
    /// Its kind.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// How much of a hurry it is in.
    pub priority: Priority,
    /// The declared content id.
    pub blake3: Option<ContentId>,
    /// The declared SHA-256.
    pub sha256: Option<Sha256>,
    /// Whether other content of that name may be replaced.
    pub replace: bool,
    /// The ingest server.
    pub server: DistributionServerId,
}

#[derive(Debug, Default)]
struct Memory {
    stamp: Stamp,
    restored_from: Option<Stamp>,
    servers: BTreeMap<DistributionServerId, ServerWish>,
    tree: Tree,
    root_epoch: u64,
    cloud_is_principal: bool,
    removed: Vec<Party>,
    files: BTreeMap<FileId, StoredFile>,
    uploads: BTreeMap<UploadId, StoredUpload>,
    news: BTreeMap<DistributionServerId, ServerNews>,
    copies: BTreeMap<(DistributionServerId, ContentId), CopyReport>,
    reported: BTreeMap<DistributionServerId, Timestamp>,
    digests: BTreeMap<ContentId, FurtherDigests>,
}

#[derive(Debug, Clone)]
struct StoredFile {
    descriptor: Descriptor,
    envelope: Vec<u8>,
    generation: Generation,
    deleted: bool,
}

#[derive(Debug)]
struct StoredUpload {
    declared: MemoryUpload,
    /// Who had it declared, where an ingest server says so.
    actor: Option<String>,
    outcome: Option<CommitOutcome>,
    published: bool,
}

impl StoredFile {
    fn facts(&self) -> FileFacts {
        FileFacts {
            id: self.descriptor.file,
            kind: self.descriptor.kind,
            category: None,
            sites: Vec::new(),
            folded_name: self.descriptor.name.collision_key(),
        }
    }

    fn is_called(&self, kind: FileKind, name: &FileName) -> bool {
        self.descriptor.kind == kind && self.descriptor.name == *name
    }
}

impl MemoryWishStore {
    /// An empty store in epoch 1.
    pub fn new() -> Self {
        let memory = Memory { stamp: Stamp::new(1, 0), root_epoch: 1, ..Memory::default() };
        Self(Mutex::new(memory))
    }

    /// Enrols a server below a parent; the first, without one, becomes root and principal.
    ///
    /// # Errors
    /// When the tree forbids it.
    pub fn enroll_server(
        &self,
        id: DistributionServerId,
        name: &str,
        public_url: &str,
        parent: Option<DistributionServerId>,
    ) -> Result<(), TreeError> {
        let mut memory = self.lock();
        memory.tree.set_parent(id, parent)?;
        let is_root = parent.is_none();
        memory.raise();
        let server = ServerWish {
            public_chain: None,
            id,
            name: name.to_owned(),
            site: None,
            public_url: public_url.to_owned(),
            is_root,
            is_principal: is_root,
            accounts: Vec::new(),
            settings: ServerSettings::default(),
            selection: None,
            scrub_asked: None,
        };
        memory.servers.insert(id, server);
        Ok(())
    }

    /// Hangs a server below one other parent.
    ///
    /// # Errors
    /// When the tree forbids it.
    pub fn set_parent(
        &self,
        id: DistributionServerId,
        parent: DistributionServerId,
    ) -> Result<(), TreeError> {
        self.set_parents(id, &[parent])
    }

    /// Gives a server other parents, in order.
    ///
    /// # Errors
    /// When the tree forbids it.
    pub fn set_parents(
        &self,
        id: DistributionServerId,
        parents: &[DistributionServerId],
    ) -> Result<(), TreeError> {
        let mut memory = self.lock();
        memory.tree.set_parents(id, parents)?;
        memory.raise();
        Ok(())
    }

    /// Changes settings of a server.
    pub fn change_settings(
        &self,
        id: DistributionServerId,
        change: impl FnOnce(&mut ServerSettings),
    ) {
        let mut memory = self.lock();
        memory.raise();
        if let Some(server) = memory.servers.get_mut(&id) {
            change(&mut server.settings);
        }
    }

    /// Chooses what a server is to hold.
    pub fn set_selection(&self, id: DistributionServerId, selection: Choice) {
        let mut memory = self.lock();
        memory.raise();
        if let Some(server) = memory.servers.get_mut(&id) {
            server.selection = selection;
        }
    }

    /// Gives a server an account, in the place of one of the same name.
    pub fn set_account(&self, id: DistributionServerId, account: Account) {
        let mut memory = self.lock();
        memory.raise();
        if let Some(server) = memory.servers.get_mut(&id) {
            server.accounts.retain(|other| other.name != account.name);
            server.accounts.push(account);
        }
    }

    /// Removes an account of a server.
    pub fn remove_account(&self, id: DistributionServerId, name: &AccountName) {
        let mut memory = self.lock();
        memory.raise();
        if let Some(server) = memory.servers.get_mut(&id) {
            server.accounts.retain(|account| account.name != *name);
        }
    }

    /// Removes a server; its certificates count no longer.
    ///
    /// # Errors
    /// When it is somebody's only parent.
    pub fn remove_server(&self, id: DistributionServerId) -> Result<(), TreeError> {
        let mut memory = self.lock();
        memory.tree.remove(id)?;
        memory.raise();
        memory.servers.remove(&id);
        memory.removed.push(Party::DistributionServer(id));
        Ok(())
    }

    /// Declares an upload.
    pub fn declare_upload(&self, upload: MemoryUpload) {
        let (id, actor, outcome) = (upload.id, None, None);
        let stored = StoredUpload { declared: upload, actor, outcome, published: false };
        self.lock().uploads.insert(id, stored);
    }

    /// Deletes the live file of this name; says whether there was one.
    pub fn delete_file(&self, name: &FileName) -> bool {
        let mut memory = self.lock();
        let Some(id) = memory.live(&name.collision_key()) else { return false };
        memory.delete(id);
        true
    }

    /// What the live file of this name means: its newest descriptor.
    pub fn file(&self, name: &FileName) -> Option<Descriptor> {
        let memory = self.lock();
        let id = memory.live(&name.collision_key())?;
        memory.files.get(&id).map(|file| file.descriptor.clone())
    }

    /// Whether an upload is published.
    pub fn is_published(&self, upload: UploadId) -> bool {
        self.lock().uploads.get(&upload).is_some_and(|upload| upload.published)
    }

    /// What a server said last of a content.
    pub fn copy(&self, server: DistributionServerId, content: ContentId) -> Option<CopyReport> {
        self.lock().copies.get(&(server, content)).cloned()
    }

    /// What a server said last of itself.
    pub fn news(&self, server: DistributionServerId) -> Option<ServerNews> {
        self.lock().news.get(&server).cloned()
    }

    /// The digests that came after the upload of a content.
    pub fn digests(&self, content: ContentId) -> Option<FurtherDigests> {
        self.lock().digests.get(&content).cloned()
    }

    /// An administrator has looked at what a restore brought back.
    pub fn confirm_restore(&self) {
        let mut memory = self.lock();
        memory.raise();
        memory.restored_from = None;
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn raise(&mut self) -> Stamp {
        self.stamp.generation.0 = self.stamp.generation.0.saturating_add(1);
        self.stamp
    }

    fn live(&self, key: &str) -> Option<FileId> {
        let same =
            |file: &&StoredFile| !file.deleted && file.descriptor.name.collision_key() == key;
        self.files.values().find(same).map(|file| file.descriptor.file)
    }

    fn delete(&mut self, id: FileId) {
        let generation = self.raise().generation;
        if let Some(file) = self.files.get_mut(&id) {
            file.deleted = true;
            file.generation = generation;
        }
    }

    /// The next version under the upload's name, as a descriptor; or why there is to be none.
    fn place(
        &self,
        upload: &MemoryUpload,
        found: &Ingested,
        new_file: FileId,
        now: Timestamp,
    ) -> Result<Descriptor, String> {
        let declared_other = upload.blake3.is_some_and(|id| id != found.blake3)
            || upload.sha256.is_some_and(|digest| digest != found.sha256);
        if upload.size != found.size || declared_other {
            return Err("what arrived is not what was declared: send it again".to_owned());
        }
        let existing = self.live(&upload.name.collision_key()).and_then(|id| self.files.get(&id));
        let (file, version) = match existing {
            None => (new_file, 1),
            Some(file) if !file.is_called(upload.kind, &upload.name) => {
                return Err(name_taken(&upload.name, &file.descriptor.name, file.descriptor.kind));
            }
            Some(file) if file.descriptor.content == found.blake3 => {
                return Ok(file.descriptor.clone());
            }
            Some(file) if upload.replace => {
                (file.descriptor.file, file.descriptor.version.saturating_add(1))
            }
            Some(_) => {
                return Err(format!("there is other content under the name `{}`", upload.name));
            }
        };
        let digest_source = match (upload.blake3, upload.sha256) {
            (Some(_), Some(_)) => DigestSource::Declared,
            _ => DigestSource::ComputedByIngest,
        };
        Ok(Descriptor {
            file,
            kind: upload.kind,
            name: upload.name.clone(),
            version,
            content: found.blake3,
            sha256: found.sha256,
            size: found.size,
            digest_source,
            priority: upload.priority,
            mark: None,
            stamp: self.stamp,
            issued: now,
        })
    }

    fn store_version(&mut self, descriptor: Descriptor, envelope: Vec<u8>) {
        let file = StoredFile {
            generation: self.stamp.generation,
            deleted: false,
            envelope,
            descriptor: descriptor.clone(),
        };
        self.files.insert(descriptor.file, file);
    }
}
