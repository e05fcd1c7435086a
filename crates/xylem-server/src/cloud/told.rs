//! What computers told of the cloud, in the reports of their orders: how much they fetched there, which
//! the provider counts and we only estimate, and where they found other bytes.
//!
//! A computer is not believed. What it says is bounded by what the file has, and other bytes that it
//! found are a reason to read the content back, once a day, and for nothing else.

use std::time::Duration;

use xylem_api::agent::FetchAttempt;
use xylem_db::CloudUsage;
use xylem_model::{ComputerId, ContentId, Timestamp};

use super::store::{CloudStore, OpenPoint};
use super::usage::month_of;
use super::used::count_bytes;
use crate::app::App;
use crate::failure::Failure;
use crate::wish::WishError;

/// How often computers are heard that doubt one content: so none of them makes it be read again and
/// again.
const BETWEEN_DOUBTS: Duration = Duration::from_secs(24 * 3600);
/// Tries of one report that are counted; an agent has eight.
const MAX_TRIES: usize = 64;

/// What came of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Heard {
    /// Bytes that were fetched there.
    bytes: u64,
    /// Other bytes were found there, and are believed to be possible.
    is_doubted: bool,
}

impl App {
    /// Takes what a computer told of fetching a content.
    pub(crate) async fn hear_of_cloud(
        &self,
        computer: ComputerId,
        content: ContentId,
        attempts: &[FetchAttempt],
    ) -> Result<(), Failure> {
        if !attempts.iter().any(FetchAttempt::is_of_cloud) {
            return Ok(());
        }
        let store = self.cloud.store();
        let Some(point) = fetched_at(store, content).await? else { return Ok(()) };
        let heard = hear(store, &point, content, attempts, self.now()).await?;
        if heard.is_doubted {
            tracing::warn!(
                computer.id = %computer, package.digest = %content,
                "a computer found other bytes in the cloud: the content is read back"
            );
            // The root asks by itself within a minute.
        }
        Ok(())
    }
}

/// Where a content was fetched: at the active point, or, where it is not there yet, at the one that is
/// being left, for as long as computers are sent there.
async fn fetched_at(
    store: &dyn CloudStore,
    content: ContentId,
) -> Result<Option<OpenPoint>, WishError> {
    let active = store.active().await?;
    if let Some(point) = &active
        && store.copy(point.id, content).await?.is_some_and(|copy| copy.was_there())
    {
        return Ok(active);
    }
    let is_in_use = |point: &OpenPoint| point.leaving.is_some_and(|it| it.left.is_none());
    Ok(store.leaving().await?.filter(is_in_use).or(active))
}

