//! The memory store as the control link sees it.

use std::collections::HashMap;

use async_trait::async_trait;
use xylem_api::control::{ChangeFile, CopyReport, DeclareReceived};
use xylem_api::ingest::Ingested;
use xylem_model::{
    ContentId, DistributionServerId, Epoch, FileId, FileName, FurtherDigests, Generation, Party,
    Priority, Stamp, Timestamp, UploadId, take_index,
};
use xylem_trust::Descriptor;

use super::{MemoryWishStore, StoredFile};
use crate::wish::{
    Changes, CommitOutcome, DeletedFile, LackingDigests, Overview, ServerNews, Sign, Standing,
    WantedFile, WantedVersion, WishError, WishStore,
};

#[async_trait]
impl WishStore for MemoryWishStore {
    async fn stamp(&self) -> Result<Stamp, WishError> {
        Ok(self.lock().stamp)
    }

    async fn standing(&self, party: Party) -> Result<Standing, WishError> {
        let memory = self.lock();
        if memory.removed.contains(&party) {
            return Ok(Standing::Removed);
        }
        Ok(match party {
            Party::DistributionServer(id) if memory.servers.contains_key(&id) => Standing::Member,
            _ => Standing::Unknown,
        })
    }

    async fn overview(&self) -> Result<Overview, WishError> {
        let memory = self.lock();
        Ok(Overview {
            stamp: memory.stamp,
            may_remove: memory.restored_from.is_none(),
            servers: memory.servers.values().cloned().collect(),
            tree: memory.tree.clone(),
            root_epoch: memory.root_epoch,
            cloud_is_principal: memory.cloud_is_principal,
            removed: memory.removed.clone(),
        })
    }

    async fn changes(&self, since: Generation, limit: u64) -> Result<Changes, WishError> {
        let memory = self.lock();
        let mut changed: Vec<&StoredFile> =
            memory.files.values().filter(|file| file.generation > since).collect();
        changed.sort_by_key(|file| file.generation);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let next = match changed.len() > limit {
            true => changed.get(limit.saturating_sub(1)).map(|file| file.generation),
            false => None,
        };
        changed.truncate(limit);
        let (deleted, live): (Vec<_>, Vec<_>) = changed.into_iter().partition(|file| file.deleted);
        let wanted = live.into_iter().map(|file| WantedFile {
            facts: file.facts(),
            newest: file.descriptor.version,
            generation: file.generation,
            versions: vec![WantedVersion {
                content: file.descriptor.content,
                mark: file.descriptor.mark,
                descriptor: file.envelope.clone(),
            }],
        });
        let deleted = deleted.into_iter().map(|file| DeletedFile {
            file: file.descriptor.file,
            version: file.descriptor.version,
            generation: file.generation,
        });
        let (wanted, deleted) = (wanted.collect(), deleted.collect());
        Ok(Changes { stamp: memory.stamp, wanted, deleted, next })
    }

    async fn note_report(
        &self,
        server: DistributionServerId,
        news: &ServerNews,
        copies: &[CopyReport],
        full: bool,
        now: Timestamp,
    ) -> Result<(), WishError> {
        let mut memory = self.lock();
        memory.reported.insert(server, now);
        memory.news.insert(server, news.clone());
        if full {
            memory.copies.retain(|(holder, _), _| *holder != server);
        }
        for content in &news.gone {
            memory.copies.remove(&(server, *content));
        }
        for copy in copies {
            memory.copies.insert((server, copy.content), copy.clone());
        }
        Ok(())
    }

    async fn ingest_server(&self, upload: UploadId) -> Result<DistributionServerId, WishError> {
        let memory = self.lock();
        let found = memory.uploads.get(&upload).ok_or_else(|| no_upload(upload))?;
        Ok(found.declared.server)
    }

    async fn upload_name(
        &self,
        upload: UploadId,
    ) -> Result<Option<(FileName, Priority)>, WishError> {
        let memory = self.lock();
        let found = memory.uploads.get(&upload).ok_or_else(|| no_upload(upload))?;
        match &found.outcome {
            None => Ok(Some((found.declared.name.clone(), found.declared.priority))),
            Some(CommitOutcome::Committed(_)) => Ok(None),
            Some(CommitOutcome::Failed(reason)) => {
                Err(WishError::Conflict(format!("the upload is failed: {reason}")))
            }
        }
    }

