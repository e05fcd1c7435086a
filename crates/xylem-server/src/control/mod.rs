//! The control link: what distribution servers hear and say.
//!
//! [`ControlService`] answers exactly the calls of
//! [`ControlClient`](xylem_client::ControlClient). It decides on a [`WishStore`] alone and
//! reaches the machine through its [`Environment`], so the same code runs in simulation.
//!
//! * A request is let in by the client certificate's party and its *current* standing.
//! * Signed documents are made on demand and kept until the state changes or an hour has passed.
//! * Whoever changes a wish calls [`ControlService::refresh`]; every event stream and long poll
//!   wakes at once. A change made elsewhere is found by asking the store now and then: nothing
//!   depends on having been woken.

mod adoption;
mod changes;
mod cloud;
mod copies;
mod descriptors;
mod digests;
mod documents;
mod events;
mod links;
mod members;
mod report;
mod selections;
mod uploads;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use axum::Router;
use http::HeaderMap;
use tokio::sync::watch;
use utoipa_axum::routes;
use xylem_api::authorities::Authorities;
use xylem_api::error::ErrorCode;
use xylem_http::{ApiError, Peer};
use xylem_model::{FileId, Party, Stamp};
use xylem_runtime::{Environment, Shutdown, random_array};
use xylem_trust::{Descriptor, Envelope, SigningKey, TrustStore};

use crate::failure::Failure;
use crate::permission::{Caller, Gatekeeper, Permission, Routes, require_party};
use crate::wish::{Standing, WishError, WishStore};

pub(crate) use cloud::cloud_routes;
pub use cloud::router as cloud_router;
pub(crate) use copies::{ChangedCopies, CopyLog};
pub(crate) use documents::DOCUMENT_LIFETIME;
use documents::Documents;
pub(crate) use events::{LongPoll, heartbeat, wait_for_change};
use members::Members;

/// The management server's side of the control link. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct ControlService {
    inner: Arc<Inner>,
}

struct Inner {
    environment: Environment,
    store: Arc<dyn WishStore>,
    signer: Arc<SigningKey>,
    trust: RwLock<TrustStore>,
    newest: watch::Sender<Stamp>,
    documents: tokio::sync::Mutex<Documents>,
    members: tokio::sync::Mutex<Members>,
    unlisted: Mutex<BTreeMap<(FileId, u64), Unlisted>>,
    copies: CopyLog,
    authorities: RwLock<Option<Authorities>>,
    shutdown: Shutdown,
}

/// A version that servers hold, that the restored catalogue lacks, and that could not be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// What it says of itself, signed by our own key.
    pub descriptor: Descriptor,
    /// The same as it was signed.
    pub envelope: Envelope,
    /// Why it was not adopted.
    pub reason: String,
}

