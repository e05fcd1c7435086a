//! One system: an authority, keys, a management server, agents, packages.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use tempfile::TempDir;
use uuid::Uuid;
use xylem_agent::{Agent, CheckInOutcome, EnrollOptions, FetchPolicy, Target, enroll, silent};
use xylem_api::agent::CheckInAnswer;
use xylem_api::catalogue::Sources;
use xylem_artifact::build::{ComponentBuilder, PackageBuilder, Source};
use xylem_ca::{Authority, LeafRequest, MANAGEMENT_SERVER_LIFETIME};
use xylem_client::BaseUrl;
use xylem_client::enroll::Anchor;
use xylem_http::{Api, HttpServer, Limits};
use xylem_install::{InstallError, InstallReport, InstallRequest, Installer, RootInstaller};
use xylem_model::{
    ContentId, DistributionServerId, FileId, FileKind, OrderId, Party, Priority, Sha256, Stamp,
    Timestamp,
};
use xylem_pki::{ClientAuth, Identity, LeafNames, TrustAnchors, server_config};
use xylem_runtime::{Environment, ManualClock, Shutdown, SystemRng};
use xylem_trust::{
    Descriptor, DescriptorId, DigestSource, Envelope, Order, OrderAction, Orders, SigningKey,
    TrustDocument,
};

use crate::distribution::Distribution;
use crate::management::Management;

/// 2026-09-21T14:13:20Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const INVITATION: &str = "GOOD1-INVIT-ATION";

/// What a package of these tests installs besides its filling.
pub(crate) const TOOL: &[u8] = b"#!/bin/sh\necho tool\n";

/// Everything a test needs. Servers stop when it is dropped.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) authority: Arc<Authority>,
    pub(crate) anchors: TrustAnchors,
    pub(crate) online: SigningKey,
    pub(crate) root_key: SigningKey,
    /// The agent's clock; the servers' stands still.
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) environment: Environment,
    pub(crate) management: Arc<Management>,
    pub(crate) server: BaseUrl,
    now: Timestamp,
    shutdown: Shutdown,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

/// A published package.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptor: Descriptor,
    pub(crate) envelope: Envelope,
}

impl Package {
    pub(crate) fn content(&self) -> ContentId {
        self.descriptor.content
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at(NOW).await
    }

