//! A management server: signs what it is told, remembers what it hears.

mod cloud;
mod routes;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use tokio::sync::watch;
use uuid::Uuid;
use xylem_api::control::{
    ControlState, CopyReport, DescriptorPage, PeerAddress, RemovedVersion, ServerReport,
    StateChanged,
};
use xylem_api::digests::{DigestsAfter, DigestsWanted, ReportedDigests};
use xylem_api::enrollment::{EnrollDistributionServer, Enrolled, Renew, RenewRequest, Renewed};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::{Committed, Ingested, RefusedUpload};
use xylem_ca::{Authority, LeafRequest};
use xylem_http::{Api, ApiError, HttpServer, Limits, Peer};
use xylem_model::{
    ContentId, DistributionServerId, FileId, FileKind, FileName, FurtherDigests, Generation, Party,
    Priority, ScrubReport, Stamp, Timestamp, UploadId,
};
use xylem_pki::{ClientAuth, Credentials, Identity, LeafNames, TrustAnchors, server_config};
use xylem_runtime::{Environment, Shutdown, SystemRng};
use xylem_sync::ServerSettings;
use xylem_trust::{
    Account, Descriptor, DescriptorId, DigestSource, Document, Envelope, Grant, GrantedEntries,
    Grants, Head, Operation, Revocations, SigningKey, Ticket, TrustDocument, set_root,
};

pub(crate) use cloud::CloudWorld;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// How a state is spoilt before it is sent.
#[derive(Debug, Clone)]
pub(crate) enum Cheat {
    /// This head instead of the present one.
    Head(Envelope),
    /// The head of another server.
    ForeignHead,
    /// A head that has expired.
    ExpiredHead,
    /// Everything signed by a key that nobody trusts.
    RogueKey,
    /// The newest descriptor is not listed.
    LeaveOut,
    /// Descriptors are signed by a key that nobody trusts.
    RogueDescriptors,
    /// The grants of another server.
    ForeignGrants,
}

#[derive(Debug, Clone)]
pub(crate) struct UploadRow {
    pub(crate) kind: FileKind,
    pub(crate) name: FileName,
    pub(crate) committed: Option<Envelope>,
    pub(crate) refused: Option<String>,
    pub(crate) published: bool,
    pub(crate) commits: u32,
    /// Whether the server where it was committed said that it knows of marks.
    pub(crate) with_marks: bool,
}

#[derive(Debug, Clone)]
struct Live {
    generation: u64,
    descriptor: Descriptor,
    envelope: Envelope,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) generation: u64,
    live: BTreeMap<FileId, Live>,
    removed: Vec<(u64, RemovedVersion)>,
    pub(crate) servers: BTreeMap<DistributionServerId, PeerAddress>,
    pub(crate) parents: HashMap<DistributionServerId, Vec<DistributionServerId>>,
    pub(crate) grants: HashMap<DistributionServerId, Vec<Grant>>,
    pub(crate) revoked: Vec<Party>,
    pub(crate) root: Option<DistributionServerId>,
    pub(crate) principal: Option<DistributionServerId>,
    pub(crate) policy: xylem_model::ParentPolicy,
    pub(crate) hold_removal: bool,
    pub(crate) maintenance: HashSet<DistributionServerId>,
    /// What all servers offer to clients.
    pub(crate) clients: GrantedEntries,
    /// Of all servers, but for what is said otherwise.
    pub(crate) settings: ServerSettings,
    /// When all servers were asked to look through what they hold.
    pub(crate) scrub_asked: Option<Timestamp>,
    pub(crate) scrubs: HashMap<DistributionServerId, ScrubReport>,
    pub(crate) uploads: HashMap<UploadId, UploadRow>,
    pub(crate) copies: HashMap<(DistributionServerId, ContentId), CopyReport>,
    pub(crate) applied: HashMap<DistributionServerId, Stamp>,
    /// The same for all servers.
    pub(crate) accounts: Vec<Account>,
    pub(crate) cheat: Option<Cheat>,
    /// Which life of this server it is, less one.
    pub(crate) restores: u64,
    /// Whether a proxy breaks streams of events.
    pub(crate) no_events: bool,
    /// Whether a proxy holds back every answer until it has ended.
    pub(crate) is_buffered: bool,
    pub(crate) held_polls: u32,
    pub(crate) unlisted: Vec<Envelope>,
    /// Every call is answered 503.
    pub(crate) away: bool,
    /// Whether it is of a program that knows of marks on versions.
    pub(crate) knows_marks: bool,
    pub(crate) renewals: u32,
    /// Who told which digests of a content.
    pub(crate) digests: HashMap<ContentId, (DistributionServerId, FurtherDigests)>,
    /// Who is to compute digests, where it is not the principal.
    pub(crate) computing: Option<DistributionServerId>,
    /// Whose digests are asked for besides.
    pub(crate) also_wanted: Vec<ContentId>,
    /// Whether it cannot be told that a file is published: the answer is 503.
    pub(crate) holds_published: bool,
    /// Whether digests that are told get the answer 503.
    pub(crate) holds_digests: bool,
    /// How often digests were told.
    pub(crate) digest_calls: u32,
    /// The cloud that is to be filled; none where it is of a program that knows of none.
    pub(crate) cloud: Option<CloudWorld>,
    pub(crate) state_calls: u32,
    pub(crate) descriptor_calls: Vec<u64>,
}

