//! A management server in this process, and machines that join it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use xylem_api::catalogue::PlacementState;
use xylem_api::catalogue::{DeclareUpload, Upload};
use xylem_api::control::{CopyReport, DescriptorPage, ServerReport};
use xylem_api::enrollment::{InvitationKind, NewInvitation};
use xylem_api::ingest::{Committed, Ingested};
use xylem_api::server::{NewToken, Scope};
use xylem_client::enroll::{self, Anchor, EnrollError, Membership};
use xylem_client::{AdminClient, AgentClient, BaseUrl, ClientError, ControlClient, Transport};
use xylem_db::Database;
use xylem_model::{
    ContentId, DistributionServerId, Epoch, FileKind, Generation, Party, Priority, Sha256, Stamp,
    Timestamp,
};
use xylem_pki::{Identity, TrustAnchors, client_config};
use xylem_runtime::{Environment, ManualClock, Shutdown};
use xylem_server::{Server, ServerConfig, init};
use xylem_trust::{Descriptor, DescriptorId, Envelope, set_root};

/// When all tests begin.
pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

pub(crate) struct Harness {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) environment: Environment,
    pub(crate) config: ServerConfig,
    pub(crate) url: BaseUrl,
    pub(crate) anchors: TrustAnchors,
    pub(crate) token: String,
    pub(crate) router: Router,
    pub(crate) database: Database,
    pub(crate) folder: TempDir,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let config = config(&folder.path().join("data"));
        let made = init(&environment, &config).await.unwrap();
        Self::open(folder, clock, environment, config, made.admin_token).await
    }

    async fn open(
        folder: TempDir,
        clock: Arc<ManualClock>,
        environment: Environment,
        config: ServerConfig,
        token: String,
    ) -> Self {
        let server = Server::open(environment.clone(), config.clone()).await.unwrap();
        let address = server.local_address().unwrap();
        let anchors = TrustAnchors::from_pem(server.ca_pem().as_bytes()).unwrap();
        let (router, database) = (server.router(), server.database().clone());
        let shutdown = Shutdown::new();
        let task = tokio::spawn(server.run(shutdown.clone()));
        let url = BaseUrl::new("127.0.0.1", address.port());
        Self {
            clock,
            environment,
            config,
            url,
            anchors,
            token,
            router,
            database,
            folder,
            shutdown,
            task,
        }
    }

    /// Stops the server; gives what a later one needs.
    pub(crate) async fn stop(self) -> Stopped {
        self.shutdown.begin();
        self.task.await.unwrap();
        Stopped {
            folder: self.folder,
            clock: self.clock,
            environment: self.environment,
            config: self.config,
            token: self.token,
        }
    }

    pub(crate) fn transport(&self, identity: Option<&Identity>) -> Transport {
        let clock = self.environment.clock.clone();
        let tls = client_config(&self.anchors, identity, clock).unwrap();
        Transport::new(self.environment.clone(), tls)
    }

    pub(crate) fn admin(&self) -> AdminClient {
        self.with_token(&self.token)
    }

    pub(crate) fn with_token(&self, token: &str) -> AdminClient {
        AdminClient::new(self.transport(None), self.url.clone(), token).unwrap()
    }

    pub(crate) async fn token_for(&self, scopes: &[Scope]) -> String {
        let new = NewToken { name: "ci".into(), scopes: scopes.to_vec(), expires_in_seconds: None };
        self.admin().create_token(&new).await.unwrap().secret
    }

    pub(crate) async fn invitation(&self, kind: InvitationKind) -> String {
        let new = NewInvitation { kind, site: None, uses: None, expires_in_seconds: None };
        self.admin().invite(&new).await.unwrap().code
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor::Certificates(self.anchors.clone())
    }

    pub(crate) async fn join_server(
        &self,
        code: &str,
        name: &str,
    ) -> Result<Membership, EnrollError> {
        self.join_server_at(code, name, &format!("https://{name}.example.org")).await
    }

    pub(crate) async fn join_server_at(
        &self,
        code: &str,
        name: &str,
        url: &str,
    ) -> Result<Membership, EnrollError> {
        let environment = &self.environment;
        enroll::distribution_server(environment, &self.url, self.anchor(), code, name, url).await
    }

    pub(crate) async fn join_computer(
        &self,
        code: &str,
        name: &str,
    ) -> Result<Membership, EnrollError> {
        let environment = &self.environment;
        enroll::computer(environment, &self.url, self.anchor(), code, name, None).await
    }

    pub(crate) async fn server(&self, name: &str) -> FakeServer {
        let code = self.invitation(InvitationKind::Distribution).await;
        self.fake(self.join_server(&code, name).await.unwrap())
    }

    pub(crate) fn fake(&self, membership: Membership) -> FakeServer {
        let Party::DistributionServer(id) = membership.credentials.certificate().party else {
            panic!("another party joined");
        };
        let identity = Identity::new(membership.credentials);
        let control = ControlClient::new(self.transport(Some(&identity)), self.url.clone());
        FakeServer { id, identity, control, trust: membership.trust }
    }

    pub(crate) async fn computer(&self, name: &str) -> (Identity, AgentClient) {
        let code = self.invitation(InvitationKind::Computer).await;
        let membership = self.join_computer(&code, name).await.unwrap();
        let identity = Identity::new(membership.credentials);
        let agent = AgentClient::new(self.transport(Some(&identity)), self.url.clone());
        (identity, agent)
    }

    pub(crate) async fn declare(&self, name: &str, bytes: &[u8]) -> Upload {
        self.admin().declare_upload(&declaration(name, bytes)).await.unwrap()
    }

    /// Brings a package into the catalogue.
    pub(crate) async fn publish(&self, ingest: &FakeServer, name: &str, bytes: &[u8]) -> Envelope {
        let mut declaration = declaration(name, bytes);
        declaration.replace = true;
        let upload = self.admin().declare_upload(&declaration).await.unwrap();
        let committed = ingest.control.ingested(upload.id, &found(bytes)).await.unwrap();
        ingest.control.published(upload.id).await.unwrap();
        committed.descriptor
    }
}

