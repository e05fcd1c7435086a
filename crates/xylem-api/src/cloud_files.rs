//! What lies at the cloud distribution point and what it takes: below
//! `/v1/cloud-distribution-point`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use xylem_model::{ContentId, FileName, Timestamp};

use crate::selection::SelectionRule;

/// Where a content stands at the cloud distribution point: the words of any placement, and
/// `removing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudFileState {
    /// It is to be sent.
    Wanted,
    /// It is to be sent, and nothing is before the ceiling of the month counts anew.
    Queued,
    /// Parts of it are on their way.
    Transferring,
    /// All of it arrived, and is being asked after and read back in part.
    Verifying,
    /// It is there, and offered to computers.
    Present,
    /// It could not be sent; `reason` and `next_try` say more.
    Failed,
    /// It is being deleted there.
    Removing,
}

/// One content at the cloud distribution point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudFile {
    /// Its content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// What it was called when it was last wanted.
    #[schema(value_type = String)]
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
    /// Where it stands.
    pub state: CloudFileState,
    /// Bytes of it that arrived.
    pub arrived: u64,
    /// Since when it stands there.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Why it failed, or was lost.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it is tried again.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try: Option<Timestamp>,
    /// Since when it is not wanted any more; it is deleted when its grace is over.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unwanted_since: Option<Timestamp>,
    /// When it was last found there as it is to be.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub looked_at: Option<Timestamp>,
    /// When it was last read back whole, since it is there, and found right.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
    /// Since when it is to be read back because a computer found other bytes there.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub doubted_at: Option<Timestamp>,
}

/// `GET /v1/cloud-distribution-point/files`: a page, in the order of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudFilePage {
    /// The contents.
    pub items: Vec<CloudFile>,
    /// What to give as `after` for the next page; none at the end.
    #[schema(value_type = Option<String>)]
    pub next: Option<ContentId>,
}

/// How much is in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudFileCount {
    /// The state.
    pub state: CloudFileState,
    /// Contents in it.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of them that arrived.
    pub arrived: u64,
}

/// How far the cloud distribution point is, and why it stands still if it does: a part of
/// `GET /v1/cloud-distribution-point`, and the answer to what changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudProgress {
    /// What was chosen for it; none: everything.
    #[serde(default)]
    pub selection: Option<Vec<SelectionRule>>,
    /// How much is in which state; states without contents are left out.
    pub counts: Vec<CloudFileCount>,
    /// Whether an administrator has it stand still.
    pub paused: bool,
    /// Why nothing succeeds there, until somebody mends it.
    #[serde(default)]
    pub broken: Option<CloudBroken>,
    /// How many bytes are sent and read back in a calendar month (UTC) at most; none: nothing bounds
    /// them.
    #[serde(default)]
    pub month_ceiling_bytes: Option<u64>,
    /// Until when nothing is sent because that is reached.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ceiling_until: Option<Timestamp>,
    /// When the last inventory began.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_inventory: Option<Timestamp>,
}

/// Why nothing succeeds at the cloud distribution point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudBroken {
    /// What was attempted, why not, what to do.
    pub message: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When one request tries again.
    #[schema(value_type = String, format = DateTime)]
    pub next_try: Timestamp,
}

/// `PUT /v1/cloud-distribution-point/ceiling`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCloudCeiling {
    /// How many bytes are sent and read back in a calendar month (UTC) at most; none: nothing bounds
    /// them.
    #[serde(default)]
    pub month_ceiling_bytes: Option<u64>,
}

/// `GET /v1/cloud-distribution-point/usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudUsageReport {
    /// The months, the latest first.
    pub months: Vec<CloudMonth>,
    /// How many bytes are sent and read back in a month at most.
    #[serde(default)]
    pub month_ceiling_bytes: Option<u64>,
}