impl World {
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::new(1 + self.restores, self.generation)
    }
}

#[derive(Clone)]
pub(crate) struct Management {
    pub(crate) environment: Environment,
    pub(crate) ca: Arc<Authority>,
    pub(crate) anchors: TrustAnchors,
    root_key: Arc<SigningKey>,
    online_key: Arc<SigningKey>,
    next_key: Arc<SigningKey>,
    rogue_key: Arc<SigningKey>,
    /// Whether the next online key signs, by a second trust document.
    rotated: Arc<AtomicBool>,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    pub(crate) url: String,
}

impl Management {
    pub(crate) async fn start(environment: &Environment) -> Self {
        let ca = Authority::create("Test", environment.clock.now(), Arc::new(SystemRng)).unwrap();
        let anchors = TrustAnchors::from_pem(ca.root_pem().as_bytes()).unwrap();
        let key = |seed: u8| Arc::new(SigningKey::from_seed(&[seed; 32]).unwrap());
        let mut management = Self {
            environment: environment.clone(),
            ca: Arc::new(ca),
            anchors,
            root_key: key(1),
            online_key: key(2),
            next_key: key(3),
            rogue_key: key(9),
            rotated: Arc::default(),
            world: Arc::default(),
            changed: watch::Sender::new(0),
            url: String::new(),
        };
        let identity = Identity::new(management.issue(Party::ManagementServer(Uuid::from_u128(1))));
        let clock = Arc::clone(&environment.clock);
        let tls = server_config(&identity, &management.anchors, clock, ClientAuth::Optional);
        let address = "127.0.0.1:0".parse().unwrap();
        let http = HttpServer::listen(environment, address, tls.unwrap(), Limits::default());
        let http = http.await.unwrap();
        management.url = format!("https://{}", http.local_address().unwrap());
        let router = routes::router(&management);
        tokio::spawn(http.serve(Api::new(router), Shutdown::new()));
        management
    }