/// A server that was stopped, with all it left on disk.
pub(crate) struct Stopped {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) environment: Environment,
    pub(crate) config: ServerConfig,
    pub(crate) token: String,
}

impl Stopped {
    pub(crate) async fn start(self) -> Harness {
        Harness::open(self.folder, self.clock, self.environment, self.config, self.token).await
    }
}

/// A distribution server as far as the control link shows one.
pub(crate) struct FakeServer {
    pub(crate) id: DistributionServerId,
    pub(crate) identity: Identity,
    pub(crate) control: ControlClient,
    pub(crate) trust: xylem_trust::TrustStore,
}

impl FakeServer {
    /// All pages from a state on.
    pub(crate) async fn pages(&self, from: Stamp) -> Vec<DescriptorPage> {
        let mut pages = Vec::new();
        let (mut epoch, mut since) = (from.epoch, from.generation);
        loop {
            let page = self.control.descriptors(epoch, since, true).await.unwrap();
            let next = page.next;
            epoch = page.stamp.epoch;
            pages.push(page);
            match next {
                Some(next) => since = Generation(next),
                None => return pages,
            }
        }
    }

    /// The whole set, checked against the head as a real server does.
    pub(crate) async fn checked_set(&self) -> Vec<Descriptor> {
        let state = self.control.state().await.unwrap();
        let head = self.trust.open_head(&state.head, None, START).unwrap();
        let pages = self.pages(Stamp { epoch: Epoch(0), generation: Generation(0) }).await;
        let all: Vec<Envelope> = pages.into_iter().flat_map(|page| page.descriptors).collect();
        assert_eq!(head.server, self.id);
        assert_eq!(head.count, all.len() as u64);
        assert_eq!(head.set_root, set_root(all.iter().map(DescriptorId::of)));
        all.iter().map(|envelope| self.trust.open(envelope, START).unwrap()).collect()
    }

    pub(crate) async fn report(&self, applied: Stamp, copies: Vec<CopyReport>) {
        self.control.report(&report(applied, copies)).await.unwrap();
    }
}

pub(crate) fn config(data: &Path) -> ServerConfig {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    ServerConfig::in_folder(data, listen, BaseUrl::new("127.0.0.1", 8443))
}

pub(crate) fn declaration(name: &str, bytes: &[u8]) -> DeclareUpload {
    DeclareUpload {
        kind: FileKind::Package,
        name: name.to_owned(),
        size: bytes.len() as u64,
        priority: Priority::Normal,
        blake3: Some(ContentId::of(bytes)),
        sha256: Some(sha256(bytes)),
        replace: false,
        test: false,
        category: None,
        site: None,
    }
}

pub(crate) fn found(bytes: &[u8]) -> Ingested {
    Ingested {
        root_epoch: None,
        knows_marks: true,
        size: bytes.len() as u64,
        blake3: ContentId::of(bytes),
        sha256: sha256(bytes),
        inspection: serde_json::json!({ "format": "flat" }),
    }
}

pub(crate) fn report(applied: Stamp, copies: Vec<CopyReport>) -> ServerReport {
    ServerReport {
        believing: None,
        shown: None,
        life: None,
        inventory: None,
        program_version: "1".into(),
        applied,
        free_bytes: 1 << 40,
        used_bytes: 1 << 20,
        full: false,
        copies,
        unlisted: Vec::new(),
        scrub: None,
        set: None,
        gone: Vec::new(),
    }
}

pub(crate) fn present(bytes: &[u8]) -> CopyReport {
    CopyReport {
        content: ContentId::of(bytes),
        state: PlacementState::Present,
        bytes: bytes.len() as u64,
        rate: None,
        verified_at: Some(START),
        reason: None,
        next_try: None,
        took_ms: Some(5),
        source: None,
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    Sha256::from_bytes(digest.as_ref().try_into().unwrap())
}

/// The words of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(
    answer: Result<T, ClientError>,
) -> (xylem_api::error::ErrorCode, String) {
    match answer {
        Err(ClientError::Answer { body, .. }) => (body.code, body.message),
        other => panic!("a refusal was expected: {other:?}"),
    }
}

/// The words with which somebody was not let in.
pub(crate) fn turned_away(
    answer: Result<Membership, EnrollError>,
) -> (xylem_api::error::ErrorCode, String) {
    match answer {
        Err(EnrollError::Client(error)) => refusal::<()>(Err(error)),
        Err(other) => panic!("a refusal by the server was expected: {other}"),
        Ok(_) => panic!("a refusal was expected"),
    }
}

pub(crate) fn descriptor(committed: &Committed) -> Descriptor {
    serde_json::from_slice(&committed.descriptor.payload).unwrap()
}
