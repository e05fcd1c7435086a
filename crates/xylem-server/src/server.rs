//! The running management server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::sync::mpsc;
use xylem_api::enrollment::NewInvitation;
use xylem_ca::{Authority, LeafRequest, MANAGEMENT_SERVER_LIFETIME};
use xylem_client::{BaseUrl, ContentClient, Deadlines, Transport};
use xylem_db::{Actor, CheckIn, Database};
use xylem_http::{Api, ApiError, HttpServer, Limits};
use xylem_model::{Party, Timestamp};
use xylem_pki::{
    ClientAuth, Credentials, Fingerprint, Identity, LeafNames, Presented, PublicChain,
    TrustAnchors, client_config, server_config,
};
use xylem_runtime::{Environment, GuardedNet, Shutdown};
use xylem_trust::TrustStore;

use crate::api;
use crate::app::{App, AppParts};
use crate::cloud::{CloudService, DatabaseCloudStore, Upkeep, marker_of};
use crate::config::ServerConfig;
use crate::control::{self, ControlService};
use crate::folder::{DataFolder, Keys};
use crate::init::open_database;
use crate::jobs::{Household, Jobs};
use crate::limiter::FailureLimiter;
use crate::sealed::Sealer;
use crate::wish::DatabaseWishStore;
use crate::{ServerError, trust};

/// Check-ins that wait to be written.
const CHECK_INS_IN_FLIGHT: usize = 10_000;

/// Time limits of calls to the ingest server. An answer comes only after a whole part has been
/// passed on, or a large file verified; stalls are noticed piece by piece.
const INGEST_DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(60 * 60),
    stall: Duration::from_secs(30),
};

/// Hosts that the server's certificate is good for beside that of its public URL.
const LOCAL_HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

/// Sent with every answer. No answer of the API is a page that may load anything.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// A management server with its port open.
pub struct Server {
    household: Household,
    check_ins: mpsc::Receiver<CheckIn>,
    http: HttpServer,
    router: Router,
    /// Ends event streams; begun by [`Server::run`] when its own signal is given.
    closing: Shutdown,
}

impl Server {
    /// Opens the data folder, the database and the port. Nothing is answered before
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// What stands in the way: no server in the folder, one of a newer version, no permission, a
    /// port in use, a database out of reach.
    pub async fn open(environment: Environment, config: ServerConfig) -> Result<Self, ServerError> {
        let folder = DataFolder::new(&config.data);
        let now = environment.clock.now();
        let loaded = load(&environment, &folder, &config).await?;
        check_trust(&loaded.trust, now)?;
        let database = open_database(&environment, &config).await?;
        let organization = database
            .organization()
            .await?
            .ok_or_else(|| ServerError::NotThere { folder: config.data.clone() })?;
        let party = Party::ManagementServer(organization.id);
        let own = own_credentials(&loaded.authority, party, &config.public_url, now)?;
        let identity = Identity::new(own);
        let anchors = TrustAnchors::from_pem(loaded.authority.anchors_pem().as_bytes())?;
        let clock = Arc::clone(&environment.clock);
        let presented = Presented::new(identity.clone());
        presented.set_public(loaded.public_chain.map(Arc::new));
        let tls =
            server_config(presented.clone(), &anchors, Arc::clone(&clock), ClientAuth::Optional)?;
        let limits = Limits {
            connections: config.connections,
            connections_per_address: config.connections_per_address,
            ..Limits::default()
        };
        let http = HttpServer::listen(&environment, config.listen, tls, limits).await?;
        let client = client_config(&anchors, Some(&identity), clock)?;
        let closing = Shutdown::new();
        let wishes = DatabaseWishStore::new(database.clone(), environment.clone());
        let control = ControlService::new(
            environment.clone(),
            Arc::new(wishes.clone()),
            Arc::new(loaded.keys.online),
            loaded.trust,
            closing.clone(),
        );
        control.set_authorities(App::told_authorities(&loaded.authority));
        control.refresh().await?;
        let cloud_net = GuardedNet::new(Arc::clone(&environment.net), &config.cloud_private_hosts);
        let sealer = Arc::new(loaded.sealer);
        let cloud = CloudService::new(
            environment.clone(),
            control.clone(),
            Arc::new(DatabaseCloudStore::new(database.clone(), Arc::clone(&sealer))),
            marker_of(&identity.party()),
            Arc::new(cloud_net.clone()),
        );
        let (sender, check_ins) = mpsc::channel(CHECK_INS_IN_FLIGHT);
        let app = App::new(AppParts {
            content: ContentClient::new(
                Transport::new(environment.clone(), client).with_deadlines(INGEST_DEADLINES),
            ),
            environment,
            database,
            wishes,
            control: control.clone(),
            authority: Mutex::new(loaded.authority),
            authority_steps: AtomicU64::new(0),
            authority_told: AtomicU64::new(0),
            own_chain: tokio::sync::Mutex::default(),
            anchors,
            identity,
            presented,
            sealer,
            cloud_net,
            cloud,
            upkeep: Upkeep::default(),
            cloud_not_offered: AtomicBool::new(false),
            cloud_change: tokio::sync::Mutex::default(),
            cloud_test: tokio::sync::Mutex::default(),
            folder,
            organization: organization.name,
            public_url: config.public_url,
            check_in_seconds: config.check_in_seconds,
            check_ins: sender,
            limiter: FailureLimiter::default(),
            jobs: Jobs::default(),
            metrics: xylem_telemetry::start_metrics(),
        });
        let router = router(&app);
        let household = Household { app };
        Ok(Self { household, check_ins, http, router, closing })
    }

