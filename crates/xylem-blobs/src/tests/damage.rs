//! Bits that change on the disk.

use super::{Sample, open, open_with, read_all, store};
use crate::test_fs::{Dice, Plan, TestFs};
use crate::{BlobError, GROUP_BYTES, Reach, VerifyOnRead};

const SIZE: usize = 40 * 16_384 + 7;

fn stored() -> (TestFs, Sample) {
    let (fs, sample) = (TestFs::new(), Sample::new(5, SIZE));
    store(&open(&fs).unwrap(), &sample).unwrap();
    (fs, sample)
}

fn offsets(len: usize) -> Vec<usize> {
    let mut dice = Dice(6);
    let borders = [0, 1023, 1024, 16_383, 16_384, 262_143, 262_144, SIZE - 8, SIZE - 1];
    let mut offsets: Vec<_> = borders.into_iter().filter(|at| *at < len).collect();
    offsets.extend((0..40).map(|_| dice.below(len as u64) as usize));
    offsets
}

#[test]
fn a_flipped_bit_of_content_is_never_served_and_withdraws_it() {
    let (made, sample) = stored();
    for offset in offsets(SIZE) {
        let fs = made.copy();
        let repository = open(&fs).unwrap();
        fs.flip(&sample.path(), offset, 1 << (offset % 8));
        let (bytes, result) = read_all(&repository, &sample.id);
        assert!(matches!(result, Err(BlobError::Corrupt { .. })), "flip at {offset}: {result:?}");
        assert!(bytes.len() <= offset && sample.bytes.starts_with(&bytes), "flip at {offset}");
        assert!(!repository.contains(&sample.id));
        assert_eq!(repository.quarantined().unwrap(), [sample.id]);
        assert!(!open(&fs).unwrap().contains(&sample.id), "nor is it there after a restart");

        store(&repository, &sample).unwrap();
        assert_eq!(read_all(&repository, &sample.id).0, sample.bytes, "it can be fetched again");
    }
}

#[test]
fn who_gave_the_folder_away_moves_nothing_any_more() {
    let (fs, sample) = stored();
    let old = open(&fs).unwrap();
    fs.flip(&sample.path(), 7, 1);
    old.give_up();
    let (_, result) = read_all(&old, &sample.id);
    assert!(matches!(result, Err(BlobError::Corrupt { .. })), "{result:?}");
    assert!(!old.contains(&sample.id), "it is not served");
    assert!(old.quarantined().unwrap().is_empty(), "that is for the new owner");
}

#[test]
fn who_reads_a_withdrawn_copy_does_not_take_the_new_one_away() {
    let (fs, sample) = stored();
    let repository = open(&fs).unwrap();
    let mut late = repository.open_blob(&sample.id).unwrap();
    fs.flip(&sample.path(), 7, 1);
    assert!(read_all(&repository, &sample.id).1.is_err());
    store(&repository, &sample).unwrap();
    let error = late.read(0, 100).unwrap_err();
    assert!(matches!(error, BlobError::Corrupt { .. }), "{error}");
    assert_eq!(read_all(&repository, &sample.id).0, sample.bytes, "the new copy stays");
}

#[test]
fn what_is_not_in_memory_is_read_by_who_may_wait() {
    let (fs, sample) = stored();
    let repository = open(&fs).unwrap();
    fs.flip(&sample.path(), 7, 1);
    let mut reader = repository.open_arriving(&sample.id, Reach::Memory).unwrap();
    let mut buffer = vec![0; SIZE];
    let error = reader.read_frame(0..100, &mut buffer, Reach::Memory).unwrap_err();
    assert!(error.would_block() && repository.contains(&sample.id), "{error}");
    let error = reader.read_frame(0..100, &mut buffer, Reach::Disk).unwrap_err();
    assert!(matches!(error, BlobError::Corrupt { .. }), "{error}");
    assert!(!repository.contains(&sample.id));
}

#[test]
fn without_verification_the_flipped_bit_is_served_until_a_scrub_finds_it() {
    let (made, sample) = stored();
    for offset in offsets(SIZE) {
        let fs = made.copy();
        let repository = open_with(&fs, VerifyOnRead::ScrubOnly).unwrap();
        fs.flip(&sample.path(), offset, 0x80);
        let (bytes, result) = read_all(&repository, &sample.id);
        assert!(result.is_ok());
        assert_eq!(bytes[offset], sample.bytes[offset] ^ 0x80);
        let scrubbed = repository.verify(&sample.id);
        assert!(matches!(scrubbed, Err(BlobError::Corrupt { .. })), "{scrubbed:?}");
        assert!(!repository.contains(&sample.id));
    }
}

#[test]
fn a_flipped_bit_of_the_outboard_lets_no_wrong_byte_through() {
    let (made, sample) = stored();
    let len = made.contents(&sample.tree_path()).unwrap().len();
    let mut caught_by_reading = 0;
    for offset in 0..len {
        let fs = made.copy();
        let repository = open(&fs).unwrap();
        fs.flip(&sample.tree_path(), offset, 1 << (offset % 8));
        // Group by group, so that all nodes are needed.
        let mut reader = repository.open_blob(&sample.id).unwrap();
        let mut buffer = vec![0; GROUP_BYTES as usize];
        let mut at = 0;
        let result = loop {
            match reader.read_frame(at..u64::MAX, &mut buffer, Reach::Disk) {
                Ok(frame) if frame.is_empty() => break Ok(()),
                Ok(frame) => {
                    assert!(sample.bytes[at as usize..].starts_with(&buffer[frame.clone()]));
                    at += frame.len() as u64;
                }
                Err(error) => break Err(error),
            }
        };
        drop(reader);
        if result.is_err() {
            caught_by_reading += 1;
        } else {
            // Only the size at its head is not needed for reading.
            assert!(offset < 8, "flip at {offset} was not noticed");
            assert!(matches!(repository.tree(&sample.id), Err(BlobError::Corrupt { .. })));
        }
        assert_eq!(repository.quarantined().unwrap(), [sample.id]);
    }
    assert_eq!(caught_by_reading, len - 8);
}

