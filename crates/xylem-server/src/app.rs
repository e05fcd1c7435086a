//! What all handlers of the API share, and who gets past them.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, header};
use tokio::sync::mpsc;
use xylem_api::error::ErrorCode;
use xylem_api::server::Scope;
use xylem_ca::Authority;
use xylem_client::{BaseUrl, ContentClient};
use xylem_db::{Actor, CheckIn, Database, Token};
use xylem_http::{ApiError, Peer};
use xylem_model::{Party, Timestamp};
use xylem_pki::{Identity, Presented, TrustAnchors};
use xylem_runtime::{Environment, GuardedNet};
use xylem_telemetry::Metrics;

use crate::cloud::{CloudService, Upkeep};
use crate::control::{ControlService, check_standing};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::jobs::Jobs;
use crate::limiter::FailureLimiter;
use crate::permission::{Caller, Gatekeeper, Permission, require_party};
use crate::sealed::Sealer;
use crate::secret::{scope_of, token_hash};
use crate::wish::{DatabaseWishStore, WishStore};

/// The use of a token is noted at most this often: a write for each request would cost more than
/// the request.
const TOKEN_TOUCH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Everything handlers need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<AppParts>);

/// The parts of [`App`].
pub(crate) struct AppParts {
    pub(crate) environment: Environment,
    pub(crate) database: Database,
    pub(crate) wishes: DatabaseWishStore,
    pub(crate) control: ControlService,
    pub(crate) authority: Mutex<Authority>,
    /// Steps of the authority that were taken.
    pub(crate) authority_steps: AtomicU64,
    /// Those of them that everybody was told of.
    pub(crate) authority_told: AtomicU64,
    /// Held while the own certificate for browsers changes.
    pub(crate) own_chain: tokio::sync::Mutex<()>,
    pub(crate) anchors: TrustAnchors,
    pub(crate) identity: Identity,
    pub(crate) presented: Presented,
    pub(crate) sealer: Arc<Sealer>,
    /// Reaches the provider of a cloud distribution point, and none of one's own network.
    pub(crate) cloud_net: GuardedNet,
    /// Answers the root about the cloud distribution point.
    pub(crate) cloud: CloudService,
    /// What jobs and administrators share of looking after it.
    pub(crate) upkeep: Upkeep,
    /// Whether it was said that no address of the cloud can be made, and none was made since.
    pub(crate) cloud_not_offered: AtomicBool,
    /// Held while a cloud distribution point is set or changed, from what it is to be until that is stored:
    /// a test may set a key at the provider, in the place of one that is of no more use.
    pub(crate) cloud_change: tokio::sync::Mutex<()>,
    /// Held while a cloud distribution point is tested.
    pub(crate) cloud_test: tokio::sync::Mutex<()>,
    pub(crate) folder: DataFolder,
    pub(crate) content: ContentClient,
    pub(crate) organization: String,
    pub(crate) public_url: BaseUrl,
    pub(crate) check_in_seconds: u64,
    pub(crate) check_ins: mpsc::Sender<CheckIn>,
    pub(crate) limiter: FailureLimiter,
    pub(crate) jobs: Jobs,
    pub(crate) metrics: Metrics,
}

impl Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    /// The certificate authority. Held for one signature, or on a blocking thread while a step is
    /// written; never across a wait.
    pub(crate) fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bearer(&self, headers: &HeaderMap, address: IpAddr) -> Result<Token, ApiError> {
        let missing = || {
            ApiError::new(
                ErrorCode::Unauthorized,
                "this needs an API token: send the header `Authorization: Bearer TOKEN`",
            )
        };
        let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
        let token = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token)
            .ok_or_else(missing)?;
        let now = self.now();
        self.limiter.check(address, now)?;
        let found = self.database.token_by_hash(&token_hash(token), now).await;
        match found.map_err(|error| Failure::from(error).0)? {
            Some(found) => Ok(found),
            None => {
                self.limiter.failed(address, now);
                Err(ApiError::new(
                    ErrorCode::Unauthorized,
                    "the API token is not known, was taken back or has expired: make a new one",
                ))
            }
        }
    }

    async fn admit_token(
        &self,
        permission: Permission,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Caller, ApiError> {
        let token = self.bearer(headers, address).await?;
        let scopes: Vec<Scope> = token.scopes.iter().filter_map(|word| scope_of(word)).collect();
        if !permission.admits(&scopes) {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                format!(
                    "the token `{}` may not do this: its scopes are {}",
                    token.name,
                    token.scopes.join(", ")
                ),
            ));
        }
        let now = self.now();
        if token.last_used.is_none_or(|used| now.since(used) >= TOKEN_TOUCH_INTERVAL)
            && let Err(error) = self.database.touch_token(token.id, now).await
        {
            tracing::warn!(%error, "the use of a token could not be noted");
        }
        Ok(Caller::Token { id: token.id, name: token.name })
    }
}

#[async_trait]
impl Gatekeeper for App {
    async fn admit(
        &self,
        permission: Permission,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        let wanted = match permission {
            Permission::Public => return Ok(Caller::Anonymous),
            Permission::Scopes(_) => {
                return self.admit_token(permission, headers, peer.address.ip()).await;
            }
            Permission::Computer => "computer",
            Permission::DistributionServer => "distribution-server",
        };
        let party = require_party(peer, wanted)?;
        let standing = self.wishes.standing(party).await;
        check_standing(standing.map_err(|error| Failure::from(error).0)?)?;
        match party {
            Party::Computer(id) => Ok(Caller::Computer(id)),
            Party::DistributionServer(id) => Ok(Caller::DistributionServer(id)),
            Party::ManagementServer(_) => {
                Err(ApiError::new(ErrorCode::Forbidden, "this is for no management server"))
            }
        }
    }
}

impl Caller {
    /// As the database records who did something.
    pub(crate) fn actor(&self) -> Actor {
        Actor::new(&self.audit_name())
    }
}
