//! What to install, and where to.

use std::fs::File;
use std::path::PathBuf;

use xylem_model::{FileName, Timestamp};

use crate::error::InstallError;
use crate::report::InstallReport;

/// Something that can put a package onto a target.
///
/// Blocks for as long as the installation takes; call it where blocking is allowed.
pub trait Installer {
    /// Installs the package of `request`.
    ///
    /// # Errors
    /// See [`InstallError`].
    fn install(&self, request: &InstallRequest) -> Result<InstallReport, InstallError>;
}

/// One package, one target.
#[derive(Debug)]
pub struct InstallRequest {
    /// The package: the very file whose digest was verified, still open, so that nothing can be
    /// put in its place between verification and installation.
    pub package: File,
    /// Where that file lies, if it has a name. Needed by [`crate::MacInstaller`] to hand it on
    /// without copying.
    pub package_path: Option<PathBuf>,
    /// The published name of the package.
    pub package_name: FileName,
    /// The root of the volume to install to: `/`, a mounted volume or any folder.
    pub target_root: PathBuf,
    /// A private folder (mode 0700) on a disk with room for the package, where
    /// [`crate::MacInstaller`] hands it on. [`crate::RootInstaller`] prepares everything in the
    /// target instead.
    pub work_dir: PathBuf,
    /// The time that receipts are dated with.
    pub now: Timestamp,
    /// Whether files get the owner and group that the package declares. `None` means: when the
    /// target is `/`. Without effect unless the process is root.
    pub set_owner: Option<bool>,
    /// What the target computer is. `None` skips the package's demands on system version and
    /// processor, as for a plain folder, which has neither.
    pub host: Option<HostFacts>,
}

/// Facts about the computer that a package may make demands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Version of macOS, such as `14.3.1`.
    pub os_version: Option<String>,
    /// Processor architecture in Apple's words: `arm64` or `x86_64`.
    pub architecture: Option<String>,
}
