//! The management server's side of filling the cloud distribution point (`docs/design/cloud.md`,
//! "One upload").
//!
//! [`CloudService`] answers the root distribution server, which has the bytes and no key: what is to
//! be sent, signed requests for its parts, what their answers mean, whether the object is there. All
//! that is decided on is in the [`CloudStore`]; what is remembered here may be lost with the
//! process.
//!
//! * `follow`: what is to be there, by the catalogue. `next`: which content goes next, begun at the
//!   provider. `parts`: requests and answers. `finish`: ended, asked after, read back in part.
//! * `read_back`: what is there, read back whole.
//! * `at`: one call's work at a point. `trouble`: what becomes of a content where something did not
//!   succeed. `breaker`: when everything stands still. `pace`: how fast, and again after which wait.
//! * `clear`: what is removed at the provider on the way. `session`: what is asked for before a
//!   provider is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::HeaderMap;
use xylem_api::error::ErrorCode;
use xylem_client::CloudClient;
use xylem_cloud::{Marker, PartRules, Provider, SwiftAccess};
use xylem_db::CloudCopyState;
use xylem_http::{ApiError, Peer};
use xylem_model::{CloudPointId, DistributionServerId};
use xylem_runtime::{Environment, Net};

use super::at::AtPoint;
use super::client_of;
use super::folder::Errands;
use super::follow::Following;
use super::pace::Pace;
use super::session::{Account, PointClient, Sessions};
use super::store::{CloudStore, OpenPoint};
use crate::control::ControlService;
use crate::failure::Failure;
use crate::permission::{Caller, Gatekeeper, Permission};
use crate::wish::Overview;

/// Clients that are kept: there are two points at most.
const MOST_CLIENTS: usize = 2;

/// Every state with its word, for figures.
const STATES: [(CloudCopyState, &str); 6] = [
    (CloudCopyState::Wanted, "wanted"),
    (CloudCopyState::Sending, "sending"),
    (CloudCopyState::Proving, "proving"),
    (CloudCopyState::Present, "present"),
    (CloudCopyState::Failed, "failed"),
    (CloudCopyState::Removing, "removing"),
];

/// Answers the root about the cloud distribution point. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct CloudService {
    inner: Arc<Inner>,
    /// How files are cut, where not as the provider asks for.
    part_rules: Option<PartRules>,
}

struct Inner {
    environment: Environment,
    control: ControlService,
    store: Arc<dyn CloudStore>,
    /// What `xylem.json` has to say below a prefix of this catalogue.
    marker: Marker,
    /// The clients of the points that were worked for last: the active one and the one that is left.
    clients: tokio::sync::Mutex<BTreeMap<CloudPointId, KnownClient>>,
    sessions: Arc<Sessions>,
    errands: Arc<Errands>,
    following: tokio::sync::Mutex<Following>,
    pace: Mutex<Pace>,
}

struct KnownClient {
    revision: u32,
    client: CloudClient,
}

impl CloudService {
    /// A service on what is remembered in `store`, for the catalogue of this marker: below another one
    /// nothing is deleted. The provider is reached through `net`, which
    /// for addresses out of settings is to be a [`GuardedNet`](xylem_runtime::GuardedNet).
    pub fn new(
        environment: Environment,
        control: ControlService,
        store: Arc<dyn CloudStore>,
        marker: Marker,
        net: Arc<dyn Net>,
    ) -> Self {
        let environment = Environment { net, ..environment };
        let inner = Inner {
            sessions: Arc::new(Sessions::new(environment.clone())),
            errands: Arc::new(Errands::new(environment.clone())),
            environment,
            control,
            store,
            marker,
            clients: tokio::sync::Mutex::default(),
            following: tokio::sync::Mutex::default(),
            pace: Mutex::default(),
        };
        Self { inner: Arc::new(inner), part_rules: None }
    }

    /// The same service, which cuts files by these rules and not by the provider's. Simulated files
    /// are small, so that many are sent; in parts they are to be sent all the same.
    #[must_use]
    pub fn cut_by(self, rules: PartRules) -> Self {
        Self { part_rules: Some(rules), ..self }
    }

    pub(super) fn part_rules(&self, provider: &dyn Provider) -> PartRules {
        self.part_rules.unwrap_or_else(|| provider.part_rules())
    }