    /// The address it listens on, with the port the system chose.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.http.local_address()
    }

    /// Answers requests and does its jobs until shutdown begins; then lets answers in flight
    /// finish.
    pub async fn run(self, shutdown: Shutdown) {
        let closing = self.closing.clone();
        let pass_on = async {
            shutdown.begun().await;
            closing.begin();
            std::future::pending::<()>().await;
        };
        let database = self.household.app.database.clone();
        let serving = async {
            tokio::join!(
                self.http.serve(Api::new(self.router), shutdown.clone()),
                self.household.run(self.check_ins, shutdown.clone()),
            );
        };
        tokio::select! {
            () = serving => {}
            () = pass_on => {}
        }
        if let Err(error) = database.close().await {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }

    /// Makes an invitation, as an administrator would; gives its code.
    ///
    /// # Errors
    /// When it cannot be stored, or the site it names is not there.
    pub async fn create_invitation(&self, new: &NewInvitation) -> Result<String, ApiError> {
        let app = &self.household.app;
        let made = api::new_invitation(app, new, &Actor::system()).await;
        made.map(|(code, _)| code).map_err(|failure| failure.0)
    }

    /// The control link, for programs that run a distribution server in the same process.
    pub fn control(&self) -> &ControlService {
        &self.household.app.control
    }

    /// The root certificate in PEM.
    pub fn ca_pem(&self) -> String {
        self.household.app.authority().root_pem()
    }

    /// SHA-256 of the root certificate in DER.
    pub fn ca_fingerprint(&self) -> Fingerprint {
        self.household.app.authority().root_fingerprint()
    }

    /// The routes as they are served, for tests that call them without a network.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The database behind it.
    pub fn database(&self) -> &Database {
        &self.household.app.database
    }
}

/// What the data folder holds.
struct Loaded {
    keys: Keys,
    trust: TrustStore,
    authority: Authority,
    sealer: Sealer,
    public_chain: Option<PublicChain>,
}

async fn load(
    environment: &Environment,
    folder: &DataFolder,
    config: &ServerConfig,
) -> Result<Loaded, ServerError> {
    let (folder, organization) = (folder.clone(), config.organization.clone());
    let (now, rng) = (environment.clock.now(), Arc::clone(&environment.rng));
    let loading = environment.disk.run(move |fs| {
        folder.check(fs)?;
        let keys = folder.load_keys(fs)?;
        let trust = TrustStore::pin(folder.load_trust(fs)?)?;
        let sealer = Sealer::new(&folder.sealing_key(fs, &*rng)?)?;
        let public_chain = folder.load_public_chain(fs)?;
        let authority = Authority::open(fs, &folder.ca(), &organization, now, rng)?;
        Ok(Loaded { keys, trust, authority, sealer, public_chain })
    });
    loading.await
}

fn check_trust(trust: &TrustStore, now: Timestamp) -> Result<(), ServerError> {
    let expired = trust.document().expires;
    if now >= expired {
        return Err(ServerError::TrustExpired { expired, now });
    }
    if trust::is_due(trust, now) {
        tracing::info!(%expired, "the trust document is due for renewal");
    }
    Ok(())
}

/// The server's own certificate, for the host of its public URL and this machine itself.
pub(crate) fn own_credentials(
    authority: &Authority,
    party: Party,
    url: &BaseUrl,
    now: Timestamp,
) -> Result<Credentials, ServerError> {
    let leaf = LeafRequest {
        party,
        common_name: url.host().to_owned(),
        hosts: LeafNames::from_hosts([url.host()].into_iter().chain(LOCAL_HOSTS))?,
        lifetime: MANAGEMENT_SERVER_LIFETIME,
        server_auth: true,
    };
    Ok(authority.issue_own(&leaf, now)?)
}

fn router(app: &App) -> Router {
    let api = api::routes().into_router(app).layer(from_fn_with_state(app.clone(), wake));
    api.merge(control::router(&app.control))
        .merge(control::cloud_router(&app.cloud))
        .fallback(unknown_route)
        .layer(from_fn(answer_headers))
}

async fn unknown_route(method: Method, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::not_found(format!("there is no route {method} {path}: see /openapi.json"))
        .into_response()
}

/// After a change that worked, everybody who waits for one hears of it. Computers are left out:
/// they change no wish, and check in by the thousand.
async fn wake(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_change =
        request.method() != Method::GET && !request.uri().path().starts_with("/v1/agent/");
    let response = next.run(request).await;
    if is_change
        && response.status().is_success()
        && let Err(error) = app.control.refresh().await
    {
        tracing::warn!(%error, "a change was made, and nobody could be told; the job `follow` will");
    }
    response
}

async fn answer_headers(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let mut response = next.run(request).await;
    metrics::counter!(
        "xylem_http_requests_total",
        "method" => method.as_str().to_owned(),
        "status" => response.status().as_str().to_owned()
    )
    .increment(1);
    set_security_headers(response.headers_mut());
    response
}

fn set_security_headers(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, value);
    }
}
