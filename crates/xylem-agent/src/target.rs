//! Where packages are installed to, and by what.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xylem_install::{HostFacts, Installer, MacInstaller, RootInstaller};

use crate::facts;

/// A target root with the installer for it. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    root: PathBuf,
    installer: Arc<dyn Installer + Send + Sync>,
    repeatable: bool,
    is_system: bool,
}

/// A target that nothing can be installed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// None was given where there is no default.
    #[error(
        "give the folder or volume to install to with --target DIR: installing into the running \
         system is possible on macOS only"
    )]
    Missing,
    /// It is not there.
    #[error("the target {} is no folder: create or mount it first", .0.display())]
    NotAFolder(PathBuf),
}

impl Target {
    /// A folder or mounted volume, by our own installer. An installation that was cut short leaves
    /// it as it was, and no scripts are run, so it may be repeated.
    pub fn folder(root: impl Into<PathBuf>) -> Self {
        Self::with_installer(root, Arc::new(RootInstaller::new()), true)
    }

    /// The running Mac, by Apple's installer. Packages run scripts there, so an installation that
    /// was cut short is reported as of unknown outcome and never repeated by itself.
    pub fn running_mac() -> Self {
        let installer = Arc::new(MacInstaller::new());
        Self { is_system: true, ..Self::with_installer("/", installer, false) }
    }

    /// Any root with any installer. `repeatable`: whether an installation that was cut short
    /// changed nothing.
    pub fn with_installer(
        root: impl Into<PathBuf>,
        installer: Arc<dyn Installer + Send + Sync>,
        repeatable: bool,
    ) -> Self {
        Self { root: root.into(), installer, repeatable, is_system: false }
    }

    /// What `--target` asks for: on macOS `/`, which is also the default there, is the running
    /// system; everything else is a folder.
    ///
    /// # Errors
    /// When there is no default, or no such folder.
    pub fn choose(root: Option<&Path>) -> Result<Self, TargetError> {
        let on_mac = cfg!(target_os = "macos");
        match root {
            None if on_mac => Ok(Self::running_mac()),
            None => Err(TargetError::Missing),
            Some(root) if on_mac && root == Path::new("/") => Ok(Self::running_mac()),
            Some(root) if root.is_dir() => Ok(Self::folder(root)),
            Some(root) => Err(TargetError::NotAFolder(root.to_owned())),
        }
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether an installation that was cut short may be repeated.
    pub(crate) const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    pub(crate) fn installer(&self) -> &(dyn Installer + Send + Sync) {
        &*self.installer
    }

    /// What packages may make demands on; a plain folder has neither system nor processor.
    pub(crate) fn host(&self) -> Option<HostFacts> {
        self.is_system.then(|| HostFacts {
            os_version: facts::mac_version(&self.root),
            architecture: Some(facts::architecture().to_owned()),
        })
    }

    /// Whether what is installed takes room from the disk that `folder` is on; yes when unknown.
    pub(crate) fn shares_disk_with(&self, folder: &Path) -> bool {
        let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
        match (device(&self.root), device(folder)) {
            (Some(target), Some(folder)) => target == folder,
            _ => true,
        }
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("root", &self.root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_must_be_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Target::choose(Some(folder.path())).unwrap().is_repeatable());
        let missing = folder.path().join("missing");
        let error = Target::choose(Some(&missing)).unwrap_err();
        assert_eq!(error, TargetError::NotAFolder(missing));
        if !cfg!(target_os = "macos") {
            assert_eq!(Target::choose(None).unwrap_err(), TargetError::Missing);
        }
    }

    #[test]
    fn a_folder_shares_the_disk_with_itself() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Target::folder(folder.path()).shares_disk_with(folder.path()));
    }
}
