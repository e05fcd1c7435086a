//! The wish store over the database.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::Value;
use xylem_api::control::{ChangeFile, CopyReport, DeclareReceived};
use xylem_api::ingest::Ingested;
use xylem_db::{
    Account as DbAccount, Actor, Changed, Commit, Database, DbError, Declaration, File,
    IngestResult, LiveFile, PlacementReport, PlacementState, ServerReport, UploadState, Version,
    VersionFacts,
};
use xylem_model::{
    ByteSize, CheckedIndex, ContentId, DistributionServerId, Epoch, FileId, FileName,
    FurtherDigests, Generation, IndexError, Party, Priority, Stamp, Timestamp, UploadId,
    take_index,
};
use xylem_runtime::Environment;
use xylem_trust::{Account, Descriptor, DigestSource};

use super::convert::{believing, descriptor, file_change, new_upload, placement, wanted};
use super::{
    Changes, CommitOutcome, DeletedFile, LackingDigests, Overview, ServerNews, ServerWish, Sign,
    Standing, WantedFile, WishError, WishStore,
};
use crate::uploading::{name_exists, name_taken};

/// The setting that remembers the state an unconfirmed restore went back to.
const RESTORED_FROM: &str = "restore.from";

/// How often a reading is begun again because the state moved meanwhile.
const READ_TRIES: u32 = 8;

/// The wish store that the management server runs on.
#[derive(Debug, Clone)]
pub struct DatabaseWishStore {
    database: Database,
    environment: Environment,
}

impl DatabaseWishStore {
    /// A store over an open database.
    pub const fn new(database: Database, environment: Environment) -> Self {
        Self { database, environment }
    }

    /// Remembers which state a restore went back to, unless an earlier one is still unconfirmed:
    /// then that one's counts, which is older.
    pub(crate) async fn remember_restore(&self, now: Timestamp) -> Result<(), DbError> {
        let unconfirmed = self.database.restore_unconfirmed().await?;
        if unconfirmed && self.database.setting(RESTORED_FROM).await?.is_some() {
            return Ok(());
        }
        let stamp = self.database.stamp().await?;
        let text = format!("{}.{}", stamp.epoch.0, stamp.generation.0);
        self.database.set_setting(RESTORED_FROM, Some(&text), &Actor::system(), now).await
    }

    /// The restore is confirmed: the state it went back to matters no longer.
    pub(crate) async fn forget_restore(&self, now: Timestamp) -> Result<(), DbError> {
        self.database.set_setting(RESTORED_FROM, None, &Actor::system(), now).await
    }

    async fn changes_once(&self, since: Generation, limit: u64) -> Result<Changes, DbError> {
        let stamp = self.database.stamp().await?;
        let live = self.database.live_versions(Some(since), limit).await?;
        let deleted = self.database.removed_since(since, limit).await?;
        let is_full = |count: usize| u64::try_from(count).is_ok_and(|count| count >= limit);
        // Beyond the end of a full list there may be more, so neither goes further than that.
        let end_of_live = live.last().filter(|_| is_full(live.len()));
        let end_of_deleted = deleted.last().filter(|_| is_full(deleted.len()));
        let next = [
            end_of_live.map(|live| live.file.stamp.generation),
            end_of_deleted.map(|file| file.stamp.generation),
        ]
        .into_iter()
        .flatten()
        .min();
        let within = |generation: Generation| next.is_none_or(|end| generation <= end);
        let live: Vec<LiveFile> =
            live.into_iter().filter(|live| within(live.file.stamp.generation)).collect();
        let wanted = self.with_marked(live).await?;
        let deleted = deleted
            .into_iter()
            .map(|file| DeletedFile {
                file: file.id,
                version: u64::from(file.latest),
                generation: file.stamp.generation,
            })
            .filter(|deleted| within(deleted.generation));
        Ok(Changes { stamp, wanted, deleted: deleted.collect(), next })
    }

    /// Live files with their marked versions. Most have none.
    async fn with_marked(&self, live: Vec<LiveFile>) -> Result<Vec<WantedFile>, DbError> {
        let has_mark = |file: &File| file.test.is_some() || file.previous.is_some();
        let files: Vec<FileId> =
            live.iter().filter(|live| has_mark(&live.file)).map(|live| live.file.id).collect();
        let mut marked: HashMap<FileId, Vec<Version>> = HashMap::new();
        if !files.is_empty() {
            for version in self.database.marked_versions(&files).await? {
                marked.entry(version.file).or_default().push(version);
            }
        }
        let with_marked = |live: LiveFile| {
            let versions = marked.remove(&live.file.id).unwrap_or_default();
            wanted(live, versions)
        };
        Ok(live.into_iter().map(with_marked).collect())
    }

