//! What an administrator decides of one distribution server, and the server itself keeps to.
//!
//! One type from the console to the disk of the server: the API shows it, the database stores it as
//! JSON, the control link carries it. A setting that is added here is there everywhere; a program
//! of another version leaves out, or ignores, what it does not know.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xylem_model::{ParentPolicy, merge_patch};

use crate::RateLimits;

/// The settings of a distribution server that it acts on itself. What is left out has its first
/// value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerSettings {
    /// In which order it asks its parents.
    pub parent_policy: ParentPolicy,
    /// Whether a Mac may read what is published there by showing its certificate. Where not, it
    /// needs a ticket, or an account's password. Between servers certificates always count.
    pub client_certificates: bool,
    /// Whether anybody may read what is published there, without saying who they are.
    pub open_to_all: bool,
    /// Whether nothing new is to come to it, and no client is to be sent to it, for the time being.
    /// What is under way is finished.
    pub maintenance: bool,
    /// How fast bytes may go.
    pub rates: RateLimits,
    /// How often it asks the management server whether something changed, in seconds, should no
    /// event have told it.
    pub check_in_seconds: u32,
    /// How long content that is no longer wanted stays, in seconds. On the root it stays for at
    /// least 30 days: from there a deletion is undone.
    pub keep_unwanted_seconds: u32,
    /// Whether what it lacks and no other server gives is fetched from the cloud distribution point.
    pub fill_from_cloud: bool,
    /// Who certifies it to browsers and other clients; none: the built-in authority.
    pub acme: Option<AcmeSettings>,
}

/// An ACME authority (RFC 8555).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AcmeSettings {
    /// Its directory: `https://HOST/PATH`.
    pub directory: String,
    /// An address of mail for it to write to, or nothing.
    pub contact: String,
    /// The root certificate in PEM by which the directory is believed; none: what the server's
    /// machine believes.
    pub ca_pem: Option<String>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            parent_policy: ParentPolicy::default(),
            client_certificates: true,
            open_to_all: false,
            maintenance: false,
            rates: RateLimits::default(),
            check_in_seconds: 60,
            keep_unwanted_seconds: 24 * 3600,
            fill_from_cloud: false,
            acme: None,
        }
    }
}

/// Settings that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is no such setting.
    #[error("`{0}` is no setting of a distribution server")]
    Unknown(String),
    /// A value means nothing there.
    #[error("the settings cannot be read: {0}")]
    Meaningless(String),
    /// A number is outside of its limits.
    #[error("{what} is {given}; it must be from {least} to {most}")]
    OutOfRange {
        /// What.
        what: &'static str,
        /// What it was to be.
        given: u64,
        /// The least it can be.
        least: u64,
        /// The most it can be.
        most: u64,
    },
}

/// Bytes of an address on the web or of mail.
const MAX_URL_BYTES: usize = 500;

/// Bytes of a root certificate in PEM.
const MAX_ROOT_BYTES: usize = 8 << 10;

/// Between two questions whether something changed: 15 seconds to a day.
const CHECK_IN_SECONDS: (u32, u32) = (15, 24 * 3600);

/// How long unwanted content can stay: up to a year.
const KEEP_UNWANTED_SECONDS: (u32, u32) = (0, 365 * 24 * 3600);

impl ServerSettings {
    /// How often it asks whether something changed.
    pub fn check_in(&self) -> Duration {
        Duration::from_secs(self.check_in_seconds.into())
    }

    /// How long unwanted content stays on a server that is not the root.
    pub fn keep_unwanted(&self) -> Duration {
        Duration::from_secs(self.keep_unwanted_seconds.into())
    }

    /// These settings with a change, as a JSON merge patch (RFC 7396): what is not named stays,
    /// `null` brings back the first value.
    ///
    /// # Errors
    /// For a setting that does not exist, and for values that cannot be; then none is changed.
    pub fn changed(&self, patch: &Value) -> Result<Self, SettingsError> {
        let meaningless = |error: serde_json::Error| SettingsError::Meaningless(error.to_string());
        let mut merged = serde_json::to_value(self).map_err(meaningless)?;
        merge_patch(&mut merged, patch);
        let changed: Self = serde_json::from_value(merged).map_err(meaningless)?;
        let known = serde_json::to_value(&changed).map_err(meaningless)?;
        if let Some(unknown) = unknown(patch, &known, "") {
            return Err(SettingsError::Unknown(unknown.chars().take(100).collect()));
        }
        changed.check()?;
        Ok(changed)
    }

