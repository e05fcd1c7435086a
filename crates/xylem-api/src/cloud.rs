//! The cloud distribution point: `/v1/cloud-distribution-point`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use xylem_model::{CloudPointId, Timestamp};

use crate::cloud_files::{CloudFileCount, CloudProgress};

/// Keys of a provider on their way to the server, which never gives them out again. They are
/// printed nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CloudKeys(pub Value);

impl fmt::Debug for CloudKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudKeys(…)")
    }
}

/// `PUT /v1/cloud-distribution-point`: sets the one point. It is tested first, and stored only
/// where every step succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCloud {
    /// `provider` (`s3`, `swift`, `rackspace`, `akamai`, `folder`) and that provider's own settings.
    #[schema(value_type = Object)]
    pub storage: Value,
    /// `provider` (`s3`, `swift`, `akamai`, `folder`) and that provider's own keys.
    #[schema(value_type = Object)]
    pub keys: CloudKeys,
    /// By which authority the provider is believed, in PEM; none: by those that the management
    /// server's machine believes.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// How long a client's address lives; 600 where left out.
    #[serde(default)]
    pub url_lifetime_seconds: Option<u64>,
    /// When clients are sent there; last where left out.
    #[serde(default)]
    pub offer: Option<CloudOffer>,
    /// How much of what is there is read back; both ends of each file once where left out.
    #[serde(default)]
    pub verify: Option<CloudVerify>,
    /// In how many days everything is read back, where all of it is: 1 to 366; 30 where left out.
    #[serde(default)]
    pub verify_days: Option<u32>,
    /// Whether it takes the place of the point that is there, which is being left from then on.
    #[serde(default)]
    pub replace: bool,
    /// Whether what lies there already is taken over: objects of another catalogue, or of nobody
    /// knows which. Without it they are refused.
    #[serde(default)]
    pub adopt: bool,
}

impl SetCloud {
    /// A point with everything else left out.
    pub const fn new(storage: Value, keys: CloudKeys) -> Self {
        Self {
            storage,
            keys,
            ca_pem: None,
            url_lifetime_seconds: None,
            offer: None,
            verify: None,
            verify_days: None,
            replace: false,
            adopt: false,
        }
    }
}

/// When clients are sent to the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudOffer {
    /// After all distribution servers but before the root, which is spared so.
    BeforeRoot,
    /// After all distribution servers.
    #[default]
    Last,
    /// Not at all: it is filled, and stands by.
    Never,
}

impl fmt::Display for CloudOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeRoot => "before-root",
            Self::Last => "last",
            Self::Never => "never",
        })
    }
}

/// How much of what is in the cloud is read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudVerify {
    /// Everything, again and again in so many days.
    All,
    /// Both ends of a file once it was sent, and all of one in which a computer found other bytes.
    #[default]
    Sample,
}

impl fmt::Display for CloudVerify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Sample => "sample",
        })
    }
}

/// `PATCH /v1/cloud-distribution-point`. It is tested first with what it would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCloud {
    /// The revision that this is based on: where another is the newest, nothing is changed.
    pub revision: u64,
    /// A change of `storage`, `ca_pem`, `url_lifetime_seconds`, `offer`, `verify` and `verify_days`, as a
    /// JSON merge patch (RFC 7396): what is left out stays, `null` brings back the first value.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Value>,
    /// Other keys, all of them.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub keys: Option<CloudKeys>,
    /// Whether what lies there already is taken over, as with [`SetCloud::adopt`].
    #[serde(default)]
    pub adopt: bool,
}

/// `GET /v1/cloud-distribution-point`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudState {
    /// The point that is set.
    pub point: Option<CloudPoint>,
    /// The point before it, while it is being left.
    pub former: Option<CloudPoint>,
    /// How far the point that is set is, and why it stands still if it does.
    #[serde(default)]
    pub progress: Option<CloudProgress>,
    /// How far the former one is on its way out.
    #[serde(default)]
    pub leaving: Option<CloudLeaving>,
}

/// How far a point is on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudLeaving {
    /// Since when it is being left.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Since when computers are sent there no more; none while they are, for what the new one lacks.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub left_at: Option<Timestamp>,
    /// What becomes of its objects; none until that is said, and they stay until then.
    pub objects: Option<CloudObjects>,
    /// How much is there, and how much of that is being removed.
    pub counts: Vec<CloudFileCount>,
    /// Contents that are wanted at the new one and are not there yet.
    pub lacking: u64,
    /// Their bytes.
    pub lacking_bytes: u64,
    /// When it is forgotten at the earliest: until then addresses that computers have are good, or what
    /// was being sent there may arrive.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// What holds it at present, as it was last looked at.
    pub holds: Option<String>,
}

