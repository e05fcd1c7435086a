//! A distribution server, from its data folder to its open port.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use rustls::ServerConfig;
use tokio::task::JoinSet;
use xylem_blobs::{BlobError, Repository, RepositoryOptions, VerifyOnRead};
use xylem_client::{ContentClient, ControlClient, Transport};
use xylem_http::{AccessLog, HttpServer, Limits, ListenError};
use xylem_model::{DistributionServerId, Party};
use xylem_pki::{
    ClientAuth, Identity, Presented, StoreError, TlsSetupError, TrustAnchors, client_config,
    server_config,
};
use xylem_runtime::{Environment, FolderLock, Fs, Shutdown};
use xylem_telemetry::start_metrics;

use crate::data::{DataError, DataFolder, Settings, read_json};
use crate::dav::ShareState;
use crate::handover::{self, Counter, HandoverError, occupy};
use crate::inspector::Inspector;
use crate::node::{Node, Parts, Restored};
use crate::running::work;
use crate::shown::Chains;
use crate::{
    acme, cloud, control, dav, digests, ingest, renewal, report, scrub, serve, sync, watch,
};

/// How a distribution server runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// When stored bytes are compared with their digest.
    pub verify_on_read: VerifyOnRead,
    /// Who looks into uploads before they are published.
    pub inspector: Arc<dyn Inspector>,
    /// Whether to have the program that runs on the data folder hand over its port, instead of
    /// being refused.
    pub take_over: bool,
    /// The file of the access log; none is written where there is none.
    pub access_log: Option<PathBuf>,
}

