//! Whether two points are one place. What is deleted at a former point has there the names that it has
//! at the active one: so the two have to be two places, and not only be called so. Another name of a
//! bucket, another protocol to it, a link to a folder: no settings tell. So an object is written at the
//! one and looked for at the other (`docs/design/cloud.md`, "From one provider to another").

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;
use xylem_cloud::{ObjectKey, PointSettings, Secrets, SwiftAccess};
use xylem_model::{CloudPointId, Timestamp};
use xylem_runtime::{Environment, random_array};
use xylem_telemetry::chain;

use super::probe::{Miss, Probe};
use super::prove::probe_of;
use super::session::TestClient;
use super::store::OpenPoint;
use crate::app::App;

/// What the object is called that is looked for, after an id that makes it unique.
const NAME: &str = "apart";
/// What is in it.
const BYTES: &[u8] = b"Whether two places are one.";
/// How long it may take in all: an administrator waits for it. A folder's errand waits 20 s for the
/// root.
const LIMIT: Duration = Duration::from_secs(60);
/// For how long two that were seen to be apart count as such: a name may lead elsewhere by then.
const BELIEVED_FOR: Duration = Duration::from_secs(3600);

/// How two points are to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Apart {
    /// No object of the one is the other's.
    Yes,
    /// They are one place.
    No,
    /// Nothing at the one says that it is ours, so nothing is deleted there in any case.
    Empty,
    /// It cannot be seen, for this reason.
    Unknown(String),
}

/// Where a point is, and with which keys it is reached.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) settings: &'a PointSettings,
    pub(crate) keys: &'a Secrets,
}

/// What a round asks before anything is deleted at a point that is being left.
#[async_trait]
pub(crate) trait Separation: Send + Sync {
    /// How such a point is to the active one.
    async fn apart(&self, former: &OpenPoint) -> Apart;
}

/// Which two points were seen to be apart last, and when.
#[derive(Debug, Default)]
pub(super) struct SeenApart(Mutex<Option<(Pair, Timestamp)>>);

/// Two points, each as it was set at a revision.
type Pair = [(CloudPointId, u32); 2];

/// One of the two, reached.
struct Side<'a> {
    place: Place<'a>,
    client: TestClient,
    access: Option<SwiftAccess>,
}

impl Apart {
    /// Why nothing may be deleted at a former point, and what to do; none where it may.
    pub(crate) fn refusal(self) -> Option<String> {
        match self {
            Self::Yes | Self::Empty => None,
            Self::No => Some(format!(
                "it is the same place as the point that is set, under another name, and what is \
                 deleted there would be gone from that one too: {KEEP}"
            )),
            Self::Unknown(why) => Some(format!(
                "whether it is the same place as the point that is set cannot be seen, and then \
                 what is deleted there could be gone from that one too ({why}). It is tried again; \
                 otherwise {KEEP}"
            )),
        }
    }
}

const KEEP: &str = "keep what lies there with `xylem cloud remove --former`, or forget the former \
                    point with `xylem cloud remove --former --forget`, and delete yourself what is \
                    not wanted";

impl<'a> Place<'a> {
    fn of(point: &'a OpenPoint) -> Self {
        Self { settings: &point.settings, keys: &point.keys }
    }
}

impl App {
    /// Whether two points are two places. It is written at the one `here`, which is or is to be the
    /// active one and so is swept; at the other it is only looked.
    pub(crate) async fn are_apart(&self, here: Place<'_>, there: Place<'_>) -> Apart {
        if here.settings.storage.is_same_place(&there.settings.storage) {
            return Apart::No;
        }
        let compared = tokio::time::timeout(LIMIT, Box::pin(self.compare(here, there))).await;
        match compared {
            Ok(Ok(apart)) => apart,
            Ok(Err(why)) => Apart::Unknown(why),
            Err(_) => Apart::Unknown(format!("it took longer than {} s", LIMIT.as_secs())),
        }
    }

    async fn compare(&self, here: Place<'_>, there: Place<'_>) -> Result<Apart, String> {
        let there = self.side(there).await.map_err(at_the_former)?;
        let here = self.side(here).await.map_err(at_the_new)?;
        let random: [u8; 16] = random_array(&*self.environment.rng);
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        let key = here.key(id);
        let probe = here.probe(&self.environment).map_err(at_the_new)?;
        let apart = match write(&probe, &key).await {
            Ok(()) => there.look(&self.environment, id).await.map_err(at_the_former),
            Err(miss) => Err(at_the_new(miss.to_string())),
        };
        // Where it stays it goes with what tests left, when it is a day old.
        if let Err(miss) = probe.remove(&key).await {
            tracing::warn!("`{}`, written to compare two places, stays: {miss}", key.as_str());
        }
        apart
    }