    async fn overview_once(&self) -> Result<Overview, DbError> {
        let stamp = self.database.stamp().await?;
        let may_remove = !self.database.restore_unconfirmed().await?;
        let servers = self.database.distribution_servers().await?;
        let now = self.environment.clock.now();
        let revoked = self.database.revoked(now).await?;
        let mut removed: Vec<Party> = revoked.into_iter().map(|gone| gone.party).collect();
        let aside = servers.iter().filter(|server| server.set_aside.is_some());
        removed.extend(aside.map(|server| Party::DistributionServer(server.id)));
        removed.sort_unstable();
        removed.dedup();
        let mut accounts: HashMap<DistributionServerId, Vec<Account>> = HashMap::new();
        for account in self.database.all_accounts().await? {
            let DbAccount { server, name, access, passwords, .. } = account;
            accounts.entry(server).or_default().push(Account { name, access, passwords });
        }
        let servers = servers.into_iter().map(|server| ServerWish {
            accounts: accounts.remove(&server.id).unwrap_or_default(),
            settings: server.settings,
            selection: server.selection.filter(|_| !server.filling),
            scrub_asked: server.scrub_asked,
            public_chain: server.public_chain_sha256,
            id: server.id,
            name: server.name,
            site: server.site,
            public_url: server.public_url,
            is_root: server.is_root,
            is_principal: server.is_principal,
        });
        Ok(Overview {
            stamp,
            may_remove,
            servers: servers.collect(),
            tree: self.database.tree().await?,
            root_epoch: self.database.root_epoch().await?,
            cloud_is_principal: self.database.cloud_is_principal().await?,
            removed,
        })
    }
}

/// Reads again until the stamp is the same before and after, which proves one moment. Where the
/// state moves all the time, the last reading has to do: its reader finds the disagreement and
/// asks again.
macro_rules! settled {
    ($store:expr, $read:expr) => {{
        let mut tries_left = READ_TRIES;
        loop {
            let value = $read.await?;
            tries_left -= 1;
            if tries_left == 0 || $store.database.stamp().await? == value.stamp {
                break Ok(value);
            }
        }
    }};
}

#[async_trait]
impl WishStore for DatabaseWishStore {
    async fn stamp(&self) -> Result<Stamp, WishError> {
        Ok(self.database.stamp().await?)
    }

