//! A file system in a file in memory, which can lose its power.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use tempfile::TempDir;

/// Where images lie: in memory, so that a cut takes half a second.
const SHARED_MEMORY: &str = "/dev/shm";

/// The size of an image in bytes: more than one run publishes, and xfs wants no less than 300 MiB.
/// It is sparse.
const IMAGE_BYTES: u64 = 640 << 20;

/// A file system that servers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    /// Its name, as mkfs and mount know it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// A mounted file system of its own, in an image under a name that was never used: a loop device
/// may go on with what it knew of an image of the same name.
pub(crate) struct Volume {
    kind: Kind,
    folder: TempDir,
    mounted: bool,
}

impl Volume {
    /// Makes and mounts one.
    pub(crate) fn make(kind: Kind) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("xylem-cut-").tempdir_in(SHARED_MEMORY)?;
        let mut volume = Self { kind, folder, mounted: false };
        std::fs::create_dir(volume.mount_point())?;
        std::fs::File::create(volume.image())?.set_len(IMAGE_BYTES)?;
        run(Command::new(format!("mkfs.{}", kind.name())).arg("-q").arg(volume.image()))?;
        volume.mount()?;
        Ok(volume)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where it is mounted.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount(&mut self) -> anyhow::Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.mount_point()))
            .context("this needs root and loop devices")?;
        self.mounted = true;
        Ok(())
    }

    /// Cuts the power: nothing more reaches the image, not even the journal that is in memory.
    ///
    /// `xfs_io` sends the file system's own forced-shutdown call, "no log flush", which ext4 takes
    /// too; so no code of ours needs to be unsafe.
    pub(crate) fn cut(&self) -> anyhow::Result<()> {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.mount_point()))?;
        // A refusal is only printed. A volume without power refuses to be read.
        let read = std::fs::read_dir(self.mount_point()).and_then(|mut entries| {
            entries.next().transpose()?;
            std::fs::File::create(self.mount_point().join("after-the-cut"))
        });
        ensure!(
            read.is_err(),
            "the {} volume took a file after its power was cut",
            self.kind.name()
        );
        Ok(())
    }

    /// Power is back: the journal is replayed. Nobody may have a file of it open.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        self.mount()
    }

    fn unmount(&mut self) -> anyhow::Result<()> {
        run(Command::new("umount").arg(self.mount_point()))?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a worker of a run that failed may still be ending.
            let _ = Command::new("umount").arg("-l").arg(self.mount_point()).status();
        }
    }
}

/// Runs a command; fails with what it said where it failed.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot start {program}; `cargo xtask cut` installs it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", said.trim());
    Ok(())
}
