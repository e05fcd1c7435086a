//! What the edge lets through, and what it refuses: each for its own reason.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use time::OffsetDateTime;
use xylem_bench::publish::write_random;
use xylem_cloud::ObjectKey;
use xylem_model::Timestamp;

use super::super::authority::{Authority, HOST};
use super::super::seaweed::BUCKET;
use super::super::store::Store as _;
use super::super::tools::Tools;
use super::cases::{self, Case};
use super::curl::Curl;
use super::keys::Algorithm;
use super::ours::key;
use super::{Edge, Front};
use crate::pair::stage;

/// What the object is called, and another one.
const NAME: &str = "a b+é&50%#.pkg";
const OTHER: &str = "other.pkg";

/// Bytes of each: more than one slice.
const BYTES: u64 = 9 << 20;

/// First and last byte of a range across two slices.
const RANGE: (u64, u64) = ((4 << 20) - 100, (4 << 20) + 99);

/// How long what is signed is good for.
pub(super) const LIFE: Duration = Duration::from_secs(600);

/// From where we ask.
pub(super) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What the cases are made of.
pub(super) struct Scene<'a> {
    pub(super) edge: &'a Edge,
    /// The edge's address.
    pub(super) distribution: String,
    pub(super) object: ObjectKey,
    pub(super) other: ObjectKey,
    pub(super) now: Timestamp,
    /// Where files of the run's own are.
    pub(super) folder: &'a Path,
    curl: Curl<'a>,
    bytes: Vec<u8>,
}

/// Everything that is to be let through is, and nothing else.
pub(in super::super) fn refusals() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (tools, folder) = (Tools::require()?, scratch.path());
        let authority = Authority::make(&folder.join("authority"))?;
        let front = Front::start(&tools, &folder.join("store"), &authority, Algorithm::Rsa).await?;
        let (object, other) = (key(NAME)?, key(OTHER)?);
        let file = folder.join("object");
        write_random(&file, 3, BYTES)?;
        let bytes = fs::read(&file)?;
        for key in [&object, &other] {
            front.bucket.bucket().write(key.as_str(), &file)?;
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let now = Timestamp::from_unix_ms(now * 1000);
        let edge = &front.edge;
        let (distribution, curl) = (edge.url(), Curl { authority: &authority, folder });
        let scene = Scene { edge, distribution, object, other, now, folder, curl, bytes };
        let accepted = scene.all_good()?;
        // From here on everything is in the cache.
        let refused = scene.all_wrong()? + scene.other_ways(front.port())?;
        let tally = edge.tally();
        println!(
            "CLOUD edge accepted={accepted} refused={refused} judged_good={} judged_wrong={}",
            tally.accepted, tally.refused
        );
        Ok(())
    })
}

impl Scene<'_> {
    /// Everything that is to be let through; gives how many.
    fn all_good(&self) -> anyhow::Result<usize> {
        let cases = cases::good(self)?;
        for Case { name, url, .. } in &cases {
            let answer = self.curl.ask(&[], url)?;
            ensure!(answer.status == "200", "{name} is answered {}", answer.status);
            ensure!(answer.body == self.bytes, "{name} gives other bytes");
            let head = self.curl.ask(&["--head"], url)?;
            ensure!(head.status == "200", "{name} is answered {} to HEAD", head.status);
            let (first, last) = RANGE;
            let part = self.curl.ask(&["--range", &format!("{first}-{last}")], url)?;
            let (from, to) = (usize::try_from(first)?, usize::try_from(last)?);
            ensure!(part.status == "206", "{name} is answered {} to a range", part.status);
            ensure!(self.bytes.get(from..=to) == Some(&*part.body), "{name} gives another range");
        }
        Ok(cases.len())
    }

    /// Everything that is to be refused, each for its own reason; gives how many.
    fn all_wrong(&self) -> anyhow::Result<usize> {
        let cases = cases::wrong(self)?;
        for Case { name, url, expected } in &cases {
            let before = self.edge.tally().refused;
            let answer = self.curl.ask(&[], url)?;
            let tally = self.edge.tally();
            ensure!(answer.status == "403", "{name} is answered {}", answer.status);
            ensure!(tally.refused == before + 1, "{name} was not judged");
            let last = tally.last.context("it was judged")?;
            ensure!(last == *expected, "{name} is refused for {last:?} and not {expected:?}");
        }
        Ok(cases.len())
    }

    /// What a good address is no good for, and the bucket behind the edge; gives how many.
    fn other_ways(&self, bucket_port: u16) -> anyhow::Result<usize> {
        let good = cases::good(self)?.into_iter().next().context("there are good ones")?.url;
        let writing = ["PUT", "POST", "DELETE", "OPTIONS"];
        for method in writing {
            let answer = self.curl.ask(&["--request", method], &good)?;
            ensure!(answer.status == "403", "{method} is answered {}", answer.status);
        }
        let path = good.strip_prefix(&self.edge.url()).context("it is at the edge")?;
        let (plain, _) = path.split_once('?').context("it is signed")?;
        let straight = [path, plain];
        for path in straight {
            let url = format!("https://{HOST}:{bucket_port}/{BUCKET}{path}");
            let answer = self.curl.ask(&[], &url)?;
            let status = answer.status;
            ensure!(status == "403" || status == "400", "the bucket itself answers {status}");
            ensure!(answer.body != self.bytes, "the bucket itself gives it");
        }
        Ok(writing.len() + straight.len())
    }
}
