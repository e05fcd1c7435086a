//! What a managed Mac says and hears.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{ComputerId, OrderId, Timestamp};
use xylem_trust::Envelope;

use crate::authorities::{Authorities, Believing};
use crate::catalogue::Sources;

/// `POST /v1/agent/check-in`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckIn {
    /// Version of the agent.
    pub program_version: String,
    /// Operating system and version.
    pub os: String,
    /// Processor architecture.
    pub architecture: String,
    /// Bytes free on the target.
    pub free_bytes: u64,
    /// Which certificate authorities it believes.
    #[serde(default)]
    pub believing: Option<Believing>,
}

/// The answer to a check-in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckInAnswer {
    /// The signed trust document in force.
    #[schema(value_type = Object)]
    pub trust: Envelope,
    /// The signed orders of this computer.
    #[schema(value_type = Object)]
    pub orders: Envelope,
    /// Where to fetch what each order names, in the orders' order.
    pub sources: Vec<Sources>,
    /// When to come back, in seconds.
    pub next_check_in_seconds: u64,
    /// Which certificate authorities count.
    #[serde(default)]
    pub authorities: Option<Authorities>,
}

/// `POST /v1/agent/orders/{id}/report` and the `report` of an order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderReport {
    /// One of the result words: `installed`, `no-space`, `download-failed`, `hash-mismatch`,
    /// `untrusted`, `refused`, `installer-failed`, `timeout`, …
    pub result: String,
    /// A sentence for a person.
    pub message: String,
    /// One row for each place that was tried.
    pub attempts: Vec<FetchAttempt>,
    /// What the installer did; its receipts before and after, scripts not run, log.
    #[schema(value_type = Object)]
    pub install: serde_json::Value,
    /// When work began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub finished_at: Timestamp,
}

/// What the cloud distribution point is called where others are distribution servers' names.
pub const CLOUD_SOURCE: &str = "the cloud";

/// How the failure of a try begins whose bytes, or whose number of bytes, were not those of the file:
/// agents of every version say it so, and whoever keeps the place may have it looked at.
pub const WRONG_BYTES: &str = "the file is not the published one";

/// One try to fetch from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchAttempt {
    /// The distribution server's name, or [`CLOUD_SOURCE`].
    pub source: String,
    /// Where in the file it began.
    pub from: u64,
    /// Bytes received.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it ended before the end of the file.
    pub failure: Option<String>,
}

impl FetchAttempt {
    /// Whether it was the cloud distribution point that was asked.
    pub fn is_of_cloud(&self) -> bool {
        self.source == CLOUD_SOURCE
    }

    /// Whether other bytes came, or were offered, than those of the file.
    pub fn is_of_wrong_bytes(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.starts_with(WRONG_BYTES))
    }
}

/// `POST /v1/computers/{name}/orders`: install a package.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The package's name.
    pub package: String,
    /// Whether the version that waits to be promoted is meant, and not the one in production.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// An order as the administrator sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OrderInfo {
    /// The order.
    #[schema(value_type = String, format = Uuid)]
    pub id: OrderId,
    /// The computer's name.
    pub computer: String,
    /// The package's name.
    pub package: String,
    /// Its version in the catalogue.
    pub version: u64,
    /// Where it stands.
    pub state: OrderState,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What the computer reported.
    pub report: Option<OrderReport>,
}

/// The states of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrderState {
    /// Taken back.
    Cancelled,
    /// Carried out.
    Done,
    /// The computer could not; the report says why.
    Failed,
    /// Waits for the computer's check-in.
    Pending,
}

/// A managed Mac as the administrator sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Computer {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: ComputerId,
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: Option<String>,
    /// Hardware serial number.
    pub serial_number: Option<String>,
    /// Operating system and version.
    pub os: Option<String>,
    /// Version of the agent.
    pub program_version: Option<String>,
    /// When it was enrolled.
    #[schema(value_type = String, format = DateTime)]
    pub enrolled_at: Timestamp,
    /// When it last checked in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
}
