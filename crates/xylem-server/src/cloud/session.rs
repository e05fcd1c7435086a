//! What is asked for before a provider is: a token, and what a place can do.
//!
//! S3 and NetStorage need nothing of it; Swift and Rackspace do. What was found is kept in memory for
//! a point's revision, renewed before the token ends, and once where a request is refused with it.
//! Nothing of it is stored: a management server that is started anew asks anew.
//!
//! * [`Sessions`]: what is kept. [`login`]: how it is asked for. [`client`]: small requests, with the
//!   newest token. [`testing`]: those of a test, which keeps nothing.

mod client;
mod login;
mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use xylem_client::{ClientError, CloudClient};
use xylem_cloud::{CloudRequest, CloudSettings, Fault, ProviderError, Secrets, SwiftAccess};
use xylem_model::{CloudPointId, Timestamp};
use xylem_runtime::Environment;
use xylem_telemetry::chain;

pub(crate) use client::PointClient;
use login::{access_of, ask_session};
pub(super) use testing::TestClient;

use super::store::OpenPoint;

/// What a provider answers to a token that it does not know (any more).
const UNAUTHORIZED: u16 = 401;
/// How long a token is used that was given out for a second time, whatever its end: some services
/// give the same one until it has ended, and asking with each request would bring no other.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(30);
/// How long those that only want an address wait for a token: they have other places to go to.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long they do not ask again where none was given: a wrong password that is tried with each
/// computer that checks in would lock the account.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// Points that are remembered: the active one and the one that is left, and two that were before.
const MOST_POINTS: usize = 4;

/// Why nothing can be asked at a point.
#[derive(Debug)]
pub(super) enum NoAccess {
    /// No token was given, or it leads nowhere.
    Fault(Fault),
    /// There was no answer.
    Client(ClientError),
    /// What is set makes no provider.
    Settings(ProviderError),
}

/// Who logs in: a point's settings and keys at a revision.
#[derive(Clone)]
pub(super) struct Account {
    point: CloudPointId,
    revision: u32,
    storage: Arc<CloudSettings>,
    keys: Arc<Secrets>,
}

/// The sessions of the points that are worked for.
pub(super) struct Sessions {
    environment: Environment,
    points: Mutex<HashMap<CloudPointId, Arc<Kept>>>,
}

/// What is kept of a point.
#[derive(Default)]
struct Kept {
    /// Held while somebody logs in, so that others wait for that.
    turn: tokio::sync::Mutex<()>,
    now: Mutex<Now>,
}

/// What is known of a point, read and written in a moment.
#[derive(Default)]
struct Now {
    revision: u32,
    known: Option<Known>,
    /// When no token was given, and why.
    refused: Option<(Timestamp, String)>,
}

struct Known {
    access: Arc<SwiftAccess>,
    /// When the token was given.
    since: Timestamp,
}

impl Account {
    /// Who logs in for a point; none where nobody has to.
    pub(super) fn of(point: &OpenPoint) -> Option<Self> {
        let storage = &point.settings.storage;
        let logs_in = matches!(storage, CloudSettings::Swift(_) | CloudSettings::Rackspace(_));
        logs_in.then(|| Self {
            point: point.id,
            revision: point.revision,
            storage: Arc::new(storage.clone()),
            keys: Arc::new(point.keys.clone()),
        })
    }
}

