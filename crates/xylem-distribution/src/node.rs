//! What all tasks of one distribution server share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Notify, watch};
use xylem_blobs::Repository;
use xylem_client::{ContentClient, ControlClient};
use xylem_model::{ContentId, DistributionServerId, Timestamp};
use xylem_pki::{Identity, Presented, TrustAnchors};
use xylem_runtime::{Environment, Fs, random_array};
use xylem_sync::ServerSettings;
use xylem_trust::{Envelope, TrustStore};

use crate::access::{Access, AccessFile};
use crate::accounts::Accounts;
use crate::arrivals::Arrivals;
use crate::data::{DataError, DataFolder, Settings, damaged, read_json, write_json};
use crate::dav::ShareState;
use crate::documents::{CheckedState, Seen};
use crate::ingest::Uploads;
use crate::inspector::Inspector;
use crate::manifest::{Catalogue, Change, Manifest, ManifestLog, Unwanted};
use crate::pace::Pace;
use crate::renewal::Told;
use crate::report::Ledger;
use crate::scrub::Scrubs;
use crate::serve::{Frames, Heads};
use crate::shown::Chains;

/// One distribution server, from the inside.
pub(crate) struct Node {
    pub(crate) environment: Environment,
    pub(crate) folder: DataFolder,
    pub(crate) settings: Settings,
    pub(crate) id: DistributionServerId,
    pub(crate) identity: Identity,
    pub(crate) anchors: TrustAnchors,
    /// What clients are shown.
    pub(crate) presented: Presented,
    pub(crate) repository: Repository,
    pub(crate) control: ControlClient,
    pub(crate) content: ContentClient,
    pub(crate) inspector: Arc<dyn Inspector>,
    /// Who asks by name and password.
    pub(crate) accounts: Accounts,
    /// What WebDAV keeps.
    pub(crate) share: ShareState,
    pub(crate) ledger: Ledger,
    pub(crate) scrubs: Scrubs,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) arrivals: Arrivals,
    pub(crate) pace: Pace,
    /// Buffers for what is served.
    pub(crate) frames: Arc<Frames>,
    /// Headers of what is served.
    pub(crate) heads: Heads,
    /// Which start of the program this is, and since when it runs.
    pub(crate) life: (String, Timestamp),
    /// Something may have changed at the management server.
    pub(crate) resync: Notify,
    /// Something may have to be fetched or removed.
    pub(crate) work: Notify,
    /// Something was published whose further digests are lacking.
    pub(crate) published: Notify,
    /// Something was published that the cloud may lack.
    pub(crate) to_cloud: Notify,
    /// The certificate may be of an authority that does not sign any more.
    pub(crate) certify: Notify,
    /// Held while certificate and believed roots change.
    pub(crate) certifying: tokio::sync::Mutex<()>,
    /// Counts changes of wishes and rights, for those who wait for one.
    pub(crate) wishes: watch::Sender<u64>,
    state: State,
    log: Mutex<ManifestLog>,
    /// Held while a wish is looked at and acted on for good, and while wishes change: what is
    /// removed was unwanted at that very moment.
    wish_gate: Mutex<()>,
}

struct State {
    authorities: Mutex<Option<Told>>,
    chains: Mutex<Chains>,
    /// Where clients reach it, as it was last told.
    public_url: Mutex<Option<String>>,
    trust: RwLock<Arc<TrustStore>>,
    access: RwLock<Option<Arc<Access>>>,
    catalogue: RwLock<Catalogue>,
    seen: Mutex<Seen>,
}

/// What was read from the data folder.
pub(crate) struct Restored {
    trust: TrustStore,
    access: Option<Access>,
    catalogue: Catalogue,
    seen: Seen,
    log: ManifestLog,
    scrubs: Scrubs,
}

impl Restored {
    /// Reads what was in force when this server last ran.
    pub(crate) fn read(
        fs: &dyn Fs,
        folder: &DataFolder,
        now: Timestamp,
    ) -> Result<Self, DataError> {
        let path = folder.trust();
        let envelope: Envelope = read_json(fs, &path)?
            .ok_or_else(|| DataError::NotEnrolled { path: folder.root().to_owned() })?;
        let trust = TrustStore::pin(envelope).map_err(|source| damaged(&path, source))?;
        let access = read_json::<AccessFile>(fs, &folder.access())?;
        let access = access.and_then(|file| {
            Access::open(&file, &trust, now)
                .inspect_err(|error| tracing::warn!(%error, "grants on the disk are not believed"))
                .ok()
        });
        let (mut log, mut manifest) = ManifestLog::open(fs, &folder.manifest())?;
        if let Some(signed) = manifest.head()
            && let Err(error) = trust.open::<xylem_trust::Head>(&signed.envelope, now)
        {
            tracing::warn!(%error, "the manifest on the disk is not believed; it is fetched anew");
            log.clear()?;
            manifest = Manifest::default();
        }
        let unwanted: BTreeMap<ContentId, Unwanted> =
            read_json(fs, &folder.unwanted())?.unwrap_or_default();
        let seen = read_json(fs, &folder.seen())?.unwrap_or_default();
        let (catalogue, scrubs) = (Catalogue::new(manifest, unwanted), Scrubs::open(fs, folder));
        Ok(Self { trust, access, catalogue, seen, log, scrubs })
    }
}