    /// Whether these settings can be.
    ///
    /// # Errors
    /// Where a number is outside of its limits.
    pub fn check(&self) -> Result<(), SettingsError> {
        let seconds = |what, given: u32, (least, most): (u32, u32)| {
            in_range(what, given.into(), least.into(), most.into())
        };
        seconds("the seconds between two check-ins", self.check_in_seconds, CHECK_IN_SECONDS)?;
        seconds(
            "the seconds for which unwanted content stays",
            self.keep_unwanted_seconds,
            KEEP_UNWANTED_SECONDS,
        )?;
        if let Some(acme) = &self.acme {
            acme.check()?;
        }
        self.rates.check()
    }
}

impl AcmeSettings {
    fn check(&self) -> Result<(), SettingsError> {
        let meaningless = |what: &str| Err(SettingsError::Meaningless(what.to_owned()));
        let is_url = self
            .directory
            .strip_prefix("https://")
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic()));
        if !is_url || self.directory.len() > MAX_URL_BYTES {
            return meaningless("the directory of an ACME authority is https://HOST/PATH");
        }
        if !self.contact.is_empty() && !self.contact.contains('@')
            || self.contact.len() > MAX_URL_BYTES
        {
            return meaningless("the contact of an ACME authority is an address of mail");
        }
        match &self.ca_pem {
            Some(pem) if !pem.contains("BEGIN CERTIFICATE") || pem.len() > MAX_ROOT_BYTES => {
                meaningless("the root of an ACME authority is one certificate in PEM")
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn in_range(
    what: &'static str,
    given: u64,
    least: u64,
    most: u64,
) -> Result<(), SettingsError> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(SettingsError::OutOfRange { what, given, least, most }),
    }
}

/// The name of a field of `given` that `known` has not got: one that was not understood.
fn unknown(given: &Value, known: &Value, place: &str) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(key, value)| {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            match known.get(key) {
                Some(known) => unknown(value, known, &place),
                // A field that is null has been taken out, which is what was wanted.
                None => (!value.is_null()).then_some(place),
            }
        }),
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).find_map(|(given, known)| unknown(given, known, place))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(patch: &Value) -> String {
        ServerSettings::default().changed(patch).unwrap_err().to_string()
    }

    #[test]
    fn a_change_leaves_the_rest_and_null_brings_back_the_first_value() {
        let first = ServerSettings::default();
        let changed = first
            .changed(&json!({"maintenance": true, "rates": {"to_clients": {"server":
                {"bytes_per_second": 5000}}}}))
            .unwrap();
        assert!(changed.maintenance && changed.client_certificates);
        let more = json!({"check_in_seconds": 15, "maintenance": null, "rates": {"to_children":
            {"link": {"bytes_per_second": 9000}}}});
        let changed = changed.changed(&more).unwrap();
        assert_eq!((changed.maintenance, changed.check_in_seconds), (false, 15));
        let rate = |rate: &Option<crate::WeeklyRate>| rate.as_ref().unwrap().bytes_per_second;
        assert_eq!(rate(&changed.rates.to_clients.server), Some(5000));
        assert_eq!(rate(&changed.rates.to_children.link), Some(9000));
        assert_eq!(changed.changed(&json!({"rates": null})).unwrap().rates, RateLimits::default());
        assert_eq!(first.changed(&json!({})).unwrap(), first);
    }

    #[test]
    fn what_does_not_exist_or_cannot_be_is_refused_by_name() {
        assert!(refused(&json!({"colour": "red"})).contains("`colour`"));
        let deep = json!({"rates": {"to_clients": {"sever": {}}}});
        assert!(refused(&deep).contains("`rates.to_clients.sever`"), "{}", refused(&deep));
        let window = json!({"days": ["monday"], "from": "08:00", "to": "09:00", "rate": 5});
        let deeper = json!({"rates": {"to_clients": {"server": {"windows": [window]}}}});
        assert!(refused(&deeper).contains("windows.rate"), "{}", refused(&deeper));
        assert!(refused(&json!({"check_in_seconds": 5})).contains("from 15 to 86400"));
        assert!(refused(&json!({"maintenance": "yes"})).contains("expected a boolean"));
        assert!(refused(&json!({"rates": {"time_zone": "Nowhere"}})).contains("Europe/Lisbon"));
        let none = json!({"rates": {"to_clients": {"server": {"bytes_per_second": 0}}}});
        assert!(refused(&none).contains("from 1024"), "{}", refused(&none));
        let none = json!({"rates": {"to_cloud": {"link": {"bytes_per_second": 0}}}});
        assert!(refused(&none).contains("from 1024"), "{}", refused(&none));
        assert!(
            refused(&json!({"rates": {"to_clients": {"class": {"huge": {}}}}})).contains("huge")
        );
        assert!(refused(&json!([1])).contains("cannot be read"));
    }

    #[test]
    fn settings_of_another_version_are_read() {
        let other = json!({"maintenance": true, "added_later": {"x": 1}});
        let read: ServerSettings = serde_json::from_value(other).unwrap();
        assert!(read.maintenance);
        assert_eq!(read.check_in_seconds, 60);
    }
}
