//! What an administrator sets, by provider. None of it is secret: see [`crate::Secrets`].

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::layout::Prefix;

/// Largest file that CloudFront delivered when this was written, bytes. Amazon has raised it since,
/// so it is a first value and not a limit of ours.
pub const CLOUDFRONT_LARGEST_BYTES: u64 = 20_000_000_000;
/// How long a content delivery network of Rackspace keeps an object, seconds.
pub const RACKSPACE_TTL_SECONDS: u64 = 259_200;
/// Longest name of a container (Swift's `max_container_name_length`).
const MAX_CONTAINER_BYTES: usize = 256;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{field}` cannot be used: {why}")]
pub struct SettingsError {
    /// Which setting.
    pub field: &'static str,
    /// Why not, and what to give.
    pub why: String,
}

/// The settings of a point, by provider. A field of another provider is refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum CloudSettings {
    /// Amazon S3 or what speaks its protocol, with or without CloudFront.
    S3(S3Settings),
    /// OpenStack Swift, or Ceph's gateway.
    Swift(SwiftSettings),
    /// Rackspace Cloud Files: Swift with an identity service and a delivery network of its own.
    Rackspace(RackspaceSettings),
    /// Akamai NetStorage, given out by Akamai's edge.
    Akamai(AkamaiSettings),
}

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
    /// The largest file that is offered there, bytes.
    #[serde(default = "cloudfront_largest")]
    pub largest_delivered: u64,
}

/// Settings of Swift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwiftSettings {
    /// How a token is asked for.
    pub auth: SwiftAuth,
    /// Where a token is asked for: the address without `/v3/auth/tokens` or `/v1.0`.
    pub auth_url: Endpoint,
    /// The region whose storage is used; none: the first that the catalogue has.
    #[serde(default)]
    pub region: Option<String>,
    /// The container, which is there already.
    pub container: String,
    /// What everything lies below.
    #[serde(default)]
    pub prefix: Prefix,
    /// Whose TempURL key signs.
    #[serde(default)]
    pub key_scope: KeyScope,
}

/// How a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SwiftAuth {
    /// Version 1.0, as `tempauth` and Ceph's gateway have it: `ACCOUNT:USER` and a key.
    Tempauth {
        /// `ACCOUNT:USER`.
        user: String,
    },
    /// Keystone version 3, by password, for one project.
    Keystone3Password {
        /// The user.
        user: String,
        /// The user's domain.
        user_domain: String,
        /// The project.
        project: String,
        /// The project's domain.
        project_domain: String,
    },
    /// Keystone version 3, by an application credential, which belongs to one project.
    Keystone3Application {
        /// The credential's id.
        id: String,
    },
}

/// Whose TempURL key signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// The account's: it opens segments that lie in a container of their own.
    #[default]
    Account,
    /// The container's, so segments lie in the same one.
    Container,
}

/// Settings of Rackspace Cloud Files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RackspaceSettings {
    /// The identity service; none: the one in the United States.
    #[serde(default)]
    pub auth_url: Option<Endpoint>,
    /// The user; the key is its API key.
    pub user: String,
    /// The region, such as `ORD`.
    pub region: String,
    /// The container, which is there already.
    pub container: String,
    /// What everything lies below.
    #[serde(default)]
    pub prefix: Prefix,
    /// Whether the container is given out by the delivery network, to anybody who has an address.
    #[serde(default)]
    pub public: bool,
    /// How long the delivery network keeps an object, seconds.
    #[serde(default = "rackspace_ttl")]
    pub ttl_seconds: u64,
}

/// Settings of NetStorage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AkamaiSettings {
    /// `https://…-nsu.akamaihd.net`.
    pub upload_host: Endpoint,
    /// The upload account's name.
    pub account: String,
    /// The CP code: the first step of every path there.
    pub cp_code: u32,
    /// The directory below the CP code that everything lies in.
    #[serde(default)]
    pub directory: Prefix,
    /// Where clients fetch; its path stands for the CP code's directory.
    pub delivery_url: Endpoint,
    /// What the token is called in the query.
    #[serde(default = "token_name")]
    pub token_name: String,
}

const fn cloudfront_largest() -> u64 {
    CLOUDFRONT_LARGEST_BYTES
}

const fn rackspace_ttl() -> u64 {
    RACKSPACE_TTL_SECONDS
}

fn token_name() -> String {
    "__token__".to_owned()
}