/// What a node is made of besides its state.
pub(crate) struct Parts {
    pub(crate) environment: Environment,
    pub(crate) folder: DataFolder,
    pub(crate) settings: Settings,
    pub(crate) id: DistributionServerId,
    pub(crate) identity: Identity,
    pub(crate) anchors: TrustAnchors,
    pub(crate) presented: Presented,
    pub(crate) chains: Chains,
    pub(crate) repository: Repository,
    pub(crate) control: ControlClient,
    pub(crate) content: ContentClient,
    pub(crate) inspector: Arc<dyn Inspector>,
    pub(crate) share: ShareState,
}

impl Node {
    pub(crate) fn new(parts: Parts, restored: Restored) -> Self {
        let rates = restored.access.as_ref().map(|access| access.settings.rates.clone());
        let pace = Pace::new(&rates.unwrap_or_default(), &parts.environment.clock);
        let state = State {
            authorities: Mutex::default(),
            chains: Mutex::new(parts.chains),
            public_url: Mutex::default(),
            trust: RwLock::new(Arc::new(restored.trust)),
            access: RwLock::new(restored.access.map(Arc::new)),
            catalogue: RwLock::new(restored.catalogue),
            seen: Mutex::new(restored.seen),
        };
        let accounts = Accounts::new(&parts.environment);
        let life = u128::from_le_bytes(random_array(&*parts.environment.rng));
        let life = (format!("{life:032x}"), parts.environment.clock.now());
        Self {
            environment: parts.environment,
            folder: parts.folder,
            settings: parts.settings,
            id: parts.id,
            identity: parts.identity,
            anchors: parts.anchors,
            presented: parts.presented,
            repository: parts.repository,
            control: parts.control,
            content: parts.content,
            inspector: parts.inspector,
            accounts,
            share: parts.share,
            ledger: Ledger::default(),
            scrubs: restored.scrubs,
            uploads: Arc::default(),
            arrivals: Arrivals::default(),
            pace,
            frames: Arc::default(),
            heads: Heads::default(),
            life,
            resync: Notify::new(),
            work: Notify::new(),
            published: Notify::new(),
            to_cloud: Notify::new(),
            certify: Notify::new(),
            certifying: tokio::sync::Mutex::default(),
            wishes: watch::Sender::new(0),
            state,
            log: Mutex::new(restored.log),
            wish_gate: Mutex::default(),
        }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    /// The trust document in force.
    pub(crate) fn trust(&self) -> Arc<TrustStore> {
        Arc::clone(&self.state.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Grants, revocations and parents in force; none until the management server was heard.
    pub(crate) fn access(&self) -> Option<Arc<Access>> {
        self.state.access.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was decided of how this server works.
    pub(crate) fn decided(&self) -> ServerSettings {
        self.access().map(|access| access.settings.clone()).unwrap_or_default()
    }

    /// What was last told of the certificate authorities.
    pub(crate) fn authorities(&self) -> MutexGuard<'_, Option<Told>> {
        self.state.authorities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where clients reach it: as the management server says, else as at enrolment.
    pub(crate) fn public_url(&self) -> String {
        let told = self.state.public_url.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.unwrap_or_else(|| self.settings.public_url.clone())
    }

    pub(crate) fn set_public_url(&self, url: Option<String>) {
        *self.state.public_url.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// What clients can be shown.
    pub(crate) fn chains(&self) -> MutexGuard<'_, Chains> {
        self.state.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wanted. Held for moments only.
    pub(crate) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.state.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalogue_mut(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.state.catalogue.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.state.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps wishes from changing. Only for blocking code.
    pub(crate) fn hold_wishes(&self) -> MutexGuard<'_, ()> {
        self.wish_gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, ManifestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that content was published or has gone, for planner and report.
    pub(crate) fn note_held(&self, content: &ContentId, held: bool) {
        let now = self.now();
        self.catalogue_mut().note_held(content, held, now);
    }

    /// Whether content is here that somebody wants.
    pub(crate) fn holds_wanted(&self, content: &ContentId) -> bool {
        let catalogue = self.catalogue();
        catalogue.wanted(content).is_some() && self.repository.contains(content)
    }

    /// Content turned out to be damaged or gone: has it fetched again. Where it is here again
    /// already, as when several read the same, nothing is lost. Looked at under one lock with what
    /// is noted, so that whoever publishes it meanwhile has the last word.
    pub(crate) fn note_lost(&self, content: &ContentId) {
        let now = self.now();
        let mut catalogue = self.catalogue_mut();
        let held = self.repository.contains(content);
        catalogue.note_held(content, held, now);
        if !held {
            metrics::counter!("xylem_distribution_withdrawn_total").increment(1);
        }
        if !held && catalogue.wanted(content).is_some() {
            self.ledger.queued(*content);
        }
        drop(catalogue);
        self.work.notify_one();
    }

    /// Takes over keys, grants and revocations, and remembers the stamps: all that counts even
    /// before the set of descriptors is complete. Blocks.
    pub(crate) fn take_over_access(
        &self,
        fs: &dyn Fs,
        checked: &CheckedState,
    ) -> Result<(), DataError> {
        if self.seen() != checked.seen {
            write_json(fs, &self.folder.seen(), &checked.seen)?;
            *self.state.seen.lock().unwrap_or_else(PoisonError::into_inner) = checked.seen;
        }
        if self.trust().envelope() != checked.trust.envelope() {
            write_json(fs, &self.folder.trust(), checked.trust.envelope())?;
            *self.state.trust.write().unwrap_or_else(PoisonError::into_inner) =
                Arc::new(checked.trust.clone());
        }
        let path = self.folder.access();
        if read_json::<AccessFile>(fs, &path).ok().flatten().as_ref() != Some(&checked.access_file)
        {
            write_json(fs, &path, &checked.access_file)?;
        }
        *self.state.access.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::new(checked.access.clone()));
        self.pace.set(&checked.access.settings.rates);
        self.note_wishes();
        Ok(())
    }

    /// Takes over a step of the manifest and the head it leads to. First to the disk, descriptors
    /// before the head; then it counts. Blocks.
    pub(crate) fn take_over_wishes(
        &self,
        fs: &dyn Fs,
        change: &Change,
        checked: &CheckedState,
    ) -> Result<(), DataError> {
        let _gate = self.hold_wishes();
        let mut log = self.log();
        let orphans = self.orphans(&log, change)?;
        if !orphans.is_empty() {
            // Before the manifest forgets the descriptors. Content that turns out to be wanted
            // still is struck out when the list is next written or read.
            let mut unwanted = self.catalogue().unwanted().clone();
            unwanted.extend(orphans.clone());
            write_json(fs, &self.folder.unwanted(), &unwanted)?;
        }
        log.commit(fs, change, &checked.head)?;
        let mut catalogue = self.catalogue_mut();
        let before = catalogue.unwanted().len();
        let dropped: Vec<ContentId> =
            change.drop.iter().filter_map(|id| Some(catalogue.manifest.get(id)?.content)).collect();
        let held = |content: &ContentId| self.repository.contains(content);
        catalogue.apply(change, checked.head.clone(), orphans, held);
        let shrunk = catalogue.unwanted().len() < before;
        // Before anybody sees the new state: whoever reports it reports what goes with it.
        self.tell_step(&catalogue, change, &dropped);
        drop(catalogue);
        self.note_wishes();
        if shrunk { self.write_unwanted(fs) } else { Ok(()) }
    }

    fn note_wishes(&self) {
        self.wishes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells of copies that a step made wanted, or not.
    fn tell_step(&self, catalogue: &Catalogue, change: &Change, dropped: &[ContentId]) {
        for content in dropped {
            if catalogue.wanted(content).is_none() {
                self.ledger.forget(content);
            }
        }
        for added in &change.add {
            let content = added.descriptor.content;
            if self.repository.contains(&content) && !self.ledger.knows(&content) {
                self.ledger.present(content, added.descriptor.size, None);
            }
        }
    }

    /// What is known of the content that a step leaves unwanted.
    fn orphans(
        &self,
        log: &ManifestLog,
        change: &Change,
    ) -> Result<BTreeMap<ContentId, Unwanted>, DataError> {
        let (now, as_root) = (self.now(), self.access().is_some_and(|access| access.is_root));
        let orphaned = self.catalogue().orphaned_by(change);
        orphaned
            .into_iter()
            .map(|(content, id)| {
                let descriptor = log.envelope(&id)?;
                Ok((content, Unwanted { since: now, descriptor, as_root }))
            })
            .collect()
    }

    /// Writes down what is held though unwanted. Blocks.
    pub(crate) fn write_unwanted(&self, fs: &dyn Fs) -> Result<(), DataError> {
        let unwanted = self.catalogue().unwanted().clone();
        write_json(fs, &self.folder.unwanted(), &unwanted)
    }

    /// Compares everything wanted with everything held, and tells planner and report. Blocks.
    pub(crate) fn recount(&self, fs: &dyn Fs) -> Result<(), DataError> {
        let _gate = self.hold_wishes();
        let now = self.now();
        let before: Vec<ContentId> = self.catalogue().unwanted().keys().copied().collect();
        // Listed under the lock under which publishing is noted: what comes meanwhile is noted
        // after this.
        let mut catalogue = self.catalogue_mut();
        let held = self.repository.list();
        catalogue.recount(&held, now);
        drop(catalogue);
        let changed = !self.catalogue().unwanted().keys().eq(before.iter());
        if changed { self.write_unwanted(fs) } else { Ok(()) }
    }
}
