//! Disk images: what is read of them, and what is refused.

mod accepted;
mod apfs;
mod corrupted;
mod disks;
mod hfs;
mod index;
mod refused;
mod udif;

use xylem_artifact::Form;
use xylem_artifact::image::ImageFacts;
use xylem_artifact::inspect::{Content, Inspection, Refusal};

use crate::raw::file_of;

pub(crate) fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    xylem_artifact::inspect::inspect(Form::DiskImage, file_of(bytes))
}

pub(crate) fn facts(bytes: &[u8]) -> ImageFacts {
    match inspect(bytes).unwrap().content {
        Content::DiskImage(facts) => facts,
        other => panic!("{other:?} is no disk image"),
    }
}

/// The words of the warnings, in their order.
pub(crate) fn warnings(bytes: &[u8]) -> Vec<xylem_artifact::WarningCode> {
    inspect(bytes).unwrap().warnings.iter().map(|warning| warning.code).collect()
}

/// Puts bytes over what is there.
pub(crate) fn put(bytes: &mut [u8], at: usize, new: impl AsRef<[u8]>) {
    let new = new.as_ref();
    bytes[at..at + new.len()].copy_from_slice(new);
}
