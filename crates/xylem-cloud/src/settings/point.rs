//! What is set for a point, whichever provider it is of.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xylem_model::merge_patch;

use super::{CloudSettings, SettingsError, refused};
use crate::secret::Secrets;

/// How long a client's address lives where nothing else is set, seconds.
pub const URL_LIFETIME_SECONDS: u64 = 600;
/// Shortest life of a client's address, seconds.
const SHORTEST_URL_LIFETIME: u64 = 60;
/// Longest life of a client's address, seconds: a day.
const LONGEST_URL_LIFETIME: u64 = 86_400;
/// In how many days everything is read back, where nothing else is set.
pub const VERIFY_DAYS: u32 = 30;
/// Most days of these: a year, after which nobody remembers that it is done.
const MOST_VERIFY_DAYS: u32 = 366;
/// Longest certificates of an authority, bytes.
const MAX_CA_BYTES: usize = 32 * 1024;

/// Everything that is set for a point but its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointSettings {
    /// The provider, and where at it.
    pub storage: CloudSettings,
    /// By which authority the provider is believed, in PEM; none: by those that a machine believes.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// How long a client's address lives, seconds.
    #[serde(default = "url_lifetime")]
    pub url_lifetime_seconds: u64,
    /// When clients are sent there.
    #[serde(default)]
    pub offer: Offer,
    /// How much of what is there is read back.
    #[serde(default)]
    pub verify: Verify,
    /// In how many days everything is read back, where all of it is.
    #[serde(default = "verify_days")]
    pub verify_days: u32,
}

/// When clients are sent to a point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// After all distribution servers but before the root.
    BeforeRoot,
    /// After all distribution servers.
    #[default]
    Last,
    /// Not at all.
    Never,
}

/// How much of what is there is read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Everything, again and again.
    All,
    /// Both ends of a content, once it was sent; and all of one that somebody doubts.
    #[default]
    Sample,
}

const fn verify_days() -> u32 {
    VERIFY_DAYS
}

const fn url_lifetime() -> u64 {
    URL_LIFETIME_SECONDS
}

