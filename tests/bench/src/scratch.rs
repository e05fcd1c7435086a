//! A folder for one run, on disk or in memory.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::shell::run;

/// Every folder and namespace of a run is called `xylem-bench-PID…`, so that a later run knows
/// whose it is, and whether that run is still there.
pub(crate) const PREFIX: &str = "xylem-bench-";

/// Where Linux keeps a file system in memory for everybody.
const MEMORY: &str = "/dev/shm";

/// Kinds of file systems that keep nothing: no place for what is to be durable.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// A folder that goes away with the run, and what is mounted in it.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    mounted: Vec<PathBuf>,
}

impl Scratch {
    /// A new folder below `base`, which must lie on a disk: there, syncing costs what it costs.
    ///
    /// # Errors
    /// When it cannot be made, or `base` lies in memory.
    pub fn on_disk(base: &Path) -> anyhow::Result<Self> {
        let kind = run(&format!("stat --file-system --format %T {}", base.display()))?;
        ensure!(
            !IN_MEMORY.contains(&kind.trim()),
            "{} lies in memory ({}): name a folder on a disk with --folder or TMPDIR",
            base.display(),
            kind.trim()
        );
        Self::below(base)
    }

    /// A new folder in memory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn in_memory() -> anyhow::Result<Self> {
        Self::below(Path::new(MEMORY))
    }

    fn below(base: &Path) -> anyhow::Result<Self> {
        sweep(base)?;
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(base);
        let folder = folder.with_context(|| format!("cannot write in {}", base.display()))?;
        Ok(Self { folder: folder.keep(), mounted: Vec::new() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts a folder of many files out of the way, until the run ends. It is not removed: for
    /// minutes ext4 passes over the inodes of files that were removed, one by one
    /// (`recently_deleted` in its `ialloc.c`), so that whoever makes many files next would be
    /// measured clearing up.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(&self, folder: &Path) -> anyhow::Result<()> {
        let aside = self.folder.join("aside");
        fs::create_dir_all(&aside)?;
        let place = tempfile::Builder::new().tempdir_in(&aside)?.keep();
        let moved = fs::rename(folder, place.join("folder"));
        moved.with_context(|| format!("cannot set {} aside", folder.display()))
    }

    /// Mounts a file system in memory, of this many MiB, at a new folder in here.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount_small(&mut self, name: &str, mib: u64) -> anyhow::Result<PathBuf> {
        let at = self.folder.join(name);
        fs::create_dir_all(&at)?;
        run(&format!("mount -t tmpfs -o size={mib}m,mode=0700 {PREFIX}small {}", at.display()))?;
        self.mounted.push(at.clone());
        Ok(at)
    }

    /// Gives a mounted file system another size, in MiB.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn resize(&self, at: &Path, mib: u64) -> anyhow::Result<()> {
        run(&format!("mount -o remount,size={mib}m {}", at.display())).map(drop)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for at in self.mounted.iter().rev() {
            // Lazily: something in there may still be ending.
            let _ = run(&format!("umount -l {}", at.display()));
        }
        if std::env::var_os("XYLEM_BENCH_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes what runs that were killed left below `base`.
fn sweep(base: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    for entry in fs::read_dir(base).with_context(|| format!("cannot read {}", base.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_orphan(&name) {
            continue;
        }
        let path = entry.path();
        let inside = mounts.lines().filter_map(|line| line.split_whitespace().nth(1));
        for at in inside.filter(|at| Path::new(at).starts_with(&path)) {
            run(&format!("umount -l {at}"))?;
        }
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Whether this is the name of something whose run has ended.
pub(crate) fn is_orphan(name: &str) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else { return false };
    // A process that has ended and that nobody has waited for still has a folder, but no program.
    let program = fs::read_link(format!("/proc/{owner}/exe"));
    program.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_living_run_uses_is_left_alone() {
        assert!(!is_orphan(&format!("{PREFIX}{}-hub", std::process::id())));
        // Process numbers end below 2^22 on Linux.
        assert!(is_orphan(&format!("{PREFIX}4194304-hub")));
        for other in ["hub", "xylem-bench-", "xylem-bench-x-hub", "xylem-story-1"] {
            assert!(!is_orphan(other), "{other}");
        }
    }

    #[test]
    fn a_scratch_folder_goes_away_with_its_run() {
        let base = tempfile::tempdir().unwrap();
        let path = {
            let scratch = Scratch::below(base.path()).unwrap();
            fs::write(scratch.path().join("file"), "x").unwrap();
            scratch.path().to_owned()
        };
        assert!(!path.exists());
    }
}