impl ControlService {
    /// A service that signs with the online key `signer`, which `trust` must name. Event streams
    /// end when `shutdown` begins.
    pub fn new(
        environment: Environment,
        store: Arc<dyn WishStore>,
        signer: Arc<SigningKey>,
        trust: TrustStore,
        shutdown: Shutdown,
    ) -> Self {
        let life = u64::from_le_bytes(random_array(&*environment.rng));
        let inner = Inner {
            environment,
            store,
            signer,
            trust: RwLock::new(trust),
            newest: watch::Sender::new(Stamp::default()),
            documents: tokio::sync::Mutex::default(),
            members: tokio::sync::Mutex::default(),
            unlisted: Mutex::default(),
            copies: CopyLog::new(life),
            authorities: RwLock::default(),
            shutdown,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Looks for the newest state and wakes everybody who waits for a change.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh(&self) -> Result<Stamp, WishError> {
        let stamp = self.inner.store.stamp().await?;
        // Two refreshes may overtake each other: the newest never goes back within an epoch.
        self.inner.newest.send_if_modified(|newest| {
            let is_newer = stamp > *newest;
            if is_newer {
                *newest = stamp;
            }
            is_newer
        });
        Ok(stamp)
    }

    /// The newest state, to be waited on.
    pub fn newest(&self) -> watch::Receiver<Stamp> {
        self.inner.newest.subscribe()
    }

    /// Which copies changed lately.
    pub(crate) fn copies(&self) -> &CopyLog {
        &self.inner.copies
    }

    /// The trust document in force.
    pub fn trust(&self) -> TrustStore {
        self.inner.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a later trust document in force and wakes everybody, so that it gets around.
    pub fn set_trust(&self, trust: TrustStore) {
        *self.inner.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
        self.wake();
    }

    /// Which certificate authorities count.
    pub(crate) fn authorities(&self) -> Option<Authorities> {
        self.inner.authorities.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells of other authorities from the next question on; [`wake`](Self::wake) next.
    pub(crate) fn set_authorities(&self, authorities: Authorities) {
        *self.inner.authorities.write().unwrap_or_else(PoisonError::into_inner) = Some(authorities);
    }

    /// Lets everybody who waits look again, though the state is the same.
    pub(crate) fn wake(&self) {
        self.inner.newest.send_modify(|_| {});
    }

    /// What servers hold that a restore forgot and that waits for an administrator's decision.
    pub fn unlisted(&self) -> Vec<Unlisted> {
        self.lock_unlisted().values().cloned().collect()
    }

    /// Signs all documents anew from the next request on: the hourly freshness.
    pub async fn forget_signed(&self) {
        *self.inner.documents.lock().await = Documents::default();
    }

    pub(crate) fn forget_unlisted(&self) {
        self.lock_unlisted().clear();
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    pub(crate) fn signer(&self) -> &SigningKey {
        &self.inner.signer
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    pub(crate) fn store(&self) -> &dyn WishStore {
        &*self.inner.store
    }

    fn lock_unlisted(&self) -> std::sync::MutexGuard<'_, BTreeMap<(FileId, u64), Unlisted>> {
        self.inner.unlisted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes of [`ControlClient`](xylem_client::ControlClient), each behind its guard.
pub fn router(service: &ControlService) -> Router {
    control_routes().into_router(service)
}

pub(crate) fn control_routes() -> Routes<ControlService> {
    Routes::new()
        .add(Permission::DistributionServer, routes!(documents::control_state))
        .add(Permission::DistributionServer, routes!(descriptors::descriptors))
        .add(Permission::DistributionServer, routes!(events::control_events))
        .add(Permission::DistributionServer, routes!(events::control_changes))
        .add(Permission::DistributionServer, routes!(report::report))
        .add(Permission::DistributionServer, routes!(changes::change_file))
        .add(Permission::DistributionServer, routes!(changes::declare_received))
        .add(Permission::DistributionServer, routes!(digests::wanted))
        .add(Permission::DistributionServer, routes!(digests::told))
        .add(Permission::DistributionServer, routes!(uploads::ingested))
        .add(Permission::DistributionServer, routes!(uploads::refused))
        .add(Permission::DistributionServer, routes!(uploads::published))
}

#[async_trait]
impl Gatekeeper for ControlService {
    async fn admit(
        &self,
        permission: Permission,
        peer: &Peer,
        _headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        let caller = match (permission, require_party(peer, "distribution-server")?) {
            (Permission::DistributionServer, Party::DistributionServer(id)) => {
                Caller::DistributionServer(id)
            }
            _ => return Err(ApiError::new(ErrorCode::Forbidden, "this is for nobody")),
        };
        let standing = match peer.party() {
            Some(party) => self.store().standing(party).await.map_err(|e| Failure::from(e).0)?,
            None => Standing::Unknown,
        };
        check_standing(standing)?;
        Ok(caller)
    }
}

/// Refuses whoever does not belong here any more, or never did.
pub(crate) fn check_standing(standing: Standing) -> Result<(), ApiError> {
    match standing {
        Standing::Member => Ok(()),
        Standing::Removed => Err(ApiError::new(
            ErrorCode::Revoked,
            "an administrator removed this machine, and its certificate counts no longer: enrol \
             it again with a new invitation if that was a mistake",
        )),
        Standing::SetAside => Err(ApiError::new(
            ErrorCode::Revoked,
            "two machines use the key of this distribution server, as when a disk was copied, so \
             neither is let in: stop one of them for good, then let the other in again with `xylem \
             ds reinstate`; enrol the one that was stopped anew, with an empty data folder",
        )),
        Standing::Unknown => Err(ApiError::new(
            ErrorCode::Forbidden,
            "this management server does not know the machine that the certificate names, as may \
             be after a restore from an old backup: enrol it again with a new invitation",
        )),
    }
}