/// What the cloud distribution point was used for in a calendar month (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudMonth {
    /// The month: `2026-01`.
    pub month: String,
    /// Bytes that were sent there.
    pub sent_bytes: u64,
    /// Bytes that were read back to verify them.
    pub read_back_bytes: u64,
    /// Bytes that computers told to have fetched there: an estimate of what the provider counts.
    pub told_by_agents_bytes: u64,
    /// Requests that wrote or deleted.
    pub write_requests: u64,
    /// Requests that read or asked.
    pub read_requests: u64,
    /// Requests that listed.
    pub list_requests: u64,
}

/// `GET` and `POST /v1/cloud-distribution-point/inventory`: whether everything there is being
/// looked through, and what that found last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudInventoryState {
    /// When one was asked for that was not begun yet.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub asked_at: Option<Timestamp>,
    /// When the one under way began.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub running_since: Option<Timestamp>,
    /// The last one that ended since the management server was started.
    #[serde(default)]
    pub last: Option<CloudInventory>,
}

/// What an inventory found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudInventory {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub ended_at: Timestamp,
    /// Why it was given up; what was found before counts.
    #[serde(default)]
    pub failed: Option<String>,
    /// What was found, where it was not given up.
    #[serde(default)]
    pub found: Option<CloudInventoryFound>,
}

/// The numbers of an inventory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudInventoryFound {
    /// Objects of ours.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents that are as they are to be.
    pub good: u64,
    /// Contents that are gone, and are sent again.
    pub lost: u64,
    /// Contents whose object somebody else wrote; it is deleted, and they are sent again.
    pub changed: u64,
    /// Objects of our form that are remembered nowhere.
    pub unknown: u64,
    /// Those of them that were deleted, being older than the grace.
    pub deleted: u64,
    /// Objects of others, which are left alone.
    pub foreign: u64,
}

/// `POST /v1/cloud-distribution-point/estimate`; a `GET` of it takes the three numbers. It can be
/// asked before a point is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCloudEstimate {
    /// Settings, as to be set; those of the point that is set where left out, or else of S3.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub storage: Option<Value>,
    /// What would be chosen; the selection of the point that is set where left out, or everything.
    #[serde(default)]
    pub rules: Option<Vec<SelectionRule>>,
    /// How fast it would be sent, bytes per second.
    #[serde(default)]
    pub rate_bytes_per_second: Option<u64>,
    /// Computers that would fetch everything there once.
    #[serde(default)]
    pub devices: Option<u64>,
    /// What a GiB costs that is fetched there, in whichever currency.
    #[serde(default)]
    pub price_per_gib: Option<f64>,
}

/// What a cloud distribution point would take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CloudEstimate {
    /// Contents: two names of one are one object.
    pub contents: u64,
    /// Their bytes: what is sent, and what is kept there.
    pub bytes: u64,
    /// The largest of them.
    pub largest_bytes: u64,
    /// Contents that the provider does not take, being too large. They are in no other number.
    pub too_large: u64,
    /// Requests that write while it is filled.
    pub write_requests: u64,
    /// Requests that read or ask while it is filled.
    pub read_requests: u64,
    /// The rate that was given, bytes per second.
    #[serde(default)]
    pub rate_bytes_per_second: Option<u64>,
    /// How long filling takes at that rate.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// The number of computers that was given.
    #[serde(default)]
    pub devices: Option<u64>,
    /// What these computers fetch there, if each fetches everything once.
    #[serde(default)]
    pub egress_bytes: Option<u64>,
    /// The price that was given.
    #[serde(default)]
    pub price_per_gib: Option<f64>,
    /// What that costs, by the price that was given.
    #[serde(default)]
    pub egress_price: Option<f64>,
}

impl CloudFileState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Queued => "queued",
            Self::Transferring => "transferring",
            Self::Verifying => "verifying",
            Self::Present => "present",
            Self::Failed => "failed",
            Self::Removing => "removing",
        }
    }
}

impl fmt::Display for CloudFileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
