//! S3, and CloudFront in front of it.

use serde::{Deserialize, Serialize};

use super::{SettingsError, plain_host, refused, word};
use crate::endpoint::Endpoint;
use crate::layout::Prefix;

/// Largest file that CloudFront delivered when this was written, bytes. Amazon has raised it since,
/// so it is a first value and not a limit of ours.
pub const CLOUDFRONT_LARGEST_BYTES: u64 = 20_000_000_000;

/// Settings of S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// The bucket, which is there already.
    pub bucket: String,
    /// The region it lies in, such as `eu-central-1`.
    pub region: String,
    /// Where requests go; none: Amazon's endpoint of the region.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// What everything lies below.
    #[serde(default)]
    pub prefix: Prefix,
    /// Whether the bucket is named in the path; none: where an endpoint is given, or the bucket
    /// has a dot, which no certificate of Amazon's covers.
    #[serde(default)]
    pub path_style: Option<bool>,
    /// CloudFront in front of the bucket.
    #[serde(default)]
    pub cloudfront: Option<CloudFrontSettings>,
}

/// Settings of CloudFront.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudFrontSettings {
    /// The distribution's address.
    pub url: Endpoint,
    /// The public key's id, `K…`.
    pub key_pair_id: String,
    /// The distribution's id, for invalidations; none: nothing is invalidated.
    #[serde(default)]
    pub distribution_id: Option<String>,
    /// Whether a URL is bound to the client's IPv4 address.
    #[serde(default)]
    pub bind_address: bool,
    /// By which digest URLs are signed.
    #[serde(default)]
    pub hash: CloudFrontHash,
    /// The largest file that is offered there, bytes.
    #[serde(default = "cloudfront_largest")]
    pub largest_delivered: u64,
}

/// The digest below a signature of CloudFront's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudFrontHash {
    /// SHA-256, which each URL names.
    #[default]
    Sha256,
    /// SHA-1, which an edge takes where a URL names none: for edges that know no other.
    Sha1,
}

const fn cloudfront_largest() -> u64 {
    CLOUDFRONT_LARGEST_BYTES
}

/// A part of Amazon's world that has accounts of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partition {
    World,
    China,
    /// For the government of the United States; it has no CloudFront.
    UsGov,
}

impl Partition {
    /// Its name in an `arn`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::World => "aws",
            Self::China => "aws-cn",
            Self::UsGov => "aws-us-gov",
        }
    }
}

impl S3Settings {
    pub(crate) fn partition(&self) -> Partition {
        match self.region.as_str() {
            region if region.starts_with("cn-") => Partition::China,
            region if region.starts_with("us-gov-") => Partition::UsGov,
            _ => Partition::World,
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(plain) {
            return Err(refused("bucket", "give 3 to 63 letters, digits, `-`, `.` or `_`"));
        }
        let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !self.is_path_style() && !self.bucket.bytes().all(label) {
            return Err(refused(
                "bucket",
                "only small letters, digits and `-` can be part of a host's name: set path_style",
            ));
        }
        word("region", &self.region)?;
        if let Some(endpoint) = &self.endpoint {
            plain_host("endpoint", endpoint)?;
        }
        let Some(cloudfront) = &self.cloudfront else { return Ok(()) };
        word("key_pair_id", &cloudfront.key_pair_id)?;
        match &cloudfront.distribution_id {
            Some(_) if self.partition() == Partition::UsGov => Err(refused(
                "distribution_id",
                "keys of a us-gov region open no distribution: leave it out",
            )),
            Some(id) => word("distribution_id", id),
            None => Ok(()),
        }
    }

    /// Whether the bucket is named in the path and not in the host.
    pub fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some() || self.bucket.contains('.'))
    }
}
