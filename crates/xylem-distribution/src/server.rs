//! A distribution server, from its data folder to its open port.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use rustls::ServerConfig;
use tokio::task::JoinSet;
use xylem_blobs::{BlobError, Repository, RepositoryOptions, VerifyOnRead};
use xylem_client::{ContentClient, ControlClient, Transport};
use xylem_http::{HttpServer, Limits, ListenError};
use xylem_model::{DistributionServerId, Party};
use xylem_pki::{
    ClientAuth, Identity, StoreError, TlsSetupError, TrustAnchors, client_config, server_config,
};
use xylem_runtime::{Environment, Fs, Shutdown};
use xylem_telemetry::start_metrics;

use crate::data::{DataError, DataFolder, Settings, read_json};
use crate::inspector::Inspector;
use crate::node::{Node, Parts, Restored};
use crate::{control, ingest, renewal, report, serve, sync, watch};

/// How a distribution server runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// When stored bytes are compared with their digest.
    pub verify_on_read: VerifyOnRead,
    /// Who looks into uploads before they are published.
    pub inspector: Arc<dyn Inspector>,
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
    /// The port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system does not say which port it chose.
    #[error("the port is open, but the system does not say which it is")]
    Port(#[source] std::io::Error),
}

/// A distribution server whose port is open.
pub struct DistributionServer {
    node: Arc<Node>,
    http: HttpServer,
    address: SocketAddr,
}

/// What the data folder holds.
struct Opened {
    settings: Settings,
    identity: Identity,
    anchors: TrustAnchors,
    repository: Repository,
    restored: Restored,
}

impl DistributionServer {
    /// Opens a data folder and the port named in it.
    ///
    /// # Errors
    /// When the folder is not that of an enrolled distribution server, was written by a newer
    /// release, or is damaged, and when the port cannot be opened.
    pub async fn open(
        environment: Environment,
        data: &Path,
        options: Options,
    ) -> Result<Self, OpenError> {
        let folder = DataFolder::new(data);
        let opened = {
            let (folder, disk) = (folder.clone(), environment.disk.clone());
            let (now, verify_on_read) = (environment.clock.now(), options.verify_on_read);
            environment.disk.run(move |fs| {
                let (settings, identity, anchors) = load_identity(fs, &folder)?;
                folder.prepare(fs)?;
                let restored = Restored::read(fs, &folder, now)?;
                let options = RepositoryOptions { verify_on_read };
                let repository = Repository::open(disk, folder.repository(), options)?;
                Ok::<Opened, OpenError>(Opened {
                    settings,
                    identity,
                    anchors,
                    repository,
                    restored,
                })
            })
        }
        .await?;
        let Party::DistributionServer(id) = opened.identity.party() else {
            return Err(OpenError::WrongRole { given: opened.identity.party() });
        };
        let server_tls = server_tls(&environment, &opened)?;
        let listen = opened.settings.listen;
        let node = make_node(environment.clone(), folder, id, opened, options.inspector)?;
        let http = HttpServer::listen(&environment, listen, server_tls, Limits::default()).await?;
        let http = http.with_threads(available_parallelism().map_or(1, NonZero::get));
        let address = http.local_address().map_err(OpenError::Port)?;
        Ok(Self { node, http, address })
    }

    /// The address it listens on, with the port the system chose.
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Who it is.
    pub fn id(&self) -> DistributionServerId {
        self.node.id
    }

    /// Serves, and follows the management server, until shutdown begins; then lets answers in
    /// flight finish.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { node, http, address } = self;
        prepare(&node).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(control::follow(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(watch::watch(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(report::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(renewal::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(sync::run(Arc::clone(&node), shutdown.clone()));
        tasks.spawn(ingest::housekeeping(Arc::clone(&node), shutdown.clone()));
        tracing::info!(dp.id = %node.id, dp.name = %node.settings.name, %address, "serving");
        let handler = serve::Serving::new(Arc::clone(&node), start_metrics());
        let mut serving = std::pin::pin!(http.serve(handler, shutdown.clone()));
        loop {
            tokio::select! {
                () = serving.as_mut() => break,
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        // Half a server is worse than one that its supervisor starts again.
                        tracing::error!(%error, "a task was lost; the server stops");
                        shutdown.begin();
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
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

fn server_tls(environment: &Environment, opened: &Opened) -> Result<Arc<ServerConfig>, OpenError> {
    let clock = Arc::clone(&environment.clock);
    Ok(server_config(&opened.identity, &opened.anchors, clock, ClientAuth::Optional)?)
}

fn make_node(
    environment: Environment,
    folder: DataFolder,
    id: DistributionServerId,
    opened: Opened,
    inspector: Arc<dyn Inspector>,
) -> Result<Arc<Node>, OpenError> {
    let Opened { settings, identity, anchors, repository, restored } = opened;
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
        repository,
        control,
        content,
        inspector,
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