    pub(crate) async fn at(now: Timestamp) -> Self {
        let authority = Authority::create("Example School", now, Arc::new(SystemRng)).unwrap();
        let authority = Arc::new(authority);
        let anchors = TrustAnchors::from_pem(authority.root_pem().as_bytes()).unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let [root_key, online] = [1_u8, 2].map(|byte| SigningKey::from_seed(&[byte; 32]).unwrap());
        let trust = trust_document(1, now, &root_key, &online);
        let management = Arc::new(Management::new(Arc::clone(&authority), trust, now));
        let shutdown = Shutdown::new();
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
            anchors,
            online,
            root_key,
            clock,
            environment,
            server: "https://127.0.0.1:1".parse().unwrap(),
            management: Arc::clone(&management),
            now,
            shutdown,
        };
        let party = Party::ManagementServer(Uuid::from_u128(1));
        world.server = world.serve(party, management.router()).await;
        world
    }

    /// Starts a server of this system.
    pub(crate) async fn serve(&self, party: Party, router: Router) -> BaseUrl {
        let leaf = LeafRequest {
            party,
            common_name: "server".into(),
            hosts: LeafNames::from_hosts(["127.0.0.1"]).unwrap(),
            lifetime: MANAGEMENT_SERVER_LIFETIME,
            server_auth: true,
        };
        let identity = Identity::new(self.authority.issue_own(&leaf, self.now).unwrap());
        let clock = Arc::new(ManualClock::new(self.now));
        let tls = server_config(&identity, &self.anchors, clock, ClientAuth::Optional).unwrap();
        let limits = Limits { drain: Duration::ZERO, ..Limits::default() };
        let address = "127.0.0.1:0".parse().unwrap();
        let server = HttpServer::listen(&self.environment, address, tls, limits).await.unwrap();
        let address = server.local_address().unwrap();
        tokio::spawn(server.serve(Api::new(router), self.shutdown.clone()));
        BaseUrl::new(address.ip().to_string(), address.port())
    }

    pub(crate) async fn distribution(&self, name: &str) -> Distribution {
        let distribution = Distribution::new(name);
        let id = DistributionServerId::from_uuid(Uuid::from_u128(7));
        let url = self.serve(Party::DistributionServer(id), distribution.router()).await;
        distribution.at(url)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder that packages are installed to.
    pub(crate) fn root(&self) -> PathBuf {
        let root = self.folder.path().join("root");
        std::fs::create_dir_all(&root).unwrap();
        root
    }

    pub(crate) fn target(&self) -> Target {
        Target::with_installer(self.root(), Arc::new(RootInstaller::without_sync()), true)
    }

    pub(crate) fn installed(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root().join(path)).ok()
    }

    /// Whether nothing was ever installed.
    pub(crate) fn target_is_untouched(&self) -> bool {
        std::fs::read_dir(self.root()).unwrap().next().is_none()
    }

    pub(crate) fn enroll_options(&self) -> EnrollOptions {
        EnrollOptions {
            server: self.server.clone(),
            anchor: Anchor::Certificates(self.anchors.clone()),
            invitation: INVITATION.into(),
            data: self.data(),
            name: "lab-3".into(),
            serial_number: Some("C02XYZ".into()),
        }
    }

    /// An enrolled agent that does not wait long between tries.
    pub(crate) async fn agent(&self) -> Agent {
        enroll(&self.environment, self.enroll_options()).await.unwrap();
        self.open().await
    }

    /// Opens the agent anew, as after a restart.
    pub(crate) async fn open(&self) -> Agent {
        self.open_in(self.environment.clone()).await
    }

    pub(crate) async fn open_in(&self, environment: Environment) -> Agent {
        Agent::open(environment, &self.data()).await.unwrap().with_fetch_policy(quick())
    }

    pub(crate) async fn check_in(&self, agent: &Agent) -> CheckInOutcome {
        agent.check_in(&self.target(), &silent).await.unwrap()
    }

    /// Checks in, with one order in view, and gives the word of its result.
    pub(crate) async fn result(&self, agent: &Agent) -> String {
        let outcome = self.check_in(agent).await;
        assert_eq!(outcome.orders.len(), 1, "{outcome:?}");
        outcome.orders[0].result.clone()
    }

    /// A genuine package with a tool and a megabyte and a half of filling.
    pub(crate) fn package(&self, name: &str) -> Package {
        let seed = u64::from(name.bytes().map(u32::from).sum::<u32>());
        let component = ComponentBuilder::new(format!("org.example.{seed}"), "1.0")
            .file("usr/local/bin/tool", 0o755, Source::bytes(TOOL))
            .file(&format!("usr/local/share/{name}.bin"), 0o644, Source::random(seed, 1_500_000))
            .script("postinstall", "#!/bin/sh\n");
        let path = self.folder.path().join(name);
        PackageBuilder::component(component).write_to(&path).unwrap();
        self.publish(name, FileKind::Package, std::fs::read(&path).unwrap())
    }

    pub(crate) fn publish(&self, name: &str, kind: FileKind, bytes: Vec<u8>) -> Package {
        let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let descriptor = Descriptor {
            file: FileId::from_uuid(Uuid::from_u128(5)),
            kind,
            name: name.parse().unwrap(),
            version: 1,
            content: ContentId::of(&bytes),
            sha256: Sha256::from_bytes(sha256.as_ref().try_into().unwrap()),
            size: bytes.len() as u64,
            digest_source: DigestSource::Declared,
            priority: Priority::Normal,
            mark: None,
            stamp: Stamp::new(1, 1),
            issued: self.now,
        };
        let envelope = Envelope::sign(&descriptor, &[&self.online]).unwrap();
        Package { bytes, descriptor, envelope }
    }

    /// Orders to this agent's computer that would be followed.
    pub(crate) fn orders(&self, agent: &Agent, packages: &[(u64, &Package)]) -> Orders {
        let orders = packages.iter().map(|(number, package)| Order {
            id: order(*number),
            action: OrderAction::Install,
            descriptor: DescriptorId::of(&package.envelope),
        });
        Orders {
            computer: agent.computer(),
            stamp: Stamp::new(1, 5),
            issued: self.now,
            expires: self.now.plus(14 * DAY),
            orders: orders.collect(),
        }
    }

    pub(crate) fn sources(&self, package: &Package, servers: &[&Distribution]) -> Sources {
        Sources {
            descriptor: package.envelope.clone(),
            candidates: servers.iter().map(|one| one.candidate(package)).collect(),
            cloud: None,
        }
    }

    /// Has the management server answer check-ins with these orders.
    pub(crate) fn answer(&self, orders: Envelope, sources: Vec<Sources>) {
        self.management.set_answer(CheckInAnswer {
            authorities: None,
            trust: self.management.trust(),
            orders,
            sources,
            next_check_in_seconds: 60,
        });
    }

    /// Has the management server order packages, each of which all servers offer, in this order.
    pub(crate) fn order(
        &self,
        agent: &Agent,
        packages: &[(u64, &Package)],
        servers: &[&Distribution],
    ) {
        let orders = self.orders(agent, packages);
        let sources = packages.iter().map(|(_, one)| self.sources(one, servers)).collect();
        self.answer(Envelope::sign(&orders, &[&self.online]).unwrap(), sources);
    }
}

pub(crate) fn trust_document(
    version: u64,
    now: Timestamp,
    root_key: &SigningKey,
    online: &SigningKey,
) -> Envelope {
    let document = TrustDocument {
        version,
        issued: now,
        expires: now.plus(365 * DAY),
        root_keys: vec![root_key.public().clone()],
        threshold: 1,
        online_keys: vec![online.public().clone()],
    };
    Envelope::sign(&document, &[root_key]).unwrap()
}

pub(crate) fn order(number: u64) -> OrderId {
    OrderId::from_parts(number, &[0; 10])
}

fn quick() -> FetchPolicy {
    FetchPolicy {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(5),
        ..FetchPolicy::default()
    }
}

/// The real installer for folders, counted.
#[derive(Default)]
pub(crate) struct Counting(AtomicUsize);

impl Counting {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Installer for Counting {
    fn install(&self, request: &InstallRequest) -> Result<InstallReport, InstallError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        RootInstaller::without_sync().install(request)
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