impl PointSettings {
    /// Reads settings from JSON and checks them.
    ///
    /// # Errors
    /// The first setting that cannot be used, or that this provider has not got.
    pub fn read(value: Value) -> Result<Self, SettingsError> {
        let settings: Self = serde_json::from_value(value)
            .map_err(|error| refused("storage", &error.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// These settings with a change, as a JSON merge patch (RFC 7396): what is not named stays,
    /// `null` brings back the first value. A change of the provider is none: it is another point.
    ///
    /// # Errors
    /// As [`PointSettings::read`].
    pub fn changed(&self, patch: &Value) -> Result<Self, SettingsError> {
        let mut merged =
            serde_json::to_value(self).map_err(|error| refused("storage", &error.to_string()))?;
        merge_patch(&mut merged, patch);
        let changed = Self::read(merged)?;
        if changed.storage.provider() != self.storage.provider() {
            return Err(refused("provider", "a point keeps its provider: set another point"));
        }
        Ok(changed)
    }

    fn check(&self) -> Result<(), SettingsError> {
        self.storage.check()?;
        if !(SHORTEST_URL_LIFETIME..=LONGEST_URL_LIFETIME).contains(&self.url_lifetime_seconds) {
            return Err(refused("url_lifetime_seconds", "give a number from 60 to 86400"));
        }
        if !(1..=MOST_VERIFY_DAYS).contains(&self.verify_days) {
            return Err(refused("verify_days", "give a number from 1 to 366"));
        }
        match &self.ca_pem {
            Some(_) if !self.storage.is_given_out() => {
                Err(refused("ca_pem", "leave it out: the root reaches its folder without TLS"))
            }
            Some(pem) if pem.len() > MAX_CA_BYTES => {
                Err(refused("ca_pem", "give the authority's certificates alone, at most 32 KiB"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that keys are of the same provider and that none is lacking.
    ///
    /// # Errors
    /// What does not fit, without any key.
    pub fn check_keys(&self, keys: &Secrets) -> Result<(), SettingsError> {
        match (&self.storage, keys) {
            (CloudSettings::S3(settings), Secrets::S3(keys)) => {
                match (&settings.cloudfront, &keys.cloudfront_key) {
                    (Some(_), None) => {
                        Err(refused("cloudfront_key", "give the private key of CloudFront too"))
                    }
                    (None, Some(_)) => {
                        Err(refused("cloudfront", "a key was given for it: give its settings too"))
                    }
                    _ => Ok(()),
                }
            }
            (CloudSettings::Swift(settings), Secrets::Swift(keys)) => {
                settings.check_password(keys.password.reveal())
            }
            (CloudSettings::Rackspace(_), Secrets::Swift(_))
            | (CloudSettings::Akamai(_), Secrets::Akamai(_))
            | (CloudSettings::Folder(_), Secrets::Folder(_)) => Ok(()),
            _ => Err(refused("keys", "they are another provider's")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn s3() -> PointSettings {
        PointSettings::read(json!({
            "storage": { "provider": "s3", "bucket": "packages", "region": "r", "prefix": "a" },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_first_value() {
        let settings = s3();
        assert_eq!((settings.url_lifetime_seconds, &settings.ca_pem), (600, &None));
        assert_eq!(settings.offer, Offer::Last);
        assert_eq!((settings.verify, settings.verify_days), (Verify::Sample, VERIFY_DAYS));
        let again = PointSettings::read(serde_json::to_value(&settings).unwrap());
        assert_eq!(again, Ok(settings));
    }

    #[test]
    fn a_change_names_what_changes() {
        let patch = json!({ "offer": "never", "verify": "all", "verify_days": 7, "storage": { "bucket": "others", "prefix": null } });
        let changed = s3().changed(&patch).unwrap();
        assert_eq!(changed.offer, Offer::Never);
        assert_eq!((changed.verify, changed.verify_days), (Verify::All, 7));
        let CloudSettings::S3(changed) = changed.storage else { panic!() };
        assert_eq!((changed.bucket.as_str(), changed.prefix.as_str()), ("others", ""));
        let cases = [
            (json!({ "storage": { "account": "x" } }), "account"),
            (json!({ "url_lifetime_seconds": 5 }), "url_lifetime_seconds"),
            (json!({ "offer": "sometimes" }), "before-root"),
            (json!({ "verify": "half" }), "sample"),
            (json!({ "verify_days": 0 }), "verify_days"),
            (json!({ "verify_days": 367 }), "verify_days"),
            (json!({ "unknown": 5 }), "unknown"),
            (json!({ "ca_pem": "x".repeat(MAX_CA_BYTES + 1) }), "ca_pem"),
            (json!({ "storage": null }), "storage"),
        ];
        for (patch, named) in cases {
            let error = s3().changed(&patch).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let other = json!({ "storage": { "provider": "rackspace", "user": "u", "region": "ORD",
            "container": "c", "bucket": null, "path_style": null, "endpoint": null,
            "cloudfront": null } });
        let error = s3().changed(&other).unwrap_err().to_string();
        assert!(error.contains("another point"), "{error}");
    }

    #[test]
    fn keys_fit_their_settings() {
        let keys = |text| serde_json::from_str::<Secrets>(text).unwrap();
        let plain = keys(r#"{"provider":"s3","key_id":"k","secret":"s"}"#);
        assert_eq!(s3().check_keys(&plain), Ok(()));
        let edge = keys(r#"{"provider":"s3","key_id":"k","secret":"s","cloudfront_key":"c"}"#);
        assert_eq!(s3().check_keys(&edge).unwrap_err().field, "cloudfront");
        let cloudfront = json!({ "url": "https://d.cloudfront.net", "key_pair_id": "K1" });
        let with = s3().changed(&json!({ "storage": { "cloudfront": cloudfront } })).unwrap();
        assert_eq!(with.check_keys(&plain).unwrap_err().field, "cloudfront_key");
        assert_eq!(with.check_keys(&edge), Ok(()));
        let other = keys(r#"{"provider":"swift","password":"p"}"#);
        assert_eq!(s3().check_keys(&other).unwrap_err().field, "keys");
    }

    #[test]
    fn a_password_that_is_sent_in_a_header_fits_there() {
        let point = |auth: Value| {
            PointSettings::read(json!({ "storage": { "provider": "swift", "auth": auth,
                "auth_url": "https://h", "container": "p" } }))
            .unwrap()
        };
        let tempauth = point(json!({ "tempauth": { "user": "a:b" } }));
        let keystone = point(json!({ "keystone3_application": { "id": "i" } }));
        for (password, fits) in [("p w", true), ("planted é", false), ("planted ", false)] {
            let keys = json!({ "provider": "swift", "password": password });
            let keys: Secrets = serde_json::from_value(keys).unwrap();
            assert_eq!(keystone.check_keys(&keys), Ok(()));
            let told = tempauth.check_keys(&keys);
            assert_eq!(told.is_ok(), fits, "{password}");
            assert!(!format!("{told:?}").contains("planted"));
        }
    }
}
