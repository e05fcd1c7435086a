//! Addresses as our own code signs them.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use xylem_cloud::{CloudSettings, Moment, ObjectKey, Secrets, UrlFor, provider_of};
use xylem_model::{FileName, Timestamp};

use super::super::ground::PREFIX;
use super::super::seaweed::{BUCKET, KEY_ID, REGION, SECRET};
use super::keys::{Hash, KeyPair};

/// What an address is signed with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signer<'a> {
    /// The distribution's address.
    pub(super) distribution: &'a str,
    pub(super) key: &'a KeyPair,
    pub(super) hash: Hash,
    /// The only address it is to be good for; none: any, which makes a canned policy.
    pub(super) source: Option<Ipv4Addr>,
    pub(super) now: Timestamp,
    pub(super) life: Duration,
}

/// An object of our prefix, as it is called there.
pub(super) fn key(name: &str) -> anyhow::Result<ObjectKey> {
    let prefix: xylem_cloud::Prefix = PREFIX.to_owned().try_into()?;
    Ok(prefix.probe("1", name))
}

impl Signer<'_> {
    /// The address of an object.
    pub(super) fn url(&self, key: &ObjectKey) -> anyhow::Result<String> {
        let hash = match self.hash {
            Hash::Sha1 => "sha1",
            Hash::Sha256 => "sha256",
        };
        let settings: CloudSettings = serde_json::from_value(json!({
            "provider": "s3",
            "bucket": BUCKET,
            "region": REGION,
            "prefix": PREFIX,
            "cloudfront": {
                "url": self.distribution,
                "key_pair_id": self.key.id,
                "bind_address": self.source.is_some(),
                "hash": hash,
            },
        }))?;
        let private = fs::read_to_string(&self.key.private).context("no private key")?;
        let keys: Secrets = serde_json::from_value(json!({
            "provider": "s3",
            "key_id": KEY_ID,
            "secret": SECRET,
            "cloudfront_key": private,
        }))?;
        let (name, at) = (FileName::new("a b+é&50%#.pkg")?, Moment { now: self.now, nonce: 1 });
        let (client, life) = (self.source, self.life);
        let wanted = UrlFor { key, size: 1, name: &name, client, at, life };
        let url = provider_of(&settings, &keys, None)?.url(&wanted)?;
        Ok(url.reveal().to_owned())
    }
}
