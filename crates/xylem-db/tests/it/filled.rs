//! A cloud distribution point that is filled, for what is remembered of it.

use std::num::NonZeroU64;

use xylem_db::{
    CloudCopy, CloudCopyState as State, CloudFollowing, CloudPart, CloudWant, CloudWork, Database,
};
use xylem_model::{
    CloudPointId, ContentId, DistributionServerId, Generation, Md5, Priority, Timestamp,
};
use xylem_sync::SMALL_BYTES;

use crate::bench::{Bench, admin, at, id, name, sha256_of};
use crate::cloud_points::cloud_point;

/// Larger than small.
pub(crate) const LARGE: u64 = SMALL_BYTES + 1;

/// A point, and a server that fills it.
pub(crate) struct Filled {
    pub(crate) db: Database,
    pub(crate) point: CloudPointId,
    pub(crate) root: DistributionServerId,
}

pub(crate) fn want(text: &str, size: u64, priority: Priority) -> CloudWant {
    CloudWant {
        content: ContentId::of(text.as_bytes()),
        size,
        sha256: sha256_of(text.as_bytes()),
        name: name(text),
        priority,
    }
}

pub(crate) fn part(number: u32, bytes: u64) -> CloudPart {
    CloudPart {
        number,
        bytes,
        md5: Md5::from_bytes([7; 16]),
        sha256: sha256_of(&number.to_be_bytes()),
        tag: format!("\"tag of {number}\""),
    }
}

pub(crate) fn content(text: &str) -> ContentId {
    ContentId::of(text.as_bytes())
}

pub(crate) fn pieces(bytes: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(bytes)
}

/// What a point's row says of what was followed.
pub(crate) async fn following(db: &Database, point: CloudPointId) -> CloudFollowing {
    let row = match db.cloud_point().await.unwrap() {
        Some(row) if row.id == point => row,
        _ => db.leaving_cloud_point().await.unwrap().unwrap(),
    };
    let (selection, followed, walks) = (row.selection, row.followed, row.walks);
    CloudFollowing { point, selection, followed, walks }
}

impl Filled {
    pub(crate) async fn on(bench: &Bench) -> Self {
        let db = bench.open().await;
        let set = db.set_cloud_point(&cloud_point("s3", None), &admin(), at(1)).await.unwrap();
        Self { db, point: set.id, root: id(DistributionServerId::from_parts) }
    }

    pub(crate) async fn want(&self, wants: &[CloudWant]) {
        let seen = following(&self.db, self.point).await;
        let next = Generation(seen.followed.0 + 1);
        assert!(self.db.want_in_cloud(&seen, wants, next, at(10)).await.unwrap());
    }

    pub(crate) async fn unwant(&self, text: &str, now: Timestamp) {
        let seen = following(&self.db, self.point).await;
        assert!(self.db.unwant_in_cloud(&seen, &[content(text)], now).await.unwrap());
    }

    pub(crate) async fn copy(&self, text: &str) -> Option<CloudCopy> {
        self.db.cloud_copy(self.point, content(text)).await.unwrap()
    }

    pub(crate) async fn state(&self, text: &str) -> Option<State> {
        self.copy(text).await.map(|copy| copy.state)
    }

    pub(crate) fn work(&self, text: &str) -> CloudWork {
        CloudWork { point: self.point, content: content(text), server: self.root }
    }

    /// Takes the next for the root, from one moment until another; gives its name.
    pub(crate) async fn take(&self, busy: &[&str], now: i64, until: i64) -> Option<String> {
        self.take_for(self.root, busy, now, until).await
    }

    pub(crate) async fn take_for(
        &self,
        server: DistributionServerId,
        busy: &[&str],
        now: i64,
        until: i64,
    ) -> Option<String> {
        let busy: Vec<ContentId> = busy.iter().map(|text| content(text)).collect();
        let (now, until) = (at(now), at(until));
        let taking = self.db.take_from_cloud_wants(self.point, server, &busy, now, until);
        taking.await.unwrap().map(|copy| copy.name.to_string())
    }

    /// Takes so many at once for half a minute; gives their names.
    pub(crate) async fn take_some(
        &self,
        server: DistributionServerId,
        busy: &[&str],
        most: usize,
        now: i64,
    ) -> Vec<String> {
        let busy: Vec<ContentId> = busy.iter().map(|text| content(text)).collect();
        let (now, until) = (at(now), at(now + 30));
        let taking =
            self.db.take_some_from_cloud_wants(self.point, server, &busy, most, now, until);
        taking.await.unwrap().into_iter().map(|copy| copy.name.to_string()).collect()
    }

    /// Has one content wanted, taken until 120, and sent in parts of ten bytes each.
    pub(crate) async fn send(&self, text: &str, parts: u32) {
        self.want(&[want(text, u64::from(parts) * 10, Priority::Normal)]).await;
        assert_eq!(self.take(&[], 20, 120).await.as_deref(), Some(text));
        let work = self.work(text);
        assert!(self.db.note_cloud_begun(work, pieces(10), Some("upload 1")).await.unwrap());
        let parts: Vec<_> = (1..=parts).map(|number| part(number, 10)).collect();
        assert!(self.db.note_cloud_parts(work, &parts).await.unwrap());
    }

    pub(crate) async fn fill(&self, text: &str) {
        self.send(text, 2).await;
        let work = self.work(text);
        assert!(self.db.note_cloud_proving(work).await.unwrap());
        assert!(self.db.note_cloud_present(work, Some("\"etag\""), at(40)).await.unwrap());
    }

    pub(crate) async fn parts(&self, text: &str) -> Vec<CloudPart> {
        self.db.cloud_parts(self.point, content(text)).await.unwrap()
    }
}
