//! CloudFront in front of a private bucket, as one store: content is sent to SeaweedFS, and whoever
//! fetches is sent to the edge.

use std::path::Path;

use anyhow::ensure;

use super::super::authority::Authority;
use super::super::bucket::{Names, Object};
use super::super::ground::path;
use super::super::seaweed::Seaweed;
use super::super::store::Store;
use super::super::tools::Tools;
use super::Edge;
use super::keys::Algorithm;

/// Both.
#[derive(Debug)]
pub(in super::super) struct Front {
    pub(in super::super) bucket: Seaweed,
    pub(in super::super) edge: Edge,
    algorithm: Algorithm,
}

impl Front {
    /// Starts both in a folder; addresses are to be signed by a key of a kind.
    pub(in super::super) async fn start(
        tools: &Tools,
        folder: &Path,
        authority: &Authority,
        algorithm: Algorithm,
    ) -> anyhow::Result<Self> {
        let bucket = Seaweed::start(tools, &folder.join("bucket"), authority).await?;
        let edge = Edge::start(&folder.join("edge"), authority, bucket.plain_port).await?;
        Ok(Self { bucket, edge, algorithm })
    }
}

impl Store for Front {
    fn provider(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Rsa => "cloudfront",
            Algorithm::P256 => "cloudfront-ecdsa",
        }
    }

    fn port(&self) -> u16 {
        self.bucket.port()
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        let mut words = self.bucket.set_words(folder, port)?;
        let (url, key) = (self.edge.url(), self.edge.key(self.algorithm));
        let more = ["--cloudfront", &url, "--key-pair", &key.id];
        let file = ["--private-key-file", path(&key.private)?];
        words.extend(more.into_iter().chain(file).map(str::to_owned));
        Ok(words)
    }

    fn names(&self) -> anyhow::Result<Names> {
        self.bucket.names()
    }

    fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.bucket.read_all()
    }

    fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.bucket.read(key)
    }

    fn given_bytes(&self) -> anyhow::Result<Option<u64>> {
        let tally = self.edge.tally();
        ensure!(tally.accepted > 0, "nobody was let through at the edge");
        self.edge.given_bytes().map(Some)
    }
}
