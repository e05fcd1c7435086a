//! What an installation did.

use serde::{Deserialize, Serialize};
use xylem_artifact::package::RestartAction;

/// How an installation that raised no error ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallResult {
    /// Everything that the package holds is in place.
    Installed,
}

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallReport {
    /// How it ended.
    pub result: InstallResult,
    /// What each component brought, in the package's order.
    pub components: Vec<ComponentReport>,
    /// The receipts of the components before and after.
    pub receipts: Vec<ReceiptChange>,
    /// What the package asks for once it is installed. Nothing has been restarted.
    pub restart: RestartAction,
    /// What the administrator should know although the installation succeeded.
    pub warnings: Vec<String>,
    /// Lines in the form of `installer -verboseR`; from Apple's tool its own last lines.
    pub log: Vec<String>,
}

/// What one component brought. Apple's tool does not tell: there the counts are 0, and scripts are
/// run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentReport {
    /// The component's identifier.
    pub identifier: String,
    /// The component's version; may be empty.
    pub version: String,
    /// Regular files, further names of the same file not counted.
    pub files: u64,
    /// Directories that the payload names, existing ones included.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of files.
    pub hard_links: u64,
    /// Bytes of file content written.
    pub bytes: u64,
    /// Scripts that the component carries and that were not run.
    pub scripts_not_run: Vec<String>,
}

/// The receipt of one component before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptChange {
    /// The component's identifier.
    pub identifier: String,
    /// The version that was installed before; `None` when there was no (readable) receipt.
    pub before: Option<String>,
    /// The version that is installed now; `None` when no receipt was left.
    pub after: Option<String>,
}
