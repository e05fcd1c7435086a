//! How much of what it is to hold a distribution server lacks.

use serde::{Deserialize, Serialize};

/// What a server is to hold, counted, as of the state it has applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCount {
    /// Files it is to hold.
    pub wanted: u64,
    /// Contents of such files that are not there, verified; each once, whatever its names.
    pub missing: u64,
    /// Bytes of the contents that are missing.
    pub missing_bytes: u64,
}
