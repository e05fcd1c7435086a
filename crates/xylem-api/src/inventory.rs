//! What a distribution server says of its machine.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::Timestamp;

/// A distribution server's machine. What the system does not say is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inventory {
    /// The name of the machine.
    #[serde(default)]
    pub host_name: Option<String>,
    /// Its addresses, but those of itself and of its links.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    /// Its operating system.
    #[serde(default)]
    pub os: Option<String>,
    /// The version of that.
    #[serde(default)]
    pub os_version: Option<String>,
    /// Processor architecture.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Processor cores.
    #[serde(default)]
    pub cores: Option<u64>,
    /// Bytes of memory.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Bytes of the file system that content is on.
    #[serde(default)]
    pub disk_bytes: Option<u64>,
    /// For how long the machine has been up, in seconds.
    #[serde(default)]
    pub uptime_seconds: Option<u64>,
    /// Since when the program runs.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started: Option<Timestamp>,
    /// The machine's clock as the report was written.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub clock: Option<Timestamp>,
    /// By how much that clock is ahead of the management server's, in milliseconds, as the
    /// management server found: the way of the report included.
    #[serde(default)]
    pub clock_ahead_ms: Option<i64>,
}
