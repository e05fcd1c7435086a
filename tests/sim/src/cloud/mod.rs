//! The cloud distribution point of a run: the strict S3 on the simulated network, what is remembered
//! of it, and those who watch both (`docs/design/cloud.md`, "Invariants").
//!
//! * [`watch`]: what is done at the provider, judged in the moment in which it is done. [`store`]: what
//!   is decided on, likewise.
//! * [`hosts`]: what runs: the provider, and the management server's part.
//! * [`faults`]: what goes wrong there.

mod faults;
mod hosts;
mod store;
mod watch;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::json;
use xylem_cloud::{Marker, PartRules, PointSettings, Prefix, Secrets};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_model::{CloudPointId, ContentId};
use xylem_server::{CloudStore as _, MemoryCloudStore, MemoryWishStore, OpenPoint};
use xylem_testkit::{S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Fault};

use crate::environment::{beginning, environment};
use crate::history::History;
use crate::machine::Machine;
use crate::world::PORT;

pub(crate) use faults::CloudFaults;
pub(crate) use hosts::{filling, provider};
use watch::Seen;

/// The provider's host.
pub(crate) const CLOUD: &str = "cloud";

/// One seed in so many has a cloud: that costs about as much again as the smallest tree.
pub(crate) const CLOUD_SEEDS: u64 = 4;

/// What everything lies below.
const PREFIX: &str = "macs";

/// Bytes of a part. Simulated files are small: the largest has seven of these.
const PART_BYTES: u64 = 128 * 1024;

/// How files are cut: the smaller ones go as a whole, as real ones do.
const PART_RULES: PartRules = PartRules {
    whole_up_to: PART_BYTES,
    smallest_part: PART_BYTES,
    largest_part: PART_BYTES,
    ..PartRules::S3
};

/// What is not ours, below our prefix and beside it: it stays.
const FOREIGN: [&str; 4] =
    ["macs/notes.txt", "macs/content/AB/notes.txt", "macs2/content/other", "other.pkg"];

/// What a test left that was killed: it goes by its age.
const LEFT_PROBE: &str = "macs/probe/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-plain";

/// An upload that somebody else began, and nobody ends: not ours.
pub(crate) const FOREIGN_UPLOAD: &str = "other.pkg";

/// Most rows that are read at once: more than there are uploads in a run.
const MANY: u64 = 1000;

/// The cloud distribution point of a run. What lies there, and what is remembered of it, outlives
/// crashes of hosts.
pub(crate) struct Cloud {
    pub(crate) double: S3Double,
    /// Stands for the database.
    pub(crate) store: Arc<MemoryCloudStore>,
    pub(crate) point: CloudPointId,
    /// What the provider runs on.
    pub(crate) machine: Arc<Machine>,
    /// What is wrong with the provider all the time.
    base: S3Fault,
    seen: Arc<Mutex<Seen>>,
}

impl Cloud {
    pub(crate) fn make(seed: u64, dice: &mut StdRng) -> anyhow::Result<Arc<Self>> {
        let machine = Machine::new(None);
        let double = S3Double::unheard(&environment(seed ^ 0xc10d, &machine), CLOUD, PORT);
        double.take_small_parts(usize::try_from(PART_BYTES)?);
        let others = FOREIGN.into_iter().chain([LEFT_PROBE]);
        others.for_each(|name| double.place(name, name));
        double.begin_upload(FOREIGN_UPLOAD);
        let base = if dice.random_bool(0.5) { S3Fault::None } else { S3Fault::NoConditions };
        double.misbehave(base);
        let point = open_point(&double, dice.random_bool(0.5))?;
        double.place(prefix_of(&point).marker().as_str(), marker().to_json());
        // As a crash leaves it: below a name of ours, in no row.
        let left = prefix_of(&point).content(&ContentId::of(b"left"));
        double.begin_upload(left.as_str());
        let store = Arc::new(MemoryCloudStore::new());
        let id = point.id;
        store.set(point, beginning());
        Ok(Arc::new(Self { double, store, point: id, machine, base, seen: Arc::default() }))
    }

    /// From now on what is done at the provider is judged.
    pub(crate) fn watch(&self, wishes: &Arc<MemoryWishStore>, history: &History) {
        let (seen, wishes) = (Arc::clone(&self.seen), Arc::clone(wishes));
        let (store, point, history) = (Arc::clone(&self.store), self.point, history.clone());
        self.double.watch(move |event| {
            let row = |content: &ContentId| at_once(store.copy(point, *content))?.ok()?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.note(event, &wishes, row, &history);
        });
    }

    /// The point as it is set.
    pub(crate) fn open(&self) -> anyhow::Result<OpenPoint> {
        let open = at_once(self.store.active()).context("the store waits")??;
        open.context("the point is gone")
    }

    /// All rows.
    pub(crate) fn rows(&self) -> anyhow::Result<BTreeMap<ContentId, CloudCopy>> {
        let rows = at_once(self.store.copies(self.point, None, None, MANY));
        let rows = rows.context("the store waits")??;
        Ok(rows.into_iter().map(|row| (row.content, row)).collect())
    }

    /// Whether anything is on its way.
    pub(crate) fn is_under_way(&self) -> bool {
        let is_moving = |row: &CloudCopy| {
            matches!(row.state, CloudCopyState::Sending | CloudCopyState::Proving)
        };
        self.rows().is_ok_and(|rows| rows.values().any(is_moving))
    }

    /// The name of a content.
    pub(crate) fn name_of(&self, content: &ContentId) -> anyhow::Result<String> {
        Ok(prefix_of(&self.open()?).content(content).to_string())
    }

    /// Names of what is to stay whatever is wanted.
    pub(crate) fn names_that_stay(&self) -> anyhow::Result<Vec<String>> {
        let marker = prefix_of(&self.open()?).marker().to_string();
        Ok(FOREIGN.into_iter().map(str::to_owned).chain([marker]).collect())
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What says below the prefix whose it is.
fn marker() -> Marker {
    Marker::of("the simulation's catalogue")
}

fn prefix_of(point: &OpenPoint) -> &Prefix {
    point.settings.storage.prefix()
}

fn open_point(double: &S3Double, writes_once: bool) -> anyhow::Result<OpenPoint> {
    let settings = json!({
        "storage": {
            "provider": "s3",
            "bucket": S3_BUCKET,
            "region": S3_REGION,
            "endpoint": double.endpoint(),
            "prefix": PREFIX,
        },
        "ca_pem": double.ca_pem(),
    });
    let keys = json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": S3_SECRET });
    let keys: Secrets = serde_json::from_value(keys)?;
    Ok(OpenPoint {
        writes_once,
        ..OpenPoint::just_set(
            CloudPointId::from_parts(1, &[0xc1; 10]),
            PointSettings::read(settings)?,
            keys,
        )
    })
}

/// What a store in memory answers, which never waits.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