async fn hear(
    store: &dyn CloudStore,
    point: &OpenPoint,
    content: ContentId,
    attempts: &[FetchAttempt],
    now: Timestamp,
) -> Result<Heard, WishError> {
    // Of what is not there, or not any more, nothing is known that would bound what is told.
    let Some(copy) = store.copy(point.id, content).await? else { return Ok(Heard::default()) };
    let tries = || attempts.iter().take(MAX_TRIES).filter(|attempt| attempt.is_of_cloud());
    let bytes = tries().map(|attempt| attempt.bytes.min(copy.size));
    let bytes = bytes.fold(0, u64::saturating_add);
    if bytes > 0 {
        count_bytes(point, "told-by-agents", bytes);
        let used = CloudUsage { told_by_agents: bytes, ..CloudUsage::default() };
        store.used(point.id, month_of(now), &used).await?;
    }
    // Nothing is read back at a point that is being left: the new one gets its own, from the root.
    let is_doubted = point.is_active
        && tries().any(FetchAttempt::is_of_wrong_bytes)
        && store.doubt(point.id, content, now.minus(BETWEEN_DOUBTS), now).await?;
    Ok(Heard { bytes, is_doubted })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use xylem_api::agent::{CLOUD_SOURCE, WRONG_BYTES};
    use xylem_cloud::PointSettings;
    use xylem_db::{CloudReadBack, CloudWant};
    use xylem_model::{CloudPointId, DistributionServerId, FileName, Generation, Priority, Sha256};

    use super::*;
    use crate::cloud::read_keys;
    use crate::cloud::store::{MemoryCloudStore, Work};

    const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
    const SIZE: u64 = 100;

    fn attempt(source: &str, bytes: u64, failure: Option<&str>) -> FetchAttempt {
        let failure = failure.map(str::to_owned);
        FetchAttempt { source: source.to_owned(), from: 0, bytes, took_ms: 1, failure }
    }

    /// A point, and a content that is there.
    async fn filled() -> (MemoryCloudStore, OpenPoint, Work) {
        let storage = json!({ "provider": "s3", "bucket": "packages", "region": "r" });
        let keys = json!({ "provider": "s3", "key_id": "k", "secret": "s" });
        let point = OpenPoint::just_set(
            CloudPointId::from_parts(7, &[7; 10]),
            PointSettings::read(json!({ "storage": storage })).unwrap(),
            read_keys(keys).unwrap(),
        );
        let store = MemoryCloudStore::new();
        store.set(point.clone(), NOW);
        let content = ContentId::of(b"a");
        let work = Work {
            point: point.id,
            content,
            server: DistributionServerId::from_parts(1, &[1; 10]),
        };
        let want = CloudWant {
            content,
            size: SIZE,
            sha256: Sha256::from_bytes([1; 32]),
            name: FileName::new("A.pkg").unwrap(),
            priority: Priority::Normal,
        };
        assert!(store.want(&point, &[want], Generation(1), NOW).await.unwrap());
        let until = NOW.plus(Duration::from_secs(60));
        store.take(work.point, work.server, &[], NOW, until).await.unwrap().unwrap();
        assert!(store.proving(work).await.unwrap());
        assert!(store.present(work, None, NOW).await.unwrap());
        (store, point, work)
    }

    #[tokio::test]
    async fn what_was_fetched_in_the_cloud_is_counted_as_far_as_it_can_be() {
        let (store, point, work) = filled().await;
        let told = [
            attempt("near", 70, None),
            attempt(CLOUD_SOURCE, 30, Some("the line broke")),
            attempt(CLOUD_SOURCE, u64::MAX, None),
        ];
        let heard = hear(&store, &point, work.content, &told, NOW).await.unwrap();
        assert_eq!(heard, Heard { bytes: 30 + SIZE, is_doubted: false });
        let usage = store.usage(point.id).await.unwrap();
        let [(month, used)] = &usage[..] else { panic!("{usage:?}") };
        let expected = CloudUsage { told_by_agents: 30 + SIZE, ..CloudUsage::default() };
        assert_eq!((*month, *used), (month_of(NOW), expected), "and as nothing of ours");
        let other = ContentId::of(b"never there");
        assert_eq!(hear(&store, &point, other, &told, NOW).await.unwrap(), Heard::default());
    }

    #[tokio::test]
    async fn what_was_fetched_at_the_former_is_counted_there_until_nobody_is_sent_there() {
        let (store, former, work) = filled().await;
        let next = CloudPointId::from_parts(8, &[8; 10]);
        store.set(OpenPoint { id: next, ..former.clone() }, NOW);
        let point = fetched_at(&store, work.content).await.unwrap().unwrap();
        assert_eq!(point.id, former.id, "the new one lacks it");
        let wrong = format!("{WRONG_BYTES}: digests disagree");
        let told = [attempt(CLOUD_SOURCE, 30, Some(&wrong))];
        let heard = hear(&store, &point, work.content, &told, NOW).await.unwrap();
        assert_eq!(heard, Heard { bytes: 30, is_doubted: false }, "nothing is read back there");
        assert_eq!(store.usage(former.id).await.unwrap()[0].1.told_by_agents, 30);
        assert!(store.usage(next).await.unwrap().is_empty());
        assert!(store.left(former.id, NOW).await.unwrap());
        assert_eq!(fetched_at(&store, work.content).await.unwrap().unwrap().id, next);
    }

    #[tokio::test]
    async fn a_computer_has_a_content_read_back_once_a_day_and_is_not_believed() {
        let (store, point, work) = filled().await;
        let wrong = format!("{WRONG_BYTES}: digests disagree");
        let doubts = [attempt(CLOUD_SOURCE, SIZE, Some(&wrong))];
        let of_a_server = [attempt("near", SIZE, Some(&wrong))];
        let late = NOW.plus(Duration::from_secs(3600));
        let is_heard = async |told: &[FetchAttempt], now| {
            hear(&store, &point, work.content, told, now).await.unwrap().is_doubted
        };
        assert!(!is_heard(&of_a_server, NOW).await, "that is no affair of the cloud");
        assert!(is_heard(&doubts, NOW).await);
        let row = store.copy(point.id, work.content).await.unwrap().unwrap();
        assert!(row.is_doubted() && row.state == xylem_db::CloudCopyState::Present);
        assert!(!is_heard(&doubts, late).await, "it is doubted already");
        let until = late.plus(Duration::from_secs(60));
        let taken = store.to_read_back(point.id, work.server, None, late, until).await.unwrap();
        assert_eq!(taken.unwrap().content, work.content);
        assert!(store.read_back(work, CloudReadBack::Right, late).await.unwrap());
        assert!(!is_heard(&doubts, NOW.plus(BETWEEN_DOUBTS)).await, "it was read since");
        assert!(is_heard(&doubts, late.plus(BETWEEN_DOUBTS + Duration::from_secs(1))).await);
    }
}
