//! Room on the target's file system.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::fstatvfs;

use crate::error::InstallError;

/// What an installation always leaves free: 100 MiB, so that the computer stays usable.
pub const RESERVE_BYTES: u64 = 100 * 1024 * 1024;

/// Bytes written between two looks at the free space.
const BYTES_BETWEEN_CHECKS: u64 = 32 * 1024 * 1024;

/// Refuses unless `package_bytes` fit and the reserve stays free.
pub(super) fn require(target: impl AsFd, package_bytes: u64) -> Result<(), InstallError> {
    let needed_bytes = package_bytes.saturating_add(RESERVE_BYTES);
    let available_bytes = available(target)
        .map_err(InstallError::target::<io::Error>("measuring the free space of", "."))?;
    if available_bytes < needed_bytes {
        return Err(InstallError::NoSpace { needed_bytes, available_bytes });
    }
    Ok(())
}

/// Turns a full disk, reported by any operation, into the error that says so.
pub(super) fn name_shortage(
    target: impl AsFd,
    package_bytes: u64,
    error: InstallError,
) -> InstallError {
    if !error.is_out_of_space() {
        return error;
    }
    InstallError::NoSpace {
        needed_bytes: package_bytes.saturating_add(RESERVE_BYTES),
        available_bytes: available(target).unwrap_or(0),
    }
}

/// Looks at the free space now and then while a payload is written, because payloads may be larger
/// than they declare and others write to the same disk.
#[derive(Debug, Default)]
pub(super) struct Watch {
    unchecked_bytes: u64,
}

impl Watch {
    /// Notes `bytes` written below `target`.
    pub(super) fn wrote(&mut self, target: impl AsFd, bytes: u64) -> Result<(), InstallError> {
        self.unchecked_bytes = self.unchecked_bytes.saturating_add(bytes);
        if self.unchecked_bytes < BYTES_BETWEEN_CHECKS {
            return Ok(());
        }
        self.unchecked_bytes = 0;
        require(target, 0)
    }
}

fn available(target: impl AsFd) -> io::Result<u64> {
    let stat = fstatvfs(target)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_package_larger_than_the_disk_is_refused_with_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let target = File::open(folder.path()).unwrap();
        let error = require(&target, u64::MAX / 2).unwrap_err();
        assert_eq!(error.result_word(), "no-space");
        let InstallError::NoSpace { needed_bytes, available_bytes } = error else { panic!() };
        assert_eq!(needed_bytes, u64::MAX / 2 + RESERVE_BYTES);
        assert!(available_bytes > 0);
    }

    #[test]
    fn a_full_disk_is_named_as_such_and_other_errors_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = File::open(folder.path()).unwrap();
        let full = InstallError::target("writing", "a")(rustix::io::Errno::NOSPC);
        assert_eq!(name_shortage(&target, 1, full).result_word(), "no-space");
        let broken = InstallError::target("writing", "a")(rustix::io::Errno::IO);
        assert_eq!(name_shortage(&target, 1, broken).result_word(), "installer-failed");
    }
}