/// What becomes of the objects of a point that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudObjects {
    /// They are deleted, and nobody else's.
    Deleted,
    /// They stay.
    Kept,
}

/// The answer to `DELETE /v1/cloud-distribution-point`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudRemoval {
    /// How far it is on its way out; none where it was forgotten at once.
    pub leaving: Option<CloudLeaving>,
    /// What stays at the provider of a point that was forgotten at once.
    pub stays: Option<CloudStays>,
}

/// What stays at a provider, as far as it was known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudStays {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads that were begun, and neither ended nor aborted: some providers charge for them.
    pub uploads: u64,
}

/// The query of `DELETE /v1/cloud-distribution-point`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveCloud {
    /// The former one, which is being left, and not the one that is set.
    pub former: bool,
    /// Its objects are deleted, and nobody else's.
    pub delete_objects: bool,
    /// It is forgotten at once, and nothing is asked of the provider.
    pub forget: bool,
}

/// A cloud distribution point, without its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudPoint {
    /// Which.
    #[schema(value_type = String, format = Uuid)]
    pub id: CloudPointId,
    /// `provider` and that provider's own settings.
    #[schema(value_type = Object)]
    pub storage: Value,
    /// By which authority the provider is believed, in PEM.
    pub ca_pem: Option<String>,
    /// How long a client's address lives.
    pub url_lifetime_seconds: u64,
    /// When clients are sent there.
    #[serde(default)]
    pub offer: CloudOffer,
    /// How much of what is there is read back.
    #[serde(default)]
    pub verify: CloudVerify,
    /// In how many days everything is read back, where all of it is.
    #[serde(default = "verify_days")]
    pub verify_days: u32,
    /// When its keys were set.
    #[schema(value_type = String, format = DateTime)]
    pub keys_set_at: Timestamp,
    /// How often settings or keys were changed, from 1.
    pub revision: u64,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When settings or keys were last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// What its last test found.
    #[serde(default)]
    pub last_test: Option<CloudTest>,
    /// Whether it is the principal: files enter at the root, and are in the catalogue once they are
    /// there. For tools of the original this is `master`.
    #[serde(default)]
    pub is_principal: bool,
}

/// `POST /v1/cloud-distribution-point/make-principal`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MakeCloudPrincipal {
    /// Whether it is first filled with everything, whatever was chosen for it. Asking again goes on.
    pub fill: bool,
}

/// The answer to [`MakeCloudPrincipal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudMadePrincipal {
    /// Whether it is the principal now. Where not, it is being filled.
    pub done: bool,
    /// Contents that it has yet to get.
    pub missing: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// The names of some files that are missing.
    pub files: Vec<String>,
    /// Why it does not go on by itself, where it does not.
    #[serde(default)]
    pub waits: Option<String>,
    /// How often the root or the principal was moved.
    pub root_epoch: u64,
}

/// What an older server does not say.
const fn verify_days() -> u32 {
    30
}

/// What a test of a cloud distribution point found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudTest {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Whether no step failed.
    pub passed: bool,
    /// The steps, in their order.
    pub steps: Vec<CloudTestStep>,
}

/// One step of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudTestStep {
    /// What was tried: `write`, `read`, …
    pub name: String,
    /// What came of it.
    pub outcome: CloudStepOutcome,
    /// How long it took.
    pub took_ms: u64,
    /// Why it failed and what to do; or what is worth knowing.
    #[serde(default)]
    pub message: Option<String>,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudStepOutcome {
    /// It did not go as it should.
    Failed,
    /// It went as it should.
    Passed,
    /// It was not tried: an earlier one failed, or the provider has no such thing.
    Skipped,
}

impl fmt::Display for CloudStepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Passed => "passed",
            Self::Skipped => "skipped",
        })
    }
}

/// `POST /v1/cloud-distribution-point/policy`: what keys would have to be allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCloudPolicy {
    /// Settings, as to be set; those of the point that is set where left out.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub storage: Option<Value>,
}

/// The least rights of the keys, to be pasted at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudPolicy {
    /// The policy; for providers that have no such form, what is to be allowed, as a sentence.
    pub policy: String,
    /// A rule of the bucket's lifecycle that removes what nobody ended: a second net.
    #[serde(default)]
    pub lifecycle: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_printed_nowhere() {
        let keys = || CloudKeys(json!({ "provider": "s3", "secret": "planted" }));
        let set = SetCloud::new(json!({ "provider": "s3" }), keys());
        let change = ChangeCloud { keys: Some(keys()), ..ChangeCloud::default() };
        assert!(!format!("{set:?} {change:?}").contains("planted"));
    }
}