    async fn commit_upload(
        &self,
        upload: UploadId,
        server: DistributionServerId,
        found: &Ingested,
        new_file: FileId,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<CommitOutcome, WishError> {
        // Nobody asks this store what is in a file.
        take_index(&mut found.inspection.clone()).map_err(|error| WishError::bad_index(&error))?;
        let mut memory = self.lock();
        let stored = memory.uploads.get(&upload).ok_or_else(|| no_upload(upload))?;
        if let Some(outcome) = &stored.outcome {
            return Ok(outcome.clone());
        }
        let declared = stored.declared.clone();
        if let Some(reason) = memory.moved_away(&declared, server, found.root_epoch)? {
            return Ok(CommitOutcome::Failed(reason));
        }
        let before = memory.stamp;
        memory.raise();
        let outcome = match memory.place(&declared, found, new_file, now) {
            Err(reason) => {
                memory.stamp = before;
                CommitOutcome::Failed(reason)
            }
            Ok(descriptor) => {
                let same = memory.files.get(&descriptor.file);
                match same.filter(|file| file.descriptor == descriptor) {
                    Some(file) => {
                        let envelope = file.envelope.clone();
                        memory.stamp = before;
                        CommitOutcome::Committed(envelope)
                    }
                    None => {
                        let envelope =
                            sign(&descriptor).map_err(|e| WishError::Store(Box::new(e)))?;
                        memory.store_version(descriptor, envelope.clone());
                        CommitOutcome::Committed(envelope)
                    }
                }
            }
        };
        if let Some(stored) = memory.uploads.get_mut(&upload) {
            stored.outcome = Some(outcome.clone());
        }
        Ok(outcome)
    }

    async fn declare_received(
        &self,
        received: &DeclareReceived,
        server: DistributionServerId,
        actor: &str,
        _now: Timestamp,
    ) -> Result<(), WishError> {
        self.lock().receive(received, server, actor)
    }

    async fn change_file(
        &self,
        asked: &ChangeFile,
        new_file: FileId,
        _actor: &str,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<Stamp, WishError> {
        self.lock().change(asked, new_file, now, sign)
    }

    async fn refuse_upload(
        &self,
        upload: UploadId,
        reason: &str,
        _now: Timestamp,
    ) -> Result<(), WishError> {
        let mut memory = self.lock();
        let stored = memory.uploads.get_mut(&upload).ok_or_else(|| no_upload(upload))?;
        match &stored.outcome {
            Some(CommitOutcome::Committed(_)) => {
                Err(WishError::Conflict(format!("the upload {upload} is committed already")))
            }
            _ => {
                stored.outcome = Some(CommitOutcome::Failed(reason.to_owned()));
                Ok(())
            }
        }
    }

    async fn mark_published(&self, upload: UploadId, _now: Timestamp) -> Result<(), WishError> {
        let mut memory = self.lock();
        let stored = memory.uploads.get_mut(&upload).ok_or_else(|| no_upload(upload))?;
        match &stored.outcome {
            Some(CommitOutcome::Committed(_)) => {
                stored.published = true;
                Ok(())
            }
            _ => Err(WishError::Conflict(format!("the upload {upload} was never committed"))),
        }
    }

    async fn lacking_digests(
        &self,
        after: Option<(Generation, ContentId)>,
        limit: u64,
    ) -> Result<Vec<LackingDigests>, WishError> {
        Ok(self.lock().lacking_digests(after, limit))
    }

    async fn last_reports(&self) -> Result<HashMap<DistributionServerId, Timestamp>, WishError> {
        Ok(self.lock().reported.iter().map(|(server, at)| (*server, *at)).collect())
    }

    async fn note_digests(
        &self,
        content: ContentId,
        server: DistributionServerId,
        found: &FurtherDigests,
        _now: Timestamp,
    ) -> Result<(), WishError> {
        self.lock().note_digests(content, server, found)
    }

    async fn begin_epoch(&self, at_least: Epoch, _now: Timestamp) -> Result<Stamp, WishError> {
        let mut memory = self.lock();
        let before = memory.stamp;
        memory.restored_from.get_or_insert(before);
        memory.stamp.epoch = Epoch(before.epoch.max(at_least).0.saturating_add(1));
        Ok(memory.raise())
    }

    async fn restored_from(&self) -> Result<Option<Stamp>, WishError> {
        Ok(self.lock().restored_from)
    }

    async fn adopt(
        &self,
        descriptor: &Descriptor,
        envelope: &[u8],
        _restored: Stamp,
        _now: Timestamp,
    ) -> Result<(), WishError> {
        let mut memory = self.lock();
        let conflict = |why: &str| Err(WishError::Conflict(format!("{}: {why}", descriptor.name)));
        match memory.files.get(&descriptor.file) {
            Some(file) if file.deleted => return conflict("the file is deleted"),
            Some(file) if file.descriptor.version >= descriptor.version => return Ok(()),
            Some(_) => {}
            None if memory.live(&descriptor.name.collision_key()).is_some() => {
                return conflict("another file has the name");
            }
            None => {}
        }
        memory.raise();
        memory.store_version(descriptor.clone(), envelope.to_vec());
        Ok(())
    }
}

fn no_upload(id: UploadId) -> WishError {
    WishError::NotFound { what: "upload", name: id.to_string() }
}
