//! Fetching from a peer: outboard first, and passing bytes on while they arrive.

use super::{Sample, open, read_all};
use crate::test_fs::{Cut, Dice, Plan, TestFs};
use crate::{BlobError, Expected, Reach, Repository, StagedFile};

fn staged(repository: &Repository, sample: &Sample) -> Result<StagedFile, BlobError> {
    let mut intake = repository.stage_relayed(&sample.id, sample.size())?;
    if !intake.is_complete() {
        let (_, tree) = crate::builder::outboard_of(&sample.bytes);
        for piece in tree.chunks(1000) {
            intake.append(piece)?;
        }
    }
    intake.finish()
}

fn expected(sample: &Sample) -> Expected {
    Expected { size: sample.size(), blake3: Some(sample.id), sha256: None }
}

#[test]
fn bytes_can_be_read_as_soon_as_their_group_is_proved() {
    for size in [0, 1, 16_384, 16_385, 700_000] {
        let repository = open(&TestFs::new()).unwrap();
        let sample = Sample::new(1, size);
        let mut staged = staged(&repository, &sample).unwrap();
        let mut reader = repository.open_arriving(&sample.id, Reach::Disk).unwrap();
        for piece in sample.bytes.chunks(10_000) {
            staged.append(staged.offset(), piece).unwrap();
            let whole = staged.offset() / 16_384 * 16_384;
            let available = if staged.offset() == sample.size() { sample.size() } else { whole };
            assert_eq!(reader.available(), available);
            let from = available.saturating_sub(20_000);
            let bytes = reader.read(from, u64::MAX).unwrap();
            assert!(
                sample.bytes[from as usize..].starts_with(&bytes)
                    && (from == available || !bytes.is_empty())
            );
            assert!(reader.read(available, 1).unwrap().is_empty());
        }
        assert!(!repository.contains(&sample.id));
        repository.publish(staged.finish(&expected(&sample)).unwrap()).unwrap();
        let tail = sample.size().saturating_sub(5);
        assert_eq!(reader.read(tail, 5).unwrap(), sample.bytes[tail as usize..]);
        assert_eq!(repository.readers(&sample.id), 1, "it moved over to the published file");
        assert!(read_all(&repository, &sample.id).0 == sample.bytes);
        repository.verify(&sample.id).unwrap();
    }
}

#[test]
fn a_wrong_byte_is_refused_with_its_group_and_the_right_one_taken_after() {
    let sample = Sample::new(2, 300_000);
    let mut dice = Dice(3);
    for _ in 0..50 {
        let repository = open(&TestFs::new()).unwrap();
        let mut staged = staged(&repository, &sample).unwrap();
        let mut reader = repository.open_arriving(&sample.id, Reach::Disk).unwrap();
        let at = dice.below(sample.size());
        let mut wrong = sample.bytes.clone();
        wrong[at as usize] ^= 1;
        let mut refused = None;
        for piece in wrong.chunks(7000) {
            if let Err(error) = staged.append(staged.offset(), piece) {
                refused = Some(error);
                break;
            }
        }
        let group = at / 16_384 * 16_384;
        assert!(
            matches!(refused, Some(BlobError::ForeignBytes { offset, .. }) if offset == group),
            "{refused:?}"
        );
        assert_eq!((staged.offset(), reader.available()), (group, group));
        staged.append(group, &sample.bytes[group as usize..]).unwrap();
        assert!(reader.read(at, 1).unwrap()[..] == sample.bytes[at as usize..][..1]);
        repository.publish(staged.finish(&expected(&sample)).unwrap()).unwrap();
    }
}

#[test]
fn a_foreign_outboard_is_refused() {
    let repository = open(&TestFs::new()).unwrap();
    let (sample, other) = (Sample::new(4, 300_000), Sample::new(5, 300_000));
    let (_, tree) = crate::builder::outboard_of(&other.bytes);
    let mut intake = repository.stage_relayed(&sample.id, sample.size()).unwrap();
    let error = intake.append(&tree).unwrap_err();
    assert!(matches!(error, BlobError::ForeignBytes { .. }), "{error:?}");
    drop(intake);
    let intake = repository.stage_relayed(&sample.id, sample.size()).unwrap();
    let error = intake.finish().unwrap_err();
    assert!(matches!(error, BlobError::Incomplete { .. }), "{error:?}");
    let error = repository.stage_relayed(&sample.id, 0).unwrap_err();
    assert!(matches!(error, BlobError::ForeignBytes { .. }), "an empty file: {error:?}");
}

