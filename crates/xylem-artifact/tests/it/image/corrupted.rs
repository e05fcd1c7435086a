//! An image with any byte changed never passes for another, and cut anywhere it never passes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use xylem_artifact::Form;
use xylem_artifact::inspect::Content;

use super::hfs::{self, Hfs};
use super::udif::{Udif, ZLIB};

fn genuine() -> (File, Vec<u8>) {
    let mut volume = Hfs::named("Volume");
    volume.file(hfs::ROOT, "file", b"content");
    volume.folder(hfs::ROOT, "folder");
    let bytes = Udif::of_disk(&volume.bytes(), 64, &[ZLIB]).bytes();
    (crate::raw::file_of(&bytes), bytes)
}

/// Everything that is said of the content. What is left out are the numbers that nothing covers: the
/// length of the disk behind its last table, and which of the checksums are there.
fn said(file: &File) -> Option<Content> {
    let file = file.try_clone().unwrap();
    let inspection = xylem_artifact::inspect::inspect(Form::DiskImage, file).ok()?;
    let Content::DiskImage(mut facts) = inspection.content else { panic!("no disk image") };
    facts.expanded_bytes = 0;
    facts.verified = Default::default();
    Some(Content::DiskImage(facts))
}

#[test]
fn no_changed_byte_changes_what_is_said() {
    let (file, bytes) = genuine();
    let genuine = said(&file).unwrap();
    let mut refused = 0;
    for (position, byte) in bytes.iter().enumerate() {
        for change in [0x01, 0xff] {
            file.write_all_at(&[byte ^ change], position as u64).unwrap();
            match said(&file) {
                None => refused += 1,
                Some(said) => assert_eq!(said, genuine, "byte {position} changed by {change:#x}"),
            }
        }
        file.write_all_at(&[*byte], position as u64).unwrap();
    }
    // The rest is words without meaning in the property list, and numbers that nobody reads.
    assert!(refused > bytes.len(), "{refused} of {} changes were refused", 2 * bytes.len());
}

#[test]
fn every_cut_is_noticed() {
    let (file, bytes) = genuine();
    for len in (0..bytes.len()).rev() {
        file.set_len(len as u64).unwrap();
        assert_eq!(said(&file), None, "cut to {len} bytes it passed");
    }
}
