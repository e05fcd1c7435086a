//! The test of a cloud distribution point, from this server: what is written is read back in every
//! way that clients and we ourselves read it, and removed.
//!
//! Each step is told by itself, with why it failed and what to do. Not tried here is what the root
//! distribution server does: reaching the provider from there.

use std::time::Duration;

use uuid::Uuid;
use xylem_api::cloud::CloudTest;
use xylem_cloud::{CloudAnswer, CloudSettings, FaultKind, Moment, ObjectKey};
use xylem_model::Timestamp;

use super::probe::{Miss, Probe};
use super::steps::{Done, Outcome, Steps};

/// Bytes of the object that is written.
const PROBE_BYTES: usize = 1000;
/// Bytes of a segment of the large file that is written, where the provider takes so short ones.
const SEGMENT_BYTES: u64 = 600;
/// Longest segment that a test writes, bytes: what old servers want at least.
const LARGEST_SEGMENT: u64 = 1024 * 1024;
/// From where on a clock that is off is worth a word, seconds.
const SKEW_WARNED: u64 = 30;
/// How long ago an address was made that is to be refused: the longest life of one, and an hour.
const LONG_AGO: Duration = Duration::from_secs(25 * 3600);
/// What an object is called at the provider to break those who sign without encoding.
const ODD_NAME: &str = "a b+é&50%#";
/// The step that finds whether the provider writes where nothing is, only.
pub(super) const WRITE_ONCE: &str = "write once only";

/// The steps that all providers have, after those that came before.
pub(super) async fn run(
    probe: &Probe<'_>,
    storage: &CloudSettings,
    id: Uuid,
    at: Timestamp,
    mut steps: Steps,
) -> CloudTest {
    let prefix = storage.prefix();
    let [plain, odd, large] =
        ["plain", ODD_NAME, "large"].map(|name| prefix.probe(&id.to_string(), name));
    let reached = Box::pin(steps.needed("connect", probe.reach(&plain))).await;
    steps.add("clock", async { clock(probe, reached.as_ref()) }).await;
    // By a clock that is off nothing is signed that counts.
    steps.block_after_failure();
    let (one, two) = (pattern(1, PROBE_BYTES), pattern(2, PROBE_BYTES));
    let written = async {
        if let Err(miss) = probe.write(&plain, &one, false).await {
            return Err(why_refused(probe, miss).await);
        }
        probe.find_written(&plain, &one).await
    };
    Box::pin(steps.needed("write", written)).await;
    steps.add("read", async { done(probe.read(&plain, &one).await) }).await;
    by_address(&mut steps, probe, storage, &plain, &one).await;
    steps.add(WRITE_ONCE, write_once(probe, &plain, &two)).await;
    steps.add("overwrite", overwrite(probe, &plain, &two)).await;
    steps.add("odd names", odd_names(probe, storage, &odd, &one)).await;
    match probe.smallest_segment {
        Some(smallest) => {
            steps.add("large file", large_file(probe, storage, &large, smallest)).await;
        }
        None => steps.add("begin and give up", begin_and_abort(probe, &plain)).await,
    }
    steps.add("list", async { probe.list().await.map(|_| Done::Passed) }).await;
    let deleted = async {
        probe.remove(&plain).await?;
        done(probe.find_nothing(&plain).await)
    };
    steps.add("delete", deleted).await;
    if reached.is_some() {
        steps.clean(probe, &[plain, odd, large]).await;
    }
    steps.told(at)
}

/// Why writing was refused. Some answer for a bucket that is gone that the keys may not write there,
/// and say only in a listing that it is.
async fn why_refused(probe: &Probe<'_>, miss: Miss) -> Miss {
    let is_by_rights = matches!(&miss, Miss::Fault(fault) if fault.kind == FaultKind::Rights);
    if !is_by_rights {
        return miss;
    }
    match probe.list().await {
        Err(Miss::Fault(place)) if place.kind == FaultKind::Place => Miss::Fault(place),
        _ => miss,
    }
}

/// What clients can read, and what nobody may.
async fn by_address(
    steps: &mut Steps,
    probe: &Probe<'_>,
    storage: &CloudSettings,
    key: &ObjectKey,
    bytes: &[u8],
) {
    let now = probe.moment();
    steps
        .add("read signed", async {
            if is_bound(storage) {
                return Ok(Done::Skipped(BOUND));
            }
            done(probe.read_by(&probe.url(key, bytes.len() as u64, now)?, bytes).await)
        })
        .await;
    steps
        .add("read a range signed", async {
            if is_bound(storage) {
                return Ok(Done::Skipped(BOUND));
            }
            done(probe.read_range_by(&probe.url(key, bytes.len() as u64, now)?, bytes).await)
        })
        .await;
    steps
        .add("refused unsigned", async {
            if is_public(storage) {
                return Ok(Done::Skipped("the container is set as public"));
            }
            if !storage.is_given_out() {
                return Ok(Done::Skipped(ITS_OWN));
            }
            probe.refused(&probe.read_unsigned(key)).await?;
            if is_bound(storage) {
                return Ok(Done::Passed);
            }
            let url = probe.url(key, bytes.len() as u64, now)?;
            done(probe.refused(&url.get_unsigned()).await)
        })
        .await;
    steps
        .add("refused after its time", async {
            if !storage.is_given_out() {
                return Ok(Done::Skipped(ITS_OWN));
            }
            if is_public(storage) || is_bound(storage) {
                return Ok(Done::Skipped("there is no address to try it with"));
            }
            let then = Moment { now: now.now.minus(LONG_AGO), ..now };
            let url = probe.url(key, bytes.len() as u64, then)?;
            done(probe.refused(&url.get()).await)
        })
        .await;
}

