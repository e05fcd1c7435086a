//! What an administrator sets, by provider. None of it is secret: see [`crate::Secrets`].

mod akamai;
mod folder;
mod point;
mod s3;
mod swift;

use serde::{Deserialize, Serialize};

pub use akamai::AkamaiSettings;
pub use folder::FolderSettings;
pub use point::{Offer, PointSettings, URL_LIFETIME_SECONDS, VERIFY_DAYS, Verify};
pub(crate) use s3::Partition;
pub use s3::{CLOUDFRONT_LARGEST_BYTES, CloudFrontHash, CloudFrontSettings, S3Settings};
pub use swift::{KeyScope, RACKSPACE_TTL_SECONDS, RackspaceSettings, SwiftAuth, SwiftSettings};

use crate::endpoint::Endpoint;
use crate::layout::Prefix;

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
    /// A folder at the root distribution server.
    Folder(FolderSettings),
}

impl CloudSettings {
    /// The provider's word, as settings have it.
    pub const fn provider(&self) -> &'static str {
        match self {
            Self::S3(_) => "s3",
            Self::Swift(_) => "swift",
            Self::Rackspace(_) => "rackspace",
            Self::Akamai(_) => "akamai",
            Self::Folder(_) => "folder",
        }
    }

    /// What everything lies below.
    pub const fn prefix(&self) -> &Prefix {
        match self {
            Self::S3(settings) => &settings.prefix,
            Self::Swift(settings) => &settings.prefix,
            Self::Rackspace(settings) => &settings.prefix,
            Self::Akamai(settings) => &settings.directory,
            Self::Folder(settings) => &settings.prefix,
        }
    }

    /// Whether objects of the one lie where the other looks for them. An address that is written in
    /// another way counts as another place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::S3(a), Self::S3(b)) => {
                (&a.bucket, &a.region, &a.endpoint, &a.prefix)
                    == (&b.bucket, &b.region, &b.endpoint, &b.prefix)
            }
            (Self::Swift(a), Self::Swift(b)) => {
                // Whose key signs decides where segments lie.
                (&a.auth, &a.auth_url, &a.region, &a.container, &a.prefix, a.key_scope)
                    == (&b.auth, &b.auth_url, &b.region, &b.container, &b.prefix, b.key_scope)
            }
            (Self::Rackspace(a), Self::Rackspace(b)) => {
                (&a.auth_url, &a.user, &a.region, &a.container, &a.prefix)
                    == (&b.auth_url, &b.user, &b.region, &b.container, &b.prefix)
            }
            (Self::Akamai(a), Self::Akamai(b)) => {
                (&a.upload_host, a.cp_code, &a.directory)
                    == (&b.upload_host, b.cp_code, &b.directory)
            }
            (Self::Folder(a), Self::Folder(b)) => a.prefix == b.prefix,
            _ => false,
        }
    }

    /// Whether clients can be given addresses there: a folder is the root's own.
    pub const fn is_given_out(&self) -> bool {
        !matches!(self, Self::Folder(_))
    }

    /// Checks what a type alone cannot: names of buckets, containers, regions and keys.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self {
            Self::S3(settings) => settings.check(),
            Self::Swift(settings) => settings.check(),
            Self::Rackspace(settings) => settings.check(),
            Self::Akamai(settings) => settings.check(),
            // A prefix is checked by its type.
            Self::Folder(_) => Ok(()),
        }
    }
}

fn refused(field: &'static str, why: &str) -> SettingsError {
    SettingsError { field, why: why.to_owned() }
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

/// What is sent in a header: visible ASCII, and blanks within.
fn in_header(field: &'static str, text: &str) -> Result<(), SettingsError> {
    line(field, text)?;
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if !is_visible || text.trim() != text {
        let why = "version 1.0 sends it in a header: give letters, digits and signs of ASCII";
        return Err(refused(field, why));
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

    fn swift(auth: &str, more: &str) -> String {
        format!(
            r#"{{"provider":"swift","auth":{auth},"auth_url":"https://h","container":"p"{more}}}"#
        )
    }

    fn keystone(user: &str, user_domain: &str, project: &str, project_domain: &str) -> String {
        format!(
            r#"{{"keystone3_password":{{"user":"{user}","user_domain":"{user_domain}",
                "project":"{project}","project_domain":"{project_domain}"}}}}"#
        )
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
            r#"{"provider":"folder","prefix":"macs"}"#,
        ] {
            let settings = read(text).unwrap();
            assert_eq!(settings.is_given_out(), settings.provider() != "folder");
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
            (r#"{"provider":"folder","path":"/etc"}"#, "path"),
            (r#"{"provider":"folder","prefix":"../etc"}"#, "../etc"),
            (
                r#"{"provider":"s3","bucket":"packages","region":"us-gov-west-1","cloudfront":
                    {"url":"https://d","key_pair_id":"K1","distribution_id":"E1"}}"#,
                "distribution_id",
            ),
            (
                r#"{"provider":"akamai","upload_host":"https://x-nsu.akamaihd.net","account":"u",
                    "cp_code":1,"delivery_url":"https://d.example.org/~files"}"#,
                "delivery_url",
            ),
            (&swift(r#"{"tempauth":{"user":"a\r\nx-b: c"}}"#, ""), "`user`"),
            (&swift(r#"{"tempauth":{"user":"é"}}"#, ""), "`user`"),
            (&swift(r#"{"tempauth":{"user":" a"}}"#, ""), "`user`"),
            (&swift(r#"{"tempauth":{"user":""}}"#, ""), "`user`"),
            (&swift(r#"{"tempauth":{"user":"a"}}"#, r#","region":"a\nb""#), "`region`"),
            (&swift(&keystone("\\n", "d", "p", "d"), ""), "`user`"),
            (&swift(&keystone("u", "\\n", "p", "d"), ""), "`user_domain`"),
            (&swift(&keystone("u", "d", "", "d"), ""), "`project`"),
            (&swift(&keystone("u", "d", "p", "\\u0000"), ""), "`project_domain`"),
            (&swift(r#"{"keystone3_application":{"id":"\t"}}"#, ""), "`id`"),
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