#[test]
fn a_scrub_finds_every_flipped_bit_of_the_outboard() {
    let (made, sample) = stored();
    let len = made.contents(&sample.tree_path()).unwrap().len();
    for offset in 0..len {
        let fs = made.copy();
        let repository = open(&fs).unwrap();
        fs.flip(&sample.tree_path(), offset, 2);
        let result = repository.verify(&sample.id);
        assert!(matches!(result, Err(BlobError::Corrupt { .. })), "flip at {offset}: {result:?}");
    }
}

#[test]
fn truncated_and_vanished_files_are_withdrawn() {
    let (made, sample) = stored();
    for len in [0, 16_384, SIZE - 1] {
        let fs = made.copy();
        let repository = open(&fs).unwrap();
        fs.overwrite(&sample.path(), &sample.bytes[..len]);
        let (bytes, result) = read_all(&repository, &sample.id);
        assert!(matches!(result, Err(BlobError::Corrupt { .. })), "{result:?}");
        assert!(sample.bytes.starts_with(&bytes));
        let fs = made.copy();
        fs.overwrite(&sample.path(), &sample.bytes[..len]);
        assert!(!open(&fs).unwrap().contains(&sample.id), "found when opened");
    }
    use xylem_runtime::Fs;
    let repository = open(&made).unwrap();
    made.remove_file(&sample.path()).unwrap();
    let result = repository.open_blob(&sample.id);
    assert!(matches!(result, Err(BlobError::NotFound { .. })), "{result:?}");
    assert!(!repository.contains(&sample.id));
}

#[test]
fn a_fault_that_passes_condemns_nothing() {
    let (fs, sample) = stored();
    let repository = open(&fs).unwrap();
    fs.plan(Plan { spoilt_reads: 1, ..Plan::default() });
    assert_eq!(read_all(&repository, &sample.id).0, sample.bytes);
    fs.plan(Plan { spoilt_reads: 1, ..Plan::default() });
    repository.tree(&sample.id).unwrap();
    assert!(repository.contains(&sample.id));
}

#[test]
fn a_scrub_goes_step_by_step_and_finds_damage_in_the_step_that_has_it() {
    const STEP: u64 = 4 << 20;
    let (fs, sample) = (TestFs::new(), Sample::new(8, (9 << 20) + 7));
    store(&open(&fs).unwrap(), &sample).unwrap();
    let repository = open(&fs).unwrap();
    assert_eq!(repository.scrub(&sample.id, 0).unwrap().next, Some(STEP));
    assert_eq!(repository.scrub(&sample.id, STEP).unwrap().next, Some(2 * STEP));
    assert_eq!(repository.scrub(&sample.id, 2 * STEP).unwrap().next, None);
    fs.flip(&sample.path(), 9 << 20, 1);
    assert_eq!(repository.scrub(&sample.id, STEP).unwrap().next, Some(2 * STEP), "not in this one");
    let found = repository.scrub(&sample.id, 2 * STEP);
    assert!(matches!(found, Err(BlobError::Corrupt { .. })), "{found:?}");
    let gone = repository.scrub(&sample.id, 0);
    assert!(matches!(gone, Err(BlobError::NotFound { .. })), "{gone:?}");
}

#[test]
fn a_walk_over_everything_goes_from_id_to_id() {
    let (fs, mut ids) = (TestFs::new(), Vec::new());
    let repository = open(&fs).unwrap();
    for seed in 0..10 {
        let sample = Sample::new(seed, 100 + seed as usize);
        store(&repository, &sample).unwrap();
        ids.push((sample.id, sample.size()));
    }
    ids.sort_unstable();
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let next = repository.list_after(after.as_ref(), 3);
        assert!(next.len() <= 3);
        let Some((last, _)) = next.last() else { break };
        after = Some(*last);
        walked.extend(next);
    }
    assert_eq!(walked, ids);
    assert!(repository.list_after(None, 0).is_empty());
}

#[test]
fn a_scrub_mends_an_outboard_where_the_content_is_sound() {
    let (made, sample) = stored();
    let good = made.contents(&sample.tree_path()).unwrap();
    for offset in [0, 8, good.len() / 2, good.len() - 1] {
        let fs = made.copy();
        let repository = open(&fs).unwrap();
        fs.flip(&sample.tree_path(), offset, 2);
        assert!(repository.scrub(&sample.id, 0).unwrap().mended, "flip at {offset}");
        assert_eq!(fs.contents(&sample.tree_path()).unwrap(), good);
        assert!(!repository.scrub(&sample.id, 0).unwrap().mended);
        assert_eq!(read_all(&repository, &sample.id).0, sample.bytes);
    }
    let fs = made.copy();
    let repository = open(&fs).unwrap();
    fs.disk().fs().remove_file(&sample.tree_path()).unwrap();
    assert!(repository.scrub(&sample.id, 0).unwrap().mended, "it is gone");
    fs.flip(&sample.tree_path(), 20, 2);
    fs.flip(&sample.path(), 100, 2);
    let found = repository.scrub(&sample.id, 0);
    assert!(matches!(found, Err(BlobError::Corrupt { .. })), "both are damaged: {found:?}");
    assert_eq!(repository.quarantined().unwrap(), [sample.id]);
}