    async fn standing(&self, party: Party) -> Result<Standing, WishError> {
        let removed = match party {
            Party::DistributionServer(id) => match self.database.distribution_server(id).await {
                Ok(server) if server.removed.is_none() && server.set_aside.is_some() => {
                    return Ok(Standing::SetAside);
                }
                found => found.map(|server| server.removed),
            },
            Party::Computer(id) => self.database.computer(id).await.map(|known| known.removed),
            Party::ManagementServer(_) => return Ok(Standing::Unknown),
        };
        match removed {
            Ok(None) => Ok(Standing::Member),
            Ok(Some(_)) => Ok(Standing::Removed),
            Err(DbError::NotFound { .. }) => Ok(Standing::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    async fn overview(&self) -> Result<Overview, WishError> {
        settled!(self, self.overview_once())
    }

    async fn changes(&self, since: Generation, limit: u64) -> Result<Changes, WishError> {
        settled!(self, self.changes_once(since, limit))
    }

    async fn note_report(
        &self,
        server: DistributionServerId,
        news: &ServerNews,
        copies: &[CopyReport],
        full: bool,
        now: Timestamp,
    ) -> Result<(), WishError> {
        let report = ServerReport {
            program_version: news.program_version.clone(),
            address: news.address.clone(),
            free: ByteSize(news.free_bytes),
            total: ByteSize(news.free_bytes.saturating_add(news.used_bytes)),
            held: news.applied,
            scrub: news.scrub,
            set: news.set,
            believing: believing(&news.believing),
            inventory: news.inventory.as_ref().and_then(|it| serde_json::to_string(it).ok()),
            shown_certificate: news.shown.as_ref().and_then(|it| serde_json::to_string(it).ok()),
        };
        // What has gone first, and last which state the server is in: whoever looks in between finds
        // less than there is, and never more.
        if !news.gone.is_empty() {
            self.database.forget_placements(server, &news.gone).await?;
        }
        if full || !copies.is_empty() {
            let rows: Vec<PlacementReport> =
                copies.iter().map(|copy| placement(copy, news.applied)).collect();
            self.database.report_placements(server, &rows, full, now).await?;
        }
        self.database.touch_distribution_server(server, &report, now).await?;
        if let Some(life) = &news.life
            && self.database.note_life(server, life, now).await?
        {
            tracing::error!(
                dp.id = %server,
                "two machines report with the key of one distribution server: a disk was copied; \
                 neither is let in until `xylem ds reinstate`, or until both are enrolled anew"
            );
        }
        Ok(())
    }

    async fn ingest_server(&self, upload: UploadId) -> Result<DistributionServerId, WishError> {
        Ok(self.database.upload(upload).await?.declared.server)
    }

    async fn upload_name(
        &self,
        upload: UploadId,
    ) -> Result<Option<(FileName, Priority)>, WishError> {
        let known = self.database.upload(upload).await?;
        match known.state {
            UploadState::Declared => Ok(Some((known.declared.name, known.declared.priority))),
            UploadState::Committed | UploadState::Published => Ok(None),
            ended => Err(WishError::Conflict(match known.reason {
                Some(reason) => format!("the upload is {ended}: {reason}"),
                None => format!("the upload is {ended}: send it again"),
            })),
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
        let (inspection, index) = without_index(found.inspection.clone()).await?;
        let found = IngestResult {
            size: found.size,
            blake3: found.blake3,
            sha256: found.sha256,
            inspection,
            index,
            server: Some(server),
            root_epoch: found.root_epoch,
            knows_marks: found.knows_marks,
        };
        let sign = |facts: &VersionFacts| sign(&descriptor(facts));
        let committed = match self.database.commit_upload(upload, &found, new_file, now, sign).await
        {
            Err(error @ DbError::Invalid { .. }) => {
                return Err(WishError::Invalid(error.to_string()));
            }
            committed => committed?,
        };
        Ok(match committed {
            Commit::Committed(version) => CommitOutcome::Committed(version.descriptor),
            Commit::Failed(upload) => CommitOutcome::Failed(
                upload.reason.unwrap_or_else(|| "the upload was refused".to_owned()),
            ),
        })
    }

    async fn declare_received(
        &self,
        received: &DeclareReceived,
        server: DistributionServerId,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), WishError> {
        let new = new_upload(received, server, now);
        match self.database.declare_received(&new, &Actor::new(actor), now).await? {
            // Without declared digests nothing is known to be there already, and what has the name
            // is replaced.
            Declaration::Declared(_)
            | Declaration::AlreadyThere(_)
            | Declaration::Conflict { .. } => Ok(()),
            Declaration::NameTaken { existing, kind } => {
                Err(WishError::Conflict(name_taken(&new.name, &existing, kind)))
            }
        }
    }

    async fn change_file(
        &self,
        asked: &ChangeFile,
        new_file: FileId,
        actor: &str,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<Stamp, WishError> {
        let change = file_change(asked, new_file);
        let sign = |facts: &VersionFacts| sign(&descriptor(facts));
        let changed = self.database.change_file(&change, &Actor::new(actor), now, sign).await?;
        let to = asked.change.new_name().unwrap_or(&asked.name);
        match changed {
            Changed::Made(stamp) => Ok(stamp),
            Changed::Exists { existing } => {
                let number = u64::from(existing.number);
                Err(WishError::Conflict(name_exists(asked.kind, to, number)))
            }
            Changed::NameTaken { existing, kind } => {
                Err(WishError::Conflict(name_taken(to, &existing, kind)))
            }
        }
    }

    async fn refuse_upload(
        &self,
        upload: UploadId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.database.refuse_upload(upload, reason, now).await?;
        Ok(())
    }

    async fn mark_published(&self, upload: UploadId, now: Timestamp) -> Result<(), WishError> {
        let upload = self.database.mark_published(upload, now).await?;
        let Some((file, number)) = upload.version else { return Ok(()) };
        let versions = self.database.versions(file).await?;
        let Some(version) = versions.iter().find(|version| version.number == number) else {
            return Ok(());
        };
        // Its report would say the same a moment later; whoever asks at once hears it now.
        let copy = PlacementReport {
            content: version.content,
            state: PlacementState::Present,
            bytes: version.size,
            rate: None,
            verified: Some(now),
            reason: None,
            next_try: None,
            stamp: version.stamp,
        };
        let server = upload.declared.server;
        self.database.report_placements(server, &[copy], false, now).await?;
        Ok(())
    }

    async fn lacking_digests(
        &self,
        after: Option<(Generation, ContentId)>,
        limit: u64,
    ) -> Result<Vec<LackingDigests>, WishError> {
        let lacking = self.database.lacking_digests(after, limit).await?;
        let contents: Vec<ContentId> = lacking.iter().map(|(content, _)| *content).collect();
        let holders = self.database.holders(&contents).await?;
        let with_holders = |(content, generation)| LackingDigests {
            content,
            generation,
            holders: holders.get(&content).cloned().unwrap_or_default(),
        };
        Ok(lacking.into_iter().map(with_holders).collect())
    }

    async fn last_reports(&self) -> Result<HashMap<DistributionServerId, Timestamp>, WishError> {
        let servers = self.database.distribution_servers().await?;
        Ok(servers.into_iter().filter_map(|server| Some((server.id, server.last_seen?))).collect())
    }

    async fn note_digests(
        &self,
        content: ContentId,
        server: DistributionServerId,
        found: &FurtherDigests,
        now: Timestamp,
    ) -> Result<(), WishError> {
        match self.database.store_digests(content, server, found, now).await {
            Err(error @ DbError::Invalid { .. }) => Err(WishError::Conflict(error.to_string())),
            stored => Ok(stored?),
        }
    }

    async fn begin_epoch(&self, at_least: Epoch, now: Timestamp) -> Result<Stamp, WishError> {
        self.remember_restore(now).await?;
        Ok(self.database.begin_epoch(at_least, &Actor::system(), now).await?)
    }

    async fn restored_from(&self) -> Result<Option<Stamp>, WishError> {
        if !self.database.restore_unconfirmed().await? {
            return Ok(None);
        }
        let text = self.database.setting(RESTORED_FROM).await?.unwrap_or_default();
        let stamp = text.split_once('.').and_then(|(epoch, generation)| {
            Some(Stamp::new(epoch.parse().ok()?, generation.parse().ok()?))
        });
        // Without the setting nothing is known of the backup; then all that is signed counts.
        Ok(Some(stamp.unwrap_or_default()))
    }

    async fn adopt(
        &self,
        descriptor: &Descriptor,
        envelope: &[u8],
        restored: Stamp,
        now: Timestamp,
    ) -> Result<(), WishError> {
        let number = u32::try_from(descriptor.version)
            .map_err(|_| WishError::Conflict("the version number is too large".to_owned()))?;
        let source = match descriptor.digest_source {
            DigestSource::Declared => xylem_db::DigestSource::Declared,
            DigestSource::ComputedByIngest => xylem_db::DigestSource::ComputedByIngest,
        };
        let facts = VersionFacts {
            file: descriptor.file,
            kind: descriptor.kind,
            name: descriptor.name.clone(),
            number,
            content: descriptor.content,
            sha256: descriptor.sha256,
            size: descriptor.size,
            priority: descriptor.priority,
            mark: descriptor.mark,
            content_source: source,
            sha256_source: source,
            stamp: descriptor.stamp,
            created: descriptor.issued,
        };
        match self.database.adopt_version(&facts, envelope, restored, &Actor::system(), now).await {
            Ok(_) => Ok(()),
            Err(error @ DbError::WrongState { .. }) => Err(WishError::Conflict(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

/// An inspection without its index, and the index. Unpacking it once takes up to a second: not where
/// requests are answered.
async fn without_index(mut inspection: Value) -> Result<(Value, Option<CheckedIndex>), WishError> {
    let checking = tokio::task::spawn_blocking(move || {
        let index = take_index(&mut inspection)?;
        Ok::<_, IndexError>((inspection, index))
    });
    let checked = checking.await.map_err(|error| WishError::Store(Box::new(error)))?;
    checked.map_err(|error| WishError::bad_index(&error))
}

impl From<DbError> for WishError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound { what, name } => Self::NotFound { what, name },
            DbError::Conflict { .. } | DbError::WrongState { .. } => {
                Self::Conflict(error.to_string())
            }
            DbError::Behind { .. } | DbError::NotInPrincipal => Self::Behind(error.to_string()),
            error => Self::Store(Box::new(error)),
        }
    }
}
