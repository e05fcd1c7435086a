//! Compares every member with its checksum, within a budget.

use std::ops::ControlFlow;

use super::ZipArchive;
use super::member::{Member, Method};
use super::unpack::Unpacker;
use crate::error::ArtifactError;
use crate::warning::{Warning, WarningCode};

/// Bytes expanded to compare checksums, besides as many as the archive itself has. Inflating takes
/// a slow processor some seconds for this, and the child's time grows with the file.
const MAX_DECODED_BYTES: u64 = 1 << 30;

/// What [`ZipArchive::verify`] has compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Verified {
    /// Members that match.
    pub(crate) members: usize,
    /// Members not looked into, as the budget was used up.
    pub(crate) skipped: usize,
    /// Expanded length of those, as declared.
    pub(crate) skipped_bytes: u64,
    /// Members compressed in a way unknown here.
    pub(crate) unknown: usize,
}

pub(super) fn verify(archive: &ZipArchive) -> Result<Verified, ArtifactError> {
    let mut in_order: Vec<&Member> = archive.members.iter().collect();
    in_order.sort_unstable_by_key(|member| member.data_start);
    let mut verified = Verified::default();
    let mut budget_bytes = MAX_DECODED_BYTES.saturating_add(archive.file_bytes);
    let mut unpacker = Unpacker::new();
    for member in in_order {
        match member.method {
            Method::Other(_) => {
                verified.unknown += 1;
                continue;
            }
            // Members do not overlap, so all stored ones together are no longer than the file.
            Method::Stored => {}
            Method::Deflated => match budget_bytes.checked_sub(member.size) {
                Some(left) => budget_bytes = left,
                None => {
                    verified.skipped += 1;
                    verified.skipped_bytes += member.size;
                    continue;
                }
            },
        }
        unpacker.unpack(archive, member, &mut |_| ControlFlow::Continue(()))?;
        verified.members += 1;
    }
    Ok(verified)
}

impl ZipArchive {
    /// What is allowed in an archive, but should be known.
    pub(crate) fn warnings(&self, verified: &Verified) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |count: u64, code, message: String| {
            if count > 0 {
                warnings.push(Warning::new(code, message));
            }
        };
        warn(
            self.collisions as u64,
            WarningCode::CollidingNames,
            format!(
                "{} of its names differ from another only in upper and lower case or in how \
                 letters are encoded; most Macs keep one file of each such name",
                self.collisions
            ),
        );
        warn(
            verified.skipped as u64,
            WarningCode::PartlyChecked,
            format!(
                "{} of its files, {} bytes, were not compared with their checksums, since \
                 expanding them takes too long",
                verified.skipped, verified.skipped_bytes
            ),
        );
        warn(
            verified.unknown as u64,
            WarningCode::UnknownCompression,
            format!(
                "{} of its files are compressed in a way unknown here; they were not looked into, \
                 and Macs may not be able to expand them",
                verified.unknown
            ),
        );
        warn(
            self.loose_bytes,
            WarningCode::Unprotected,
            format!(
                "{} bytes of the archive belong to no file and carry no checksum",
                self.loose_bytes
            ),
        );
        warnings
    }
}
