//! What lies in a bucket, told by Amazon's own client.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::authority::{Authority, HOST};
use super::ground::{PREFIX, path};
use super::tools::Tools;

/// What runs with that client.
const SCRIPT: &str = include_str!("bucket.py");

/// Where a bucket of this run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) region: &'a str,
    /// The port of this machine where S3 is spoken over TLS.
    pub(super) port: u16,
    pub(super) authority: &'a Authority,
}

impl Place<'_> {
    /// What an administrator types after `xylem cloud`; the secret is in a file.
    pub(super) fn set_words(&self, key_id: &str, secret: &str) -> anyhow::Result<Vec<String>> {
        let (endpoint, ca) = (format!("https://{HOST}:{}", self.port), path(&self.authority.ca)?);
        let place = ["--bucket", self.bucket, "--region", self.region, "--endpoint", &endpoint];
        let more = ["--prefix", PREFIX, "--path-style", "--ca", ca];
        let words = [&["set", "s3"], &place[..], &more, &["--key-id", key_id]].concat();
        let words = words.into_iter().chain(["--secret-file", secret]);
        Ok(words.map(str::to_owned).collect())
    }
}

/// A bucket, and keys to look into it.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    tools: Tools,
    settings: [(&'static str, String); 6],
}

/// What is in a bucket, by its names.
#[derive(Debug, Deserialize)]
pub(super) struct Names {
    pub(super) objects: Vec<String>,
    /// Uploads in parts that nobody ended, and segments that no object names.
    pub(super) uploads: Vec<String>,
}

/// One object that was downloaded, with what stays with it.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size: u64,
    /// SHA-256 of what came, in hexadecimal.
    pub(super) sha256: String,
    /// The SHA-256 that was told with it.
    pub(super) told_sha256: Option<String>,
    pub(super) disposition: Option<String>,
}

impl Object {
    /// Whether it is this content, by its bytes.
    pub(super) fn is(&self, size: u64, sha256: &str) -> bool {
        self.size == size && self.sha256 == sha256
    }
}

impl Bucket {
    /// A bucket as it is seen with some keys.
    pub(super) fn new(tools: &Tools, place: Place<'_>, (key_id, secret): (&str, &str)) -> Self {
        let settings = [
            ("ENDPOINT", format!("https://{HOST}:{}", place.port)),
            ("CA", place.authority.ca.display().to_string()),
            ("KEY_ID", key_id.to_owned()),
            ("SECRET", secret.to_owned()),
            ("BUCKET", place.bucket.to_owned()),
            ("REGION", place.region.to_owned()),
        ];
        Self { tools: tools.clone(), settings }
    }

    /// Makes it.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        self.ask::<bool>(&["create"]).map(drop)
    }

    /// Removes it, with all that is in it.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        self.ask::<bool>(&["remove"]).map(drop)
    }

    /// Everything in it, by its names.
    pub(super) fn names(&self) -> anyhow::Result<Names> {
        self.ask(&["names"])
    }

    /// Uploads a file as an object.
    pub(super) fn write(&self, key: &str, file: &Path) -> anyhow::Result<()> {
        self.ask::<bool>(&["write", key, path(file)?]).map(drop)
    }

    /// Puts a small object there, as somebody else does.
    pub(super) fn place(&self, key: &str, text: &str) -> anyhow::Result<()> {
        self.ask::<bool>(&["place", key, text]).map(drop)
    }

    /// Downloads an object.
    pub(super) fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.ask(&["read", key])
    }

    /// Downloads everything in it.
    pub(super) fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.ask(&["read-all"])
    }

    fn ask<A: DeserializeOwned>(&self, words: &[&str]) -> anyhow::Result<A> {
        self.tools.ask(SCRIPT, &self.settings, words).context("boto3")
    }
}