    /// Key and certificate for anybody.
    pub(crate) fn issue(&self, party: Party) -> Credentials {
        let leaf = LeafRequest {
            party,
            common_name: party.to_string(),
            hosts: LeafNames::from_hosts(["127.0.0.1"]).unwrap(),
            lifetime: 30 * DAY,
            server_auth: true,
        };
        self.ca.issue_own(&leaf, self.now()).unwrap()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    /// Tells everybody that something changed.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Changes the world and announces it as a new generation.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = {
            let mut world = self.world();
            world.generation += 1;
            change(&mut world)
        };
        self.announce();
        result
    }

    pub(crate) fn sign<D: Document>(&self, document: &D) -> Envelope {
        let rotated = self.rotated.load(Ordering::SeqCst);
        let key = if rotated { &self.next_key } else { &self.online_key };
        Envelope::sign(document, &[key]).unwrap()
    }

    /// Signs everything with another online key from now on.
    pub(crate) fn rotate(&self) {
        self.rotated.store(true, Ordering::SeqCst);
        self.change(|world| {
            for live in world.live.values_mut() {
                live.envelope = self.sign(&live.descriptor);
            }
        });
    }

    /// Goes back to an older catalogue, as a restored backup does.
    pub(crate) fn restore_without(&self, name: &str) {
        self.change(|world| {
            world.restores += 1;
            world.generation = 1;
            world.live.retain(|_, live| live.descriptor.name.as_str() != name);
            world.removed.clear();
        });
    }

    pub(crate) fn rogue_sign<D: Document>(&self, document: &D) -> Envelope {
        Envelope::sign(document, &[&self.rogue_key]).unwrap()
    }

    pub(crate) fn trust(&self) -> Envelope {
        let rotated = self.rotated.load(Ordering::SeqCst);
        let key = if rotated { &self.next_key } else { &self.online_key };
        let document = TrustDocument {
            version: 1 + u64::from(rotated),
            issued: Timestamp::default(),
            expires: Timestamp::from_unix_ms(4_000_000_000_000),
            root_keys: vec![self.root_key.public().clone()],
            threshold: 1,
            online_keys: vec![key.public().clone()],
        };
        Envelope::sign(&document, &[&self.root_key]).unwrap()
    }

    /// Publishes a version of a file that some server is known to hold.
    pub(crate) fn publish(&self, name: &str, bytes: &[u8]) -> Descriptor {
        let name = FileName::new(name).unwrap();
        self.change(|world| self.add_version(world, FileKind::Package, &name, bytes))
    }

    fn add_version(
        &self,
        world: &mut World,
        kind: FileKind,
        name: &FileName,
        bytes: &[u8],
    ) -> Descriptor {
        let (content, sha256) = (ContentId::of(bytes), crate::fleet::sha256(bytes));
        let found = Ingested {
            root_epoch: None,
            knows_marks: true,
            size: bytes.len() as u64,
            blake3: content,
            sha256,
            inspection: serde_json::Value::Null,
        };
        self.commit(world, kind, name, &found).0
    }

    fn commit(
        &self,
        world: &mut World,
        kind: FileKind,
        name: &FileName,
        found: &Ingested,
    ) -> (Descriptor, Envelope) {
        let before = world.live.values().find(|live| live.descriptor.name == *name);
        let (file, version) = match before {
            Some(live) => (live.descriptor.file, live.descriptor.version + 1),
            None => (self.environment.new_id(FileId::from_parts), 1),
        };
        let descriptor = Descriptor {
            file,
            kind,
            name: name.clone(),
            version,
            content: found.blake3,
            sha256: found.sha256,
            size: found.size,
            digest_source: DigestSource::Declared,
            priority: Priority::Normal,
            mark: None,
            stamp: world.stamp(),
            issued: self.now(),
        };
        let envelope = self.sign(&descriptor);
        let generation = world.generation;
        let live = Live { generation, descriptor: descriptor.clone(), envelope: envelope.clone() };
        world.live.insert(file, live);
        (descriptor, envelope)
    }

    /// Deletes a file.
    pub(crate) fn delete(&self, descriptor: &Descriptor) {
        let removed = RemovedVersion { file: descriptor.file, version: descriptor.version };
        self.change(|world| {
            world.live.remove(&removed.file);
            let generation = world.generation;
            world.removed.push((generation, removed));
        });
    }

    /// Declares an upload and gives its ticket.
    pub(crate) fn declare(&self, name: &str, bytes: &[u8], digests: bool) -> (UploadId, String) {
        let upload = self.environment.new_id(UploadId::from_parts);
        let name = FileName::new(name).unwrap();
        let row = UploadRow {
            kind: FileKind::Package,
            name: name.clone(),
            committed: None,
            refused: None,
            published: false,
            commits: 0,
            with_marks: false,
        };
        self.world().uploads.insert(upload, row);
        let ticket = self.ticket(Operation::Ingest {
            upload,
            size: bytes.len() as u64,
            content: digests.then(|| ContentId::of(bytes)),
            sha256: digests.then(|| crate::fleet::sha256(bytes)),
            name,
            kind: FileKind::Package,
        });
        (upload, self.sign(&ticket).to_header())
    }

    /// A ticket that is good for ten minutes, for anybody.
    pub(crate) fn ticket(&self, operation: Operation) -> Ticket {
        let issued = self.now();
        Ticket { operation, holder: None, issued, expires: issued.plus(Duration::from_secs(600)) }
    }

    /// Shows an older catalogue as if nothing had happened since. Gives the newest generation.
    pub(crate) fn roll_back(&self, name: &str) -> u64 {
        let mut world = self.world();
        let file = world.live.values().find(|live| live.descriptor.name.as_str() == name);
        let (file, generation) = file.map(|live| (live.descriptor.file, live.generation)).unwrap();
        world.live.remove(&file);
        std::mem::replace(&mut world.generation, generation - 1)
    }

    /// The head of a server's set.
    pub(crate) fn head(&self, server: DistributionServerId) -> Head {
        let world = self.world();
        let ids = world.live.values().map(|live| DescriptorId::of(&live.envelope));
        let issued = self.now();
        Head {
            server,
            stamp: world.stamp(),
            issued,
            expires: issued.plus(14 * DAY),
            count: world.live.len() as u64,
            set_root: set_root(ids),
        }
    }

    fn state(&self, server: DistributionServerId) -> ControlState {
        let mut head = self.head(server);
        let mut world = self.world();
        world.state_calls += 1;
        let (stamp, issued, expires) = (head.stamp, head.issued, head.expires);
        let stranger = DistributionServerId::from_parts(7, &[7; 10]);
        let peers = world.grants.get(&server).cloned().unwrap_or_default();
        let (accounts, open_to_all) = (world.accounts.clone(), false);
        let client_certificates = world.settings.client_certificates;
        let mut grants = Grants {
            server,
            stamp,
            issued,
            expires,
            peers,
            accounts,
            open_to_all,
            client_certificates,
            clients: world.clients.clone(),
        };
        let revocations = Revocations { stamp, issued, expires, parties: world.revoked.clone() };
        match world.cheat {
            Some(Cheat::ForeignHead) => head.server = stranger,
            Some(Cheat::ForeignGrants) => grants.server = stranger,
            Some(Cheat::ExpiredHead) => {
                (head.issued, head.expires) = (issued.minus(20 * DAY), issued.minus(6 * DAY));
            }
            _ => {}
        }
        let rogue = matches!(world.cheat, Some(Cheat::RogueKey));
        let signed_head = match &world.cheat {
            Some(Cheat::Head(envelope)) => envelope.clone(),
            _ if rogue => self.rogue_sign(&head),
            _ => self.sign(&head),
        };
        let parents = world.parents.get(&server).into_iter().flatten();
        let parents = parents.filter_map(|id| world.servers.get(id).cloned()).collect();
        ControlState {
            authorities: None,
            public_chain: None,
            public_url: None,
            root_epoch: Some(1),
            marks: world.knows_marks,
            trust: self.trust(),
            head: signed_head,
            grants: if rogue { self.rogue_sign(&grants) } else { self.sign(&grants) },
            revocations: self.sign(&revocations),
            parents,
            principal: None,
            is_root: world.root == Some(server),
            is_principal: world.principal == Some(server),
            cloud_is_principal: world.cloud.as_ref().is_some_and(|cloud| cloud.is_principal),
            may_remove: !world.hold_removal,
            settings: ServerSettings {
                parent_policy: world.policy,
                maintenance: world.maintenance.contains(&server),
                ..world.settings.clone()
            },
            scrub_asked: world.scrub_asked,
        }
    }

    /// Places a server in the tree, with grants for its parents.
    pub(crate) fn place(&self, server: DistributionServerId, parents: &[DistributionServerId]) {
        self.change(|world| {
            if parents.is_empty() {
                (world.root, world.principal) = (Some(server), Some(server));
            }
            for parent in parents {
                let grant = Grant { peer: server, entries: GrantedEntries::All };
                world.grants.entry(*parent).or_default().push(grant);
            }
            world.parents.insert(server, parents.to_vec());
        });
    }

    fn caller(&self, peer: &Peer) -> Result<DistributionServerId, ApiError> {
        if self.world().away {
            return Err(ApiError::unavailable("away", 1));
        }
        match peer.party() {
            Some(Party::DistributionServer(id)) => Ok(id),
            _ => Err(ApiError::new(ErrorCode::Unauthorized, "no distribution server")),
        }
    }
}