#[test]
fn after_a_crash_exactly_what_the_tree_confirms_is_kept() {
    let sample = Sample::new(6, 20 * 16_384 + 9);
    for round in 0..30 {
        let fs = TestFs::new();
        let repository = open(&fs).unwrap();
        let mut part = staged(&repository, &sample).unwrap();
        part.append(0, &sample.bytes[..100_000]).unwrap();
        if round % 2 == 0 {
            part.pause().unwrap();
        } else {
            part.syncer().sync().unwrap();
            assert_eq!(part.syncer().synced(), 100_000);
        }
        part.append(100_000, &sample.bytes[100_000..250_000]).unwrap();
        drop(part);
        fs.power_cut(Cut::Torn(round));
        let part_path = format!("/repository/staged/{}.part", sample.id);
        let left = fs.contents(part_path.as_ref()).unwrap();
        let right = left
            .chunks(16_384)
            .zip(sample.bytes.chunks(16_384))
            .take_while(|(left, right)| left == right)
            .count();
        let repository = open(&fs).unwrap();
        let mut part = staged(&repository, &sample).unwrap();
        assert_eq!(part.offset(), right as u64 * 16_384, "round {round}");
        assert!(part.offset() >= 98_304, "synced bytes are there");
        part.append(part.offset(), &sample.bytes[part.offset() as usize..]).unwrap();
        repository.publish(part.finish(&expected(&sample)).unwrap()).unwrap();
        repository.verify(&sample.id).unwrap();
    }
}

#[test]
fn a_sync_that_fails_beside_the_writer_costs_what_was_not_synced_before() {
    let sample = Sample::new(8, 20 * 16_384 + 9);
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let mut part = staged(&repository, &sample).unwrap();
    let syncer = part.syncer();
    part.append(0, &sample.bytes[..100_000]).unwrap();
    syncer.sync().unwrap();
    part.append(100_000, &sample.bytes[100_000..250_000]).unwrap();
    fs.plan(Plan { sync_fails_at: Some(0), ..Plan::default() });
    syncer.sync().unwrap_err();
    fs.plan(Plan::default());
    // The disk takes syncs again, and nobody believes it.
    assert!(syncer.sync().is_err() && part.pause().is_err());
    assert!(part.append(250_000, &sample.bytes[250_000..]).is_err());
    assert!(part.finish(&expected(&sample)).is_err());
    let mut part = staged(&repository, &sample).unwrap();
    assert_eq!(part.offset(), 100_000 / 16_384 * 16_384);
    part.append(part.offset(), &sample.bytes[part.offset() as usize..]).unwrap();
    repository.publish(part.finish(&expected(&sample)).unwrap()).unwrap();
    fs.power_cut(Cut::Nothing);
    open(&fs).unwrap().verify(&sample.id).unwrap();
}

#[test]
fn a_relayed_file_survives_a_power_cut_at_any_step() {
    let sample = Sample::new(7, 5 * 16_384 + 1);
    for step in 0.. {
        for cut in [Cut::Nothing, Cut::Everything, Cut::Torn(1), Cut::Torn(2), Cut::Torn(3)] {
            let fs = TestFs::new();
            fs.plan(Plan { cut_at: Some(step), ..Plan::default() });
            let store = |fs: &TestFs| -> Result<(), BlobError> {
                let repository = open(fs)?;
                let mut part = staged(&repository, &sample)?;
                for piece in sample.bytes[part.offset() as usize..].chunks(30_000) {
                    part.append(part.offset(), piece)?;
                }
                repository.publish(part.finish(&expected(&sample))?)
            };
            let acknowledged = store(&fs).is_ok();
            let ended = !fs.is_dark();
            fs.power_cut(cut);
            let held = open(&fs).unwrap().contains(&sample.id);
            assert!(held || !acknowledged, "step {step}, {cut:?}");
            if !held {
                store(&fs).unwrap();
            }
            open(&fs).unwrap().verify(&sample.id).unwrap();
            if ended && matches!(cut, Cut::Torn(3)) {
                assert!(step > 20);
                return;
            }
        }
    }
}
