//! The management server's store, watched: there is one root and one principal in each root epoch,
//! and only the principal commits (P7). Faults are planted here too, to be noticed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use xylem_api::control::{ChangeFile, CopyReport, DeclareReceived};
use xylem_api::ingest::Ingested;
use xylem_model::{
    ContentId, DistributionServerId, Epoch, FileId, FileName, FurtherDigests, Generation, Party,
    Priority, Stamp, Timestamp, UploadId,
};
use xylem_server::{
    Changes, CommitOutcome, LackingDigests, MemoryUpload, MemoryWishStore, Overview, ServerNews,
    ServerWish, Sign, Standing, WishError, WishStore,
};
use xylem_trust::Descriptor;

use crate::history::History;
use crate::machine::Planted;
use crate::world::World;

/// Every server that was ever seen, with its parents. Like the store it outlives a crash.
pub(crate) type Seen =
    Arc<Mutex<BTreeMap<DistributionServerId, (ServerWish, Vec<DistributionServerId>)>>>;

/// The store with whoever watches it.
pub(crate) struct WatchedStore {
    world: World,
    store: Arc<MemoryWishStore>,
    history: History,
}

impl WatchedStore {
    pub(crate) fn new(world: World, history: History) -> Self {
        let store = Arc::clone(&world.store);
        Self { world, store, history }
    }

    fn is_planted(&self, fault: Planted) -> bool {
        self.world.server_machine.is_planted(fault)
    }

    /// P7: one root and one principal, the same all through a root epoch.
    fn check_roles(&self, overview: &Overview) {
        let one = |has: fn(&ServerWish) -> bool| {
            let mut having = overview.servers.iter().filter(|server| has(server));
            having.next().filter(|_| having.next().is_none()).map(|server| server.id)
        };
        let (root, principal) = (one(|it| it.is_root), one(|it| it.is_principal));
        let mut record = self.history.lock();
        let known = *record.roles.entry(overview.root_epoch).or_insert((root, principal));
        record.figures.roles += 1;
        if root.is_none() || principal.is_none() || root != overview.tree.root() {
            record
                .violations
                .push(format!("P7: the root is {root:?}, the principal {principal:?}"));
        } else if known != (root, principal) {
            record.violations.push(format!(
                "P7: in root epoch {} root and principal were {known:?}, and are {:?}",
                overview.root_epoch,
                (root, principal)
            ));
        }
    }

    /// Planted: an upload that was sent to a former principal is taken for one of the present one.
    async fn unfence(&self, upload: UploadId) -> Result<Option<DistributionServerId>, WishError> {
        let principal = self.store.overview().await?.servers.into_iter().find(|it| it.is_principal);
        let declared = self.world.uploads().get(&upload).cloned();
        let (Some(principal), Some(declared)) = (principal, declared) else { return Ok(None) };
        self.store.declare_upload(MemoryUpload { server: principal.id, ..declared });
        Ok(Some(principal.id))
    }
}

#[async_trait]
impl WishStore for WatchedStore {
    async fn standing(&self, party: Party) -> Result<Standing, WishError> {
        let forgets = self.is_planted(Planted::ForgetsRemovals);
        Ok(match self.store.standing(party).await? {
            Standing::Removed if forgets => Standing::Member,
            standing => standing,
        })
    }

    async fn overview(&self) -> Result<Overview, WishError> {
        let mut overview = self.store.overview().await?;
        self.check_roles(&overview);
        if !self.is_planted(Planted::ForgetsRemovals) {
            return Ok(overview);
        }
        let mut seen = self.world.seen.lock().unwrap_or_else(PoisonError::into_inner);
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
        let told = self.world.uploads().get(&upload).map(|declared| declared.server);
        match told.filter(|_| self.is_planted(Planted::NoFencing)) {
            // As if no upload had been moved.
            Some(server) => Ok(server),
            None => self.store.ingest_server(upload).await,
        }
    }

    async fn upload_name(
        &self,
        upload: UploadId,
    ) -> Result<Option<(FileName, Priority)>, WishError> {
        self.store.upload_name(upload).await
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
        let before = self.store.overview().await?;
        let (mut found, mut claimed) = (found.clone(), server);
        if self.is_planted(Planted::NoFencing) {
            claimed = self.unfence(upload).await?.unwrap_or(server);
            found.root_epoch = None;
        }
        let outcome =
            self.store.commit_upload(upload, claimed, &found, new_file, now, sign).await?;
        let is_new = self.store.stamp().await? != before.stamp;
        let principal = before.servers.iter().find(|it| it.is_principal).map(|it| it.id);
        if matches!(outcome, CommitOutcome::Committed(_)) && is_new && principal != Some(server) {
            let told =
                format!("P7: {server} committed an upload, and the principal is {principal:?}");
            self.history.lock().violations.push(told);
        }
        Ok(outcome)
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

    async fn lacking_digests(
        &self,
        after: Option<(Generation, ContentId)>,
        limit: u64,
    ) -> Result<Vec<LackingDigests>, WishError> {
        self.store.lacking_digests(after, limit).await
    }

    async fn last_reports(&self) -> Result<HashMap<DistributionServerId, Timestamp>, WishError> {
        self.store.last_reports().await
    }

    async fn note_digests(
        &self,
        content: ContentId,
        server: DistributionServerId,
        found: &FurtherDigests,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.store.note_digests(content, server, found, now).await
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
        restored: Stamp,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.store.adopt(descriptor, envelope, restored, now).await
    }
}