const BOUND: &str = "addresses are bound to a client's own, and this server's is not known to it";

const ITS_OWN: &str = "a folder is the root's own, and given out to nobody";

/// Whether addresses are bound to the network address of whoever asks.
pub(super) fn is_bound(storage: &CloudSettings) -> bool {
    match storage {
        CloudSettings::S3(settings) => {
            settings.cloudfront.as_ref().is_some_and(|it| it.bind_address)
        }
        _ => false,
    }
}

/// Whether everything is given out to anybody, because an administrator wants it so.
fn is_public(storage: &CloudSettings) -> bool {
    matches!(storage, CloudSettings::Rackspace(settings) if settings.public)
}

/// How far the clocks are apart, by the first answer.
fn clock(probe: &Probe<'_>, answer: Option<&CloudAnswer>) -> Outcome {
    let Some(skew) = answer.and_then(CloudAnswer::skew_seconds) else {
        return Ok(Done::Noted("the provider does not tell its time".to_owned()));
    };
    let (apart, which) = (skew.unsigned_abs(), if skew < 0 { "behind" } else { "ahead of" });
    let told = || {
        let now = probe.moment().now;
        format!("this server's clock ({now}) is {apart} s {which} the provider's")
    };
    match probe.provider.max_skew() {
        Some(most) if apart >= most.as_secs() => Err(Miss::Other(format!(
            "{}; from {} s on requests are refused, or what is signed ends too soon or too late: set \
             it by a time server",
            told(),
            most.as_secs()
        ))),
        _ if apart >= SKEW_WARNED => {
            Ok(Done::Noted(format!("{}: set it by a time server", told())))
        }
        _ => Ok(Done::Passed),
    }
}

/// Whether the provider refuses to write where something is: what it cannot is no fault.
async fn write_once(probe: &Probe<'_>, key: &ObjectKey, bytes: &[u8]) -> Outcome {
    match probe.write(key, bytes, true).await {
        Ok(()) => Ok(Done::Noted(
            "the provider overwrites what is there: it is asked after before".to_owned(),
        )),
        Err(Miss::Fault(fault)) => match fault.kind {
            FaultKind::Exists => Ok(Done::Passed),
            FaultKind::Unsupported => Ok(Done::Noted(
                "the provider cannot be told to write once only: it is asked after before"
                    .to_owned(),
            )),
            _ => Err(Miss::Fault(fault)),
        },
        Err(miss) => Err(miss),
    }
}

async fn overwrite(probe: &Probe<'_>, key: &ObjectKey, bytes: &[u8]) -> Outcome {
    probe.write(key, bytes, false).await?;
    done(probe.read(key, bytes).await)
}

/// The names that break signers: written, read in both ways, deleted.
async fn odd_names(
    probe: &Probe<'_>,
    storage: &CloudSettings,
    key: &ObjectKey,
    bytes: &[u8],
) -> Outcome {
    probe.write(key, bytes, false).await?;
    probe.read(key, bytes).await?;
    if !is_bound(storage) {
        let url = probe.url(key, bytes.len() as u64, probe.moment())?;
        probe.read_by(&url, bytes).await?;
    }
    probe.remove(key).await?;
    done(probe.find_nothing(key).await)
}

/// A large file of two segments, whole and gone again: that segments can be written, and are opened
/// by the key that opens the file.
async fn large_file(
    probe: &Probe<'_>,
    storage: &CloudSettings,
    key: &ObjectKey,
    smallest: u64,
) -> Outcome {
    if smallest > LARGEST_SEGMENT {
        return Ok(Done::Skipped("segments are larger there than what a test writes"));
    }
    let segment = smallest.max(SEGMENT_BYTES);
    let bytes = pattern(3, usize::try_from(segment).map_err(Miss::other)? + PROBE_BYTES / 2);
    probe.write_large(key, &bytes, segment).await?;
    if !is_bound(storage) {
        let url = probe.url(key, bytes.len() as u64, probe.moment())?;
        probe.read_by(&url, &bytes).await?;
    }
    probe.remove(key).await?;
    done(probe.find_nothing(key).await)
}

/// What begins a large file, where the protocol has that: no byte of one is sent.
async fn begin_and_abort(probe: &Probe<'_>, key: &ObjectKey) -> Outcome {
    Ok(match probe.begin_and_abort(key).await? {
        Some(()) => Done::Passed,
        None => Done::Skipped("every file goes as a whole there"),
    })
}

fn done(outcome: Result<(), Miss>) -> Outcome {
    outcome.map(|()| Done::Passed)
}

/// Bytes that are no others'.
fn pattern(seed: u8, bytes: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().map(|byte| byte ^ seed).take(bytes).collect()
}