    async fn side<'a>(&self, place: Place<'a>) -> Result<Side<'a>, String> {
        let client = self.test_client(place.settings, place.keys).await;
        let client = client.map_err(|failure| failure.0.message().to_owned())?;
        let access = client.access().await.map_err(|error| error.to_string())?;
        Ok(Side { place, client, access })
    }
}

async fn write(here: &Probe<'_>, key: &ObjectKey) -> Result<(), Miss> {
    here.write(key, BYTES, false).await?;
    here.find_written(key, BYTES).await
}

impl Side<'_> {
    fn key(&self, id: Uuid) -> ObjectKey {
        self.place.settings.storage.prefix().probe(&id.to_string(), NAME)
    }

    fn probe<'b>(&'b self, environment: &'b Environment) -> Result<Probe<'b>, String> {
        let Place { settings, keys } = self.place;
        let access = self.access.as_ref();
        let probe = probe_of(environment, &self.client, settings, keys, access);
        probe.map_err(|error| error.to_string())
    }

    /// Looks for what was written at the other one, several times: what is the same place may tell
    /// under another name what was true a moment ago.
    async fn look(&self, environment: &Environment, id: Uuid) -> Result<Apart, String> {
        let probe = self.probe(environment)?;
        let marker = self.place.settings.storage.prefix().marker();
        look(&probe, &self.key(id), &marker).await.map_err(|miss| miss.to_string())
    }
}

async fn look(there: &Probe<'_>, key: &ObjectKey, marker: &ObjectKey) -> Result<Apart, Miss> {
    if there.looked_for(key, true).await?.is_some() {
        return Ok(Apart::No);
    }
    // A name that leads nowhere at present finds nothing, and says nothing by that.
    Ok(match there.find(marker).await? {
        Some(_) => Apart::Yes,
        None => Apart::Empty,
    })
}

#[async_trait]
impl Separation for App {
    async fn apart(&self, former: &OpenPoint) -> Apart {
        let active = match self.cloud.store().active().await {
            Ok(Some(active)) => active,
            Ok(None) => return Apart::Yes,
            Err(error) => return Apart::Unknown(chain(&error).to_string()),
        };
        let pair = [(former.id, former.revision), (active.id, active.revision)];
        let seen = &self.upkeep.seen_apart;
        if seen.is_believed(pair, self.now()) {
            return Apart::Yes;
        }
        let apart = self.are_apart(Place::of(&active), Place::of(former)).await;
        if apart == Apart::Yes {
            seen.note(pair, self.now());
        }
        apart
    }
}

impl SeenApart {
    fn is_believed(&self, pair: Pair, now: Timestamp) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|(known, at)| known == pair && now.since(at) < BELIEVED_FOR)
    }

    fn note(&self, pair: Pair, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((pair, now));
    }
}

fn at_the_former(why: String) -> String {
    format!("at the former: {why}")
}

fn at_the_new(why: String) -> String {
    format!("at the one that is set, or to be set: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_where_it_cannot_be_seen() {
        assert_eq!(Apart::Yes.refusal(), None);
        assert_eq!(Apart::Empty.refusal(), None);
        let same = Apart::No.refusal().unwrap();
        let unknown = Apart::Unknown("no answer".to_owned()).refusal().unwrap();
        assert!(unknown.contains("no answer") && !same.contains("no answer"), "{unknown}");
        for told in [same, unknown] {
            assert!(told.contains("same place") && told.contains("--forget"), "{told}");
        }
    }

    #[test]
    fn what_was_seen_is_believed_for_a_while_of_the_same_two_as_they_were_set() {
        let point = |byte| CloudPointId::from_parts(1, &[byte; 10]);
        let (pair, start) = ([(point(1), 1), (point(2), 1)], Timestamp::from_unix_ms(1_000));
        let seen = SeenApart::default();
        assert!(!seen.is_believed(pair, start));
        seen.note(pair, start);
        assert!(seen.is_believed(pair, start));
        assert!(!seen.is_believed(pair, start.plus(BELIEVED_FOR)));
        for other in [[(point(1), 2), (point(2), 1)], [(point(1), 1), (point(3), 1)]] {
            assert!(!seen.is_believed(other, start), "{other:?}");
        }
    }
}