impl Sessions {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment, points: Mutex::default() }
    }

    /// What is needed to ask at a point, with a token that does not end at once.
    pub(super) async fn access(
        &self,
        client: &CloudClient,
        account: &Account,
    ) -> Result<Arc<SwiftAccess>, NoAccess> {
        let kept = self.kept(account);
        let _turn = kept.turn.lock().await;
        let now = self.environment.clock.now();
        let (known, is_to_be_renewed) = {
            let kept = kept.of(account);
            (kept.access(), kept.is_to_be_renewed(now))
        };
        match known {
            None => self.log_in(&kept, client, account).await,
            // Where none is given the token there is may be good for some minutes more.
            Some(known) if is_to_be_renewed => {
                Ok(self.log_in(&kept, client, account).await.unwrap_or(known))
            }
            Some(known) => Ok(known),
        }
    }

    /// The same after a request was refused with its token: a newer one, where there is one.
    async fn after_refusal(
        &self,
        client: &CloudClient,
        account: &Account,
        refused: &CloudRequest,
    ) -> Result<Arc<SwiftAccess>, NoAccess> {
        let kept = self.kept(account);
        let _turn = kept.turn.lock().await;
        let known = kept.of(account).access();
        if let Some(known) = known.filter(|known| known.session.renewed(refused).is_some()) {
            // Somebody else was refused too, and was faster.
            return Ok(known);
        }
        let found = self.log_in(&kept, client, account).await;
        if let Err(NoAccess::Fault(_)) = &found {
            // Whoever asks next is told why there is no token, and not that one was refused.
            kept.of(account).known = None;
        }
        found
    }

    /// What is needed to make an address, which takes no token: what is known, however old it is.
    /// Whoever wants it does not wait long, and is told why not where it was refused just now.
    pub(super) async fn for_an_address(
        &self,
        client: &CloudClient,
        account: &Account,
    ) -> Result<Arc<SwiftAccess>, String> {
        let kept = self.kept(account);
        if let Some(found) = self.known_or_refused(&kept, account) {
            return found;
        }
        let asking = async {
            let _turn = kept.turn.lock().await;
            match self.known_or_refused(&kept, account) {
                Some(found) => found,
                None => {
                    let found = self.log_in(&kept, client, account).await;
                    found.map_err(|error| error.to_string())
                }
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
            let slow = format!("asking for a token took longer than {} s", PATIENCE.as_secs());
            // So that not everybody who comes waits for as long.
            kept.of(account).refused = Some((self.environment.clock.now(), slow.clone()));
            Err(slow)
        })
    }

    /// What is known, or why nothing is: none where somebody has to ask.
    fn known_or_refused(
        &self,
        kept: &Kept,
        account: &Account,
    ) -> Option<Result<Arc<SwiftAccess>, String>> {
        let kept = kept.of(account);
        if let Some(known) = kept.access() {
            return Some(Ok(known));
        }
        let (at, why) = kept.refused.as_ref()?;
        let is_just_now = self.environment.clock.now().since(*at) < REFUSED_FOR;
        is_just_now.then(|| Err(why.clone()))
    }

    /// Asks for a token. Whoever does has the turn.
    async fn log_in(
        &self,
        kept: &Kept,
        client: &CloudClient,
        account: &Account,
    ) -> Result<Arc<SwiftAccess>, NoAccess> {
        let before = kept.of(account).access();
        let found = access_of(client, &account.storage, &account.keys, before.as_deref()).await;
        let now = self.environment.clock.now();
        let mut kept = kept.of(account);
        match found {
            Ok(access) => {
                let access = Arc::new(access);
                kept.known = Some(Known { access: Arc::clone(&access), since: now });
                kept.refused = None;
                Ok(access)
            }
            Err(error) => {
                kept.refused = Some((now, error.to_string()));
                Err(error)
            }
        }
    }

    fn kept(&self, account: &Account) -> Arc<Kept> {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        if points.len() >= MOST_POINTS && !points.contains_key(&account.point) {
            // Whoever is in the middle of it has it still; what is lost costs a token.
            points.clear();
        }
        Arc::clone(points.entry(account.point).or_default())
    }
}

impl Kept {
    /// What is known of an account. What was found with other settings or keys is worth nothing.
    fn of(&self, account: &Account) -> MutexGuard<'_, Now> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.revision != account.revision {
            *now = Now { revision: account.revision, ..Now::default() };
        }
        now
    }
}

impl Now {
    fn access(&self) -> Option<Arc<SwiftAccess>> {
        self.known.as_ref().map(|known| Arc::clone(&known.access))
    }

    /// Whether what is known ends soon, and nothing newer was asked for just now.
    fn is_to_be_renewed(&self, now: Timestamp) -> bool {
        let is_long_ago = |at: Timestamp| now.since(at) >= BETWEEN_RENEWALS;
        self.known
            .as_ref()
            .is_some_and(|known| known.access.session.is_ending(now) && is_long_ago(known.since))
            && self.refused.as_ref().is_none_or(|(at, _)| is_long_ago(*at))
    }
}

impl fmt::Display for NoAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Client(error) => write!(f, "{}", chain(error)),
            Self::Settings(error) => write!(f, "{error}"),
        }
    }
}

impl From<Fault> for NoAccess {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ClientError> for NoAccess {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<ProviderError> for NoAccess {
    fn from(error: ProviderError) -> Self {
        Self::Settings(error)
    }
}
