//! A management server that forgets what it removed: planted, to be noticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use xylem_api::control::{ChangeFile, CopyReport, DeclareReceived};
use xylem_api::ingest::Ingested;
use xylem_model::{
    DistributionServerId, Epoch, FileId, Generation, Party, Stamp, Timestamp, UploadId,
};
use xylem_server::{
    Changes, CommitOutcome, MemoryWishStore, Overview, ServerNews, ServerWish, Sign, Standing,
    WishError, WishStore,
};
use xylem_trust::Descriptor;

/// Every server that was ever seen, with its parents. Like the store it outlives a crash.
pub(crate) type Seen =
    Arc<Mutex<BTreeMap<DistributionServerId, (ServerWish, Vec<DistributionServerId>)>>>;

/// The store, but for one thing: servers that were removed still belong.
pub(crate) struct ForgetsRemovals {
    store: Arc<MemoryWishStore>,
    seen: Seen,
}

impl ForgetsRemovals {
    pub(crate) fn new(store: Arc<MemoryWishStore>, seen: Seen) -> Self {
        Self { store, seen }
    }
}

#[async_trait]
impl WishStore for ForgetsRemovals {
    async fn standing(&self, party: Party) -> Result<Standing, WishError> {
        Ok(match self.store.standing(party).await? {
            Standing::Removed => Standing::Member,
            standing => standing,
        })
    }

    async fn overview(&self) -> Result<Overview, WishError> {
        let mut overview = self.store.overview().await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for server in &overview.servers {
            let parents = overview.tree.parents(server.id).to_vec();
            seen.insert(server.id, (server.clone(), parents));
        }
        for (id, (server, parents)) in seen.iter() {
            let gone = !overview.servers.iter().any(|one| one.id == *id);
            // Where its parents are gone too, it cannot be put back, and is not.
            if gone && overview.tree.set_parents(*id, parents).is_ok() {
                overview.servers.push(server.clone());
            }
        }
        overview.removed.clear();
        Ok(overview)
    }

    async fn stamp(&self) -> Result<Stamp, WishError> {
        self.store.stamp().await
    }

    async fn changes(&self, since: Generation, limit: u64) -> Result<Changes, WishError> {
        self.store.changes(since, limit).await
    }

    async fn note_report(
        &self,
        server: DistributionServerId,
        news: &ServerNews,
        copies: &[CopyReport],
        full: bool,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.store.note_report(server, news, copies, full, now).await
    }

    async fn ingest_server(&self, upload: UploadId) -> Result<DistributionServerId, WishError> {
        self.store.ingest_server(upload).await
    }

    async fn commit_upload(
        &self,
        upload: UploadId,
        found: &Ingested,
        new_file: FileId,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<CommitOutcome, WishError> {
        self.store.commit_upload(upload, found, new_file, now, sign).await
    }

    async fn declare_received(
        &self,
        received: &DeclareReceived,
        server: DistributionServerId,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.store.declare_received(received, server, actor, now).await
    }

    async fn change_file(
        &self,
        asked: &ChangeFile,
        new_file: FileId,
        actor: &str,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<Stamp, WishError> {
        self.store.change_file(asked, new_file, actor, now, sign).await
    }

    async fn refuse_upload(
        &self,
        upload: UploadId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.store.refuse_upload(upload, reason, now).await
    }

    async fn mark_published(&self, upload: UploadId, now: Timestamp) -> Result<(), WishError> {
        self.store.mark_published(upload, now).await
    }

    async fn begin_epoch(&self, at_least: Epoch, now: Timestamp) -> Result<Stamp, WishError> {
        self.store.begin_epoch(at_least, now).await
    }

    async fn restored_from(&self) -> Result<Option<Stamp>, WishError> {
        self.store.restored_from().await
    }

    async fn adopt(
        &self,
        descriptor: &Descriptor,
        envelope: &[u8],
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.store.adopt(descriptor, envelope, now).await
    }
}