impl CloudSettings {
    /// Checks what a type alone cannot: names of buckets, containers, regions and keys.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self {
            Self::S3(settings) => settings.check(),
            Self::Swift(settings) => check_container(&settings.container),
            Self::Rackspace(settings) => {
                check_container(&settings.container)?;
                word("region", &settings.region)?;
                line("user", &settings.user)
            }
            Self::Akamai(settings) => {
                word("account", &settings.account)?;
                word("token_name", &settings.token_name)?;
                plain_host("upload_host", &settings.upload_host)
            }
        }
    }
}

impl S3Settings {
    fn check(&self) -> Result<(), SettingsError> {
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
            Some(id) => word("distribution_id", id),
            None => Ok(()),
        }
    }

    /// Whether the bucket is named in the path and not in the host.
    pub fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some() || self.bucket.contains('.'))
    }
}

fn refused(field: &'static str, why: &str) -> SettingsError {
    SettingsError { field, why: why.to_owned() }
}

fn check_container(name: &str) -> Result<(), SettingsError> {
    if name.is_empty()
        || name.len() > MAX_CONTAINER_BYTES - "_segments".len()
        || name.contains('/')
        || name.chars().any(char::is_control)
        || matches!(name, "." | "..")
    {
        return Err(refused("container", "give at most 247 bytes without `/`"));
    }
    Ok(())
}

/// A path in front of everything would have to be signed as the server sees it, which differs.
fn plain_host(field: &'static str, endpoint: &Endpoint) -> Result<(), SettingsError> {
    match endpoint.base() {
        "" => Ok(()),
        _ => Err(refused(field, "give it without a path")),
    }
}

fn word(field: &'static str, text: &str) -> Result<(), SettingsError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > 128 || !text.bytes().all(plain) {
        return Err(refused(field, "give letters, digits, `-` or `_`"));
    }
    Ok(())
}

fn line(field: &'static str, text: &str) -> Result<(), SettingsError> {
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(refused(field, "give 1 to 256 bytes without control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CloudSettings, String> {
        let settings: CloudSettings =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn settings_of_each_provider_are_read_and_survive() {
        for text in [
            r#"{"provider":"s3","bucket":"packages","region":"eu-central-1"}"#,
            r#"{"provider":"s3","bucket":"p.q","region":"r","endpoint":"https://h:1","prefix":"a/b",
                "cloudfront":{"url":"https://d.cloudfront.net","key_pair_id":"K1"}}"#,
            r#"{"provider":"swift","auth":{"tempauth":{"user":"a:b"}},"auth_url":"https://h/auth",
                "container":"p"}"#,
            r#"{"provider":"swift","auth":{"keystone3_password":{"user":"u","user_domain":"d",
                "project":"p","project_domain":"d"}},"auth_url":"https://h","container":"p",
                "key_scope":"container"}"#,
            r#"{"provider":"rackspace","user":"u","region":"ORD","container":"p"}"#,
            r#"{"provider":"akamai","upload_host":"https://x-nsu.akamaihd.net","account":"u",
                "cp_code":123456,"delivery_url":"https://d.example.org"}"#,
        ] {
            let settings = read(text).unwrap();
            let written = serde_json::to_string(&settings).unwrap();
            assert_eq!(read(&written), Ok(settings));
        }
    }

    #[test]
    fn wrong_settings_are_refused_by_name() {
        let cases = [
            (r#"{"provider":"s3","bucket":"packages","region":"r","account":"x"}"#, "account"),
            (r#"{"provider":"s3","bucket":"a b c","region":"r"}"#, "bucket"),
            (r#"{"provider":"s3","bucket":"Packages","region":"r"}"#, "path_style"),
            (r#"{"provider":"s3","bucket":"packages","region":"r/x"}"#, "region"),
            (
                r#"{"provider":"s3","bucket":"packages","region":"r","endpoint":"http://h"}"#,
                "https",
            ),
            (
                r#"{"provider":"s3","bucket":"packages","region":"r","endpoint":"https://h/p"}"#,
                "path",
            ),
            (
                r#"{"provider":"rackspace","user":"u","region":"ORD","container":"a/b"}"#,
                "container",
            ),
            (r#"{"provider":"gcs"}"#, "gcs"),
        ];
        for (text, named) in cases {
            let error = read(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn buckets_with_dots_are_named_in_the_path() {
        let settings = |text| match read(text).unwrap() {
            CloudSettings::S3(settings) => settings.is_path_style(),
            _ => panic!("{text}"),
        };
        assert!(!settings(r#"{"provider":"s3","bucket":"abc","region":"r"}"#));
        assert!(settings(r#"{"provider":"s3","bucket":"a.c","region":"r"}"#));
        assert!(settings(
            r#"{"provider":"s3","bucket":"abc","region":"r","endpoint":"https://h"}"#
        ));
    }
}