/// Why a distribution server does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] StoreError),
    /// The identity is somebody else's.
    #[error("the certificate in the data folder is for {given}, not for a distribution server")]
    WrongRole {
        /// Whom it names.
        given: Party,
    },
    /// The repository cannot be used.
    #[error(transparent)]
    Repository(#[from] BlobError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The running program does not hand over.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The access log cannot be written.
    #[error("the access log {} cannot be opened", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The system does not say which port it chose.
    #[error("the port is open, but the system does not say which it is")]
    Port(#[source] std::io::Error),
}

/// A distribution server whose port is open.
pub struct DistributionServer {
    node: Arc<Node>,
    http: HttpServer,
    address: SocketAddr,
    /// Where a successor asks; none where that is not possible.
    counter: Option<Counter>,
    lock: FolderLock,
}

/// What the data folder holds.
pub(crate) struct Opened {
    settings: Settings,
    pub(crate) identity: Identity,
    anchors: TrustAnchors,
    presented: Presented,
    chains: Chains,
    repository: Repository,
    restored: Restored,
    share: ShareState,
}

impl Opened {
    /// Takes the exclusive use of a data folder, with the port of the program that had it where
    /// that is to hand over, and reads what is in it.
    pub(crate) async fn read(
        environment: &Environment,
        folder: DataFolder,
        options: RepositoryOptions,
        take_over: bool,
    ) -> Result<(Self, FolderLock, Option<OwnedFd>), OpenError> {
        let (disk, shared) = (environment.disk.clone(), environment.clone());
        let now = environment.clock.now();
        let read = move |fs: &dyn Fs| {
            // What is no data folder, or cannot be read, makes nobody retire.
            load_identity(fs, &folder)?;
            let (lock, taken_over) = occupy(fs, &folder, take_over)?;
            // Once more: the program before may just have renewed its certificate.
            let (settings, identity, anchors) = load_identity(fs, &folder)?;
            folder.prepare(fs)?;
            let restored = Restored::read(fs, &folder, now)?;
            let repository = Repository::open(disk, folder.repository(), options)?;
            let share = ShareState::open(&shared, &folder)?;
            let presented = Presented::new(identity.clone());
            let chains = Chains::read(fs, &folder);
            presented.set_public(chains.shown());
            Ok((
                Self {
                    settings,
                    identity,
                    anchors,
                    presented,
                    chains,
                    repository,
                    restored,
                    share,
                },
                lock,
                taken_over,
            ))
        };
        environment.disk.run(read).await
    }
}

impl DistributionServer {
    /// Opens a data folder and the port named in it.
    ///
    /// # Errors
    /// When the folder is not that of an enrolled distribution server, was written by a newer
    /// release, is damaged, or is in use, and when the port cannot be opened.
    pub async fn open(
        environment: Environment,
        data: &Path,
        options: Options,
    ) -> Result<Self, OpenError> {
        let folder = DataFolder::new(data);
        let log = match options.access_log {
            Some(path) => Some(open_log(path, &environment)?),
            None => None,
        };
        let repository = RepositoryOptions { verify_on_read: options.verify_on_read };
        let (opened, lock, taken_over) =
            Opened::read(&environment, folder.clone(), repository, options.take_over).await?;
        let Party::DistributionServer(id) = opened.identity.party() else {
            return Err(OpenError::WrongRole { given: opened.identity.party() });
        };
        let server_tls = server_tls(&environment, &opened)?;
        let limits = Limits::default();
        let http = match taken_over {
            Some(socket) => {
                let listener = handover::listener(socket).map_err(OpenError::Port)?;
                HttpServer::on(listener, server_tls, limits)
            }
            None => {
                let listen = opened.settings.listen;
                HttpServer::listen(&environment, listen, server_tls, limits).await?
            }
        };
        let http = http.with_threads(available_parallelism().map_or(1, NonZero::get));
        let http = match log {
            Some(log) => http.with_access_log(log),
            None => http,
        };
        let address = http.local_address().map_err(OpenError::Port)?;
        let counter = http.os_socket().and_then(|socket| {
            socket
                .and_then(|socket| Counter::open(folder.handover(), socket))
                .inspect_err(|error| tracing::warn!(%error, "no restart without a gap is possible"))
                .ok()
        });
        let node = make_node(environment, folder, id, opened, options.inspector)?;
        Ok(Self { node, http, address, counter, lock })
    }

    /// The address it listens on, with the port the system chose.
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Who it is.
    pub fn id(&self) -> DistributionServerId {
        self.node.id
    }

    /// Serves, and follows the management server, until shutdown begins or a successor takes over;
    /// then lets answers in flight finish.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { node, http, address, counter, lock } = self;
        prepare(&node).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(control::follow(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(watch::watch(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(report::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(renewal::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(acme::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(sync::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(ingest::housekeeping(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(scrub::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(digests::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(cloud::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(cloud::run_folder(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(dav::publish_drop(Arc::clone(&node), shutdown.clone()));
        tracing::info!(dp.id = %node.id, dp.name = %node.settings.name, %address, "serving");
        let handler = serve::Serving::new(Arc::clone(&node), start_metrics());
        let working = work(node, tasks, counter, lock, shutdown.clone());
        // The lock, where it is still held, is given back once the last answer is over.
        let ((), _lock) = tokio::join!(http.serve(handler, shutdown), working);
    }
}

impl fmt::Debug for DistributionServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DistributionServer")
            .field("id", &self.node.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

pub(crate) fn load_identity(
    fs: &dyn Fs,
    folder: &DataFolder,
) -> Result<(Settings, Identity, TrustAnchors), OpenError> {
    let not_enrolled = || DataError::NotEnrolled { path: folder.root().to_owned() };
    if !folder.check_format(fs)? || !folder.is_enrolled(fs)? {
        return Err(not_enrolled().into());
    }
    let settings = read_json(fs, &folder.settings())?.ok_or_else(not_enrolled)?;
    let (identity, anchors) = folder.identity().load(fs)?;
    Ok((settings, identity, anchors))
}

fn open_log(path: PathBuf, environment: &Environment) -> Result<AccessLog, OpenError> {
    AccessLog::open(&path, Arc::clone(&environment.clock))
        .map_err(|source| OpenError::AccessLog { path, source })
}

fn server_tls(environment: &Environment, opened: &Opened) -> Result<Arc<ServerConfig>, OpenError> {
    let clock = Arc::clone(&environment.clock);
    Ok(server_config(opened.presented.clone(), &opened.anchors, clock, ClientAuth::Optional)?)
}

pub(crate) fn make_node(
    environment: Environment,
    folder: DataFolder,
    id: DistributionServerId,
    opened: Opened,
    inspector: Arc<dyn Inspector>,
) -> Result<Arc<Node>, OpenError> {
    let Opened { settings, identity, anchors, presented, chains, repository, restored, share } =
        opened;
    let client_tls = client_config(&anchors, Some(&identity), Arc::clone(&environment.clock))?;
    let transport = Transport::new(environment.clone(), client_tls);
    let control = ControlClient::new(transport.clone(), settings.server_url(&folder)?);
    let content = ContentClient::new(transport);
    let parts = Parts {
        environment,
        folder,
        settings,
        id,
        identity,
        anchors,
        presented,
        chains,
        repository,
        control,
        content,
        inspector,
        share,
    };
    Ok(Arc::new(Node::new(parts, restored)))
}

/// What must be known before the first answer.
async fn prepare(node: &Arc<Node>) {
    let target = Arc::clone(node);
    if let Err(error) = node.environment.disk.run(move |fs| target.recount(fs)).await {
        tracing::warn!(%error, "wish and reality could not be compared");
    }
    if let Err(error) = ingest::offer_committed(node).await {
        tracing::warn!(%error, "uploads could not be looked over");
    }
    if let Err(error) = ingest::sweep_staged(node).await {
        tracing::warn!(%error, "staged leftovers could not be swept");
    }
}