    /// What one call needs to work at the active point; none where none is set.
    pub(super) async fn at_active(&self) -> Result<Option<AtPoint<'_>>, Failure> {
        let Some(point) = self.store().active().await? else { return Ok(None) };
        let client = self.client(&point).await?;
        Ok(Some(AtPoint::new(self, point, client)))
    }

    /// The same where a caller names the point that it works for.
    pub(super) async fn at(&self, point: CloudPointId) -> Result<AtPoint<'_>, Failure> {
        let active = self.at_active().await?.filter(|at| at.point.id == point);
        active.ok_or_else(|| {
            let told = "this is not the cloud distribution point that is set by now: ask what is \
                        to be sent next";
            Failure::new(ErrorCode::Conflict, told)
        })
    }

    /// Tells how much is where, and whether the point stands still, to whoever measures.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn measure(&self) -> Result<(), Failure> {
        let point = self.store().active().await?;
        let is_broken = point.as_ref().is_some_and(|point| point.broken.is_some());
        metrics::gauge!("xylem_cloud_broken").set(if is_broken { 1.0 } else { 0.0 });
        let counts = match &point {
            Some(point) => self.store().counts(point.id).await?,
            None => Vec::new(),
        };
        for (state, word) in STATES {
            let count = counts.iter().find(|count| count.state == state);
            let contents = count.map_or(0, |count| count.contents);
            metrics::gauge!("xylem_cloud_contents", "state" => word).set(contents as f64);
        }
        Ok(())
    }

    /// Lets a server fill the cloud: the root alone, and not in maintenance.
    pub(crate) async fn require_root(&self, server: DistributionServerId) -> Result<(), Failure> {
        match self.control().looked_up(|overview| refusal(overview, server)).await? {
            None => Ok(()),
            Some(why) => Err(Failure::new(ErrorCode::Forbidden, why)),
        }
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    pub(crate) fn control(&self) -> &ControlService {
        &self.inner.control
    }

    pub(crate) fn store(&self) -> &dyn CloudStore {
        &*self.inner.store
    }

    pub(super) fn marker(&self) -> &Marker {
        &self.inner.marker
    }

    pub(super) fn following(&self) -> &tokio::sync::Mutex<Following> {
        &self.inner.following
    }

    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.inner.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client for this point, which shows its newest token where it takes one.
    pub(super) async fn client(&self, point: &OpenPoint) -> Result<PointClient, Failure> {
        let client = self.line(point).await?;
        Ok(PointClient::new(client, &self.inner.sessions, Account::of(point)))
    }

    /// What an address is made with at this point, for who waits for nobody; why not, where that is
    /// not to be had. None where nothing is needed.
    pub(super) async fn access_for_an_address(
        &self,
        point: &OpenPoint,
    ) -> Result<Option<Arc<SwiftAccess>>, String> {
        let Some(account) = Account::of(point) else { return Ok(None) };
        let client = self.line(point).await.map_err(|failure| failure.0.message().to_owned())?;
        self.inner.sessions.for_an_address(&client, &account).await.map(Some)
    }

    /// A client of the root's own folder.
    pub(super) fn folder_client(&self) -> CloudClient {
        let errands = Arc::clone(&self.inner.errands);
        CloudClient::by_courier(errands)
    }

    pub(super) fn errands(&self) -> &Errands {
        &self.inner.errands
    }

    /// A line that believes what is set for this point. Kept, so that connections are.
    async fn line(&self, point: &OpenPoint) -> Result<CloudClient, Failure> {
        if !point.settings.storage.is_given_out() {
            return Ok(self.folder_client());
        }
        let mut clients = self.inner.clients.lock().await;
        if let Some(known) = clients.get(&point.id)
            && known.revision == point.revision
        {
            return Ok(known.client.clone());
        }
        let client = client_of(self.environment(), &point.settings).await?;
        // Points come and go: a client of one that went is of no use.
        if clients.len() >= MOST_CLIENTS {
            clients.clear();
        }
        let known = KnownClient { revision: point.revision, client: client.clone() };
        clients.insert(point.id, known);
        Ok(client)
    }
}

#[async_trait]
impl Gatekeeper for CloudService {
    async fn admit(
        &self,
        permission: Permission,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        self.control().admit(permission, peer, headers).await
    }
}

/// Why a server does not fill the cloud; none where it does.
fn refusal(overview: &Overview, server: DistributionServerId) -> Option<&'static str> {
    match overview.servers.iter().find(|known| known.id == server) {
        Some(known) if known.is_root && !known.settings.maintenance => None,
        Some(known) if known.is_root => Some(
            "the root distribution server is in maintenance, and sends nothing into the cloud \
             until an administrator ends that",
        ),
        _ => {
            Some("the root distribution server alone fills the cloud, and this one is not the root")
        }
    }
}
