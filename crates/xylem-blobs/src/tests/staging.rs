//! Staging: resuming, refusing, comparing.

use std::path::PathBuf;

use super::{Sample, open, read_all, store};
use crate::test_fs::{Cut, Dice, Plan, TestFs};
use crate::{BlobError, DigestSet, Expected, StageKey};

const BOTH: DigestSet = DigestSet::Blake3AndSha256;

#[test]
fn an_upload_resumed_at_any_offset_has_the_right_digests() {
    let mut dice = Dice(1);
    for round in 0..40 {
        let size = 1 + dice.below(400_000);
        let sample = Sample::new(round, size as usize);
        let fs = TestFs::new();
        let mut repository = open(&fs).unwrap();
        loop {
            let mut staged = repository.stage(&sample.key, size, BOTH).unwrap();
            let from = staged.offset() as usize;
            let to = from + dice.below(size - from as u64 + 1) as usize;
            staged.append(from as u64, &sample.bytes[from..to]).unwrap();
            if to == size as usize {
                let verified = staged.finish(&sample.expected()).unwrap();
                assert_eq!((verified.id(), verified.size()), (sample.id, size));
                assert_eq!(verified.sha256(), Some(sample.sha256()));
                repository.publish(verified).unwrap();
                break;
            }
            staged.pause().unwrap();
            let next = (to + dice.below(5000) as usize).min(size as usize);
            staged.append(to as u64, &sample.bytes[to..next]).unwrap();
            drop(staged);
            fs.power_cut(Cut::Torn(round));
            repository = open(&fs).unwrap();
            let offset = repository.stage(&sample.key, size, BOTH).unwrap().offset();
            assert_eq!(offset, to as u64, "what was marked is there, and no more is trusted");
        }
        assert!(read_all(&repository, &sample.id).0 == sample.bytes);
    }
}

#[test]
fn a_finished_upload_is_complete_after_a_power_cut() {
    let (fs, sample) = (TestFs::new(), Sample::new(2, 100_000));
    let repository = open(&fs).unwrap();
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    staged.append(0, &sample.bytes).unwrap();
    let verified = staged.finish(&sample.expected()).unwrap();
    let mut head = [0; 10];
    assert_eq!(verified.read_at(&mut head, 99_995).unwrap(), 5);
    drop(verified);
    fs.power_cut(Cut::Nothing);
    let repository = open(&fs).unwrap();
    let staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    assert_eq!(staged.offset(), sample.size());
    repository.publish(staged.finish(&sample.expected()).unwrap()).unwrap();
    assert!(repository.contains(&sample.id));
}

#[test]
fn bytes_written_ahead_are_taken_in_and_lost_in_a_power_cut() {
    let (fs, sample) = (TestFs::new(), Sample::new(5, 900_000));
    let repository = open(&fs).unwrap();
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    staged.append(0, &sample.bytes[..100_000]).unwrap();
    staged.pause().unwrap();
    staged.ahead_writer().write(400_000, &sample.bytes[400_000..]).unwrap();
    assert_eq!(staged.offset(), 100_000, "they are not there yet");
    drop(staged);
    fs.power_cut(Cut::Nothing);

    let repository = open(&fs).unwrap();
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    assert_eq!(staged.offset(), 100_000, "no more is vouched for");
    let ahead = staged.ahead_writer();
    assert!(matches!(ahead.write(sample.size(), &[0]), Err(BlobError::Overrun { .. })));
    ahead.write(700_000, &sample.bytes[700_000..]).unwrap();
    ahead.write(300_000, &sample.bytes[300_000..700_000]).unwrap();
    staged.append(100_000, &sample.bytes[100_000..300_000]).unwrap();
    staged.advance(700_000).unwrap();
    assert_eq!(staged.offset(), 700_000);
    assert!(matches!(staged.advance(sample.size() + 1), Err(BlobError::Overrun { .. })));
    staged.advance(sample.size()).unwrap();
    repository.publish(staged.finish(&sample.expected()).unwrap()).unwrap();
    assert!(read_all(&repository, &sample.id).0 == sample.bytes);
}

#[test]
fn what_was_never_written_is_not_taken_in() {
    let (fs, sample) = (TestFs::new(), Sample::new(6, 50_000));
    let repository = open(&fs).unwrap();
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    staged.ahead_writer().write(10_000, &sample.bytes[10_000..20_000]).unwrap();
    assert!(matches!(staged.advance(30_000), Err(BlobError::Io { .. })));
    // The hole in front of them is: who takes in must know what was written.
    let mut staged = {
        drop(staged);
        repository.stage(&sample.key, sample.size(), BOTH).unwrap()
    };
    staged.ahead_writer().write(10_000, &sample.bytes[10_000..]).unwrap();
    staged.advance(sample.size()).unwrap();
    assert!(matches!(staged.finish(&sample.expected()), Err(BlobError::Mismatch { .. })));
}

#[test]
fn overlaps_are_skipped_gaps_and_overruns_refused() {
    let repository = open(&TestFs::new()).unwrap();
    let sample = Sample::new(3, 50_000);
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    staged.append(0, &sample.bytes[..20_000]).unwrap();
    staged.append(10_000, &sample.bytes[10_000..30_000]).unwrap();
    staged.append(5, &sample.bytes[5..10]).unwrap();
    assert_eq!(staged.offset(), 30_000);
    let gap = staged.append(30_001, &[0]);
    assert!(matches!(gap, Err(BlobError::Gap { expected: 30_000, .. })), "{gap:?}");
    for (offset, len) in [(30_000, 20_001), (50_000, 1), (u64::MAX, 1), (0, 50_001)] {
        let overrun = staged.append(offset, &vec![0; len]);
        assert!(matches!(overrun, Err(BlobError::Overrun { .. })), "{overrun:?}");
    }
    let early = repository.stage(&sample.key, sample.size(), BOTH);
    assert!(matches!(early, Err(BlobError::Busy { .. })), "{early:?}");
    staged.append(30_000, &sample.bytes[30_000..]).unwrap();
    repository.publish(staged.finish(&sample.expected()).unwrap()).unwrap();
    assert!(read_all(&repository, &sample.id).0 == sample.bytes);
}

#[test]
fn what_differs_from_its_declaration_is_refused_and_removed() {
    let repository = open(&TestFs::new()).unwrap();
    let (sample, other) = (Sample::new(4, 40_000), Sample::new(5, 40_000));
    let right = sample.expected();
    let wrong = [
        ("size", Expected { size: 39_999, ..right }),
        ("BLAKE3", Expected { blake3: Some(other.id), ..right }),
        ("SHA-256", Expected { sha256: Some(other.sha256()), ..right }),
    ];
    for (differs, expected) in wrong {
        for digests in [BOTH, DigestSet::Blake3] {
            let mut staged = repository.stage(&sample.key, sample.size(), digests).unwrap();
            assert_eq!(staged.offset(), 0);
            staged.append(0, &sample.bytes).unwrap();
            let error = staged.finish(&expected).unwrap_err();
            assert!(matches!(error, BlobError::Mismatch { what, .. } if what == differs));
            assert!(repository.staged_keys().unwrap().is_empty());
        }
    }
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    staged.append(0, &sample.bytes[1..]).unwrap();
    let error = staged.finish(&right).unwrap_err();
    assert!(matches!(error, BlobError::Incomplete { have: 39_999, .. }), "{error:?}");
}

#[test]
fn a_mark_never_vouches_for_bytes_of_another_attempt() {
    let (fs, sample) = (TestFs::new(), Sample::new(6, 90_000));
    let repository = open(&fs).unwrap();
    let mut staged = repository.stage(&sample.key, 80_000, BOTH).unwrap();
    staged.append(0, &[9; 80_000]).unwrap();
    staged.pause().unwrap();
    drop(staged);
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    assert_eq!(staged.offset(), 0, "the size differs");
    staged.append(0, &sample.bytes[..50_000]).unwrap();
    drop(staged);
    fs.power_cut(Cut::Everything);
    store(&open(&fs).unwrap(), &sample).unwrap();
    for mark in [&b""[..], b"7", b"9 of 8", b"-1 of 90000", &[0xff; 60], &[b'1'; 1000]] {
        let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
        staged.append(0, &[1; 10]).unwrap();
        staged.pause().unwrap();
        drop(staged);
        fs.overwrite(format!("/repository/staged/{}.mark", sample.key).as_ref(), mark);
        let staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
        assert_eq!(staged.offset(), 0, "{mark:?}");
    }
}

#[test]
fn publishing_twice_is_the_same_as_once() {
    let (fs, sample) = (TestFs::new(), Sample::new(7, 40_000));
    let repository = open(&fs).unwrap();
    store(&repository, &sample).unwrap();
    store(&repository, &sample).unwrap();
    let second = Sample { key: StageKey::Content(sample.id), ..Sample::new(7, 40_000) };
    store(&repository, &second).unwrap();
    assert_eq!(repository.list(), [(sample.id, 40_000)]);
    assert!(repository.staged_keys().unwrap().is_empty());
    repository.verify(&sample.id).unwrap();
}

#[test]
fn sweeping_spares_what_is_wanted_and_what_is_in_use() {
    let (fs, size) = (TestFs::new(), 500_000);
    let repository = open(&fs).unwrap();
    let [kept, used, left] = [8, 9, 10].map(|seed| Sample::new(seed, size));
    for sample in [&kept, &used, &left] {
        let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
        staged.append(0, &sample.bytes[..400_000]).unwrap();
        staged.pause().unwrap();
    }
    let in_use = repository.stage(&used.key, used.size(), BOTH).unwrap();
    assert_eq!(repository.staged_keys().unwrap().len(), 3);
    assert_eq!(
        repository.sweep_staged(|key| *key == kept.key).unwrap(),
        3,
        "bytes, outboard and mark"
    );
    assert_eq!(repository.staged_keys().unwrap().len(), 2);
    assert_eq!(in_use.offset(), 400_000);
    drop(in_use);
    assert_eq!(repository.stage(&kept.key, kept.size(), BOTH).unwrap().offset(), 400_000);
    assert_eq!(repository.stage(&left.key, left.size(), BOTH).unwrap().offset(), 0);
}

#[test]
fn one_staged_file_is_thrown_away_unless_it_is_in_use() {
    let repository = open(&TestFs::new()).unwrap();
    let [thrown, other] = [12, 13].map(|seed| Sample::new(seed, 500_000));
    for sample in [&thrown, &other] {
        let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
        staged.append(0, &sample.bytes[..400_000]).unwrap();
        staged.pause().unwrap();
    }
    let in_use = repository.stage(&thrown.key, thrown.size(), BOTH).unwrap();
    assert!(!repository.discard_staged(&thrown.key).unwrap());
    drop(in_use);
    for _ in 0..2 {
        assert!(repository.discard_staged(&thrown.key).unwrap(), "nothing of it is left");
        assert_eq!(repository.staged_keys().unwrap(), [other.key]);
    }
    assert_eq!(repository.stage(&thrown.key, thrown.size(), BOTH).unwrap().offset(), 0);
}

#[test]
fn after_a_failed_sync_nothing_unsynced_is_trusted() {
    for failing in 0.. {
        let (fs, sample) = (TestFs::new(), Sample::new(11, 120_000));
        let repository = open(&fs).unwrap();
        fs.plan(Plan { sync_fails_at: Some(failing), ..Plan::default() });
        let attempt = || -> Result<(), BlobError> {
            let mut staged = repository.stage(&sample.key, sample.size(), BOTH)?;
            staged.append(0, &sample.bytes[..70_000])?;
            if let Err(error) = staged.pause() {
                let later = staged.append(70_000, &sample.bytes[70_000..]);
                // The first sync is that of the bytes, the others are those of the mark.
                assert_eq!(later.is_err(), failing == 0, "{later:?}");
                return Err(error);
            }
            staged.append(70_000, &sample.bytes[70_000..])?;
            repository.publish(staged.finish(&sample.expected())?)
        };
        let result = attempt();
        if !fs.plan_came_about() {
            assert!(result.is_ok() && failing > 5);
            return;
        }
        assert!(result.is_err() && !repository.contains(&sample.id), "sync {failing}: {result:?}");
        fs.plan(Plan::default());
        store(&repository, &sample).unwrap();
        fs.power_cut(Cut::Nothing);
        open(&fs).unwrap().verify(&sample.id).unwrap();
    }
}

#[test]
fn what_is_hashed_again_is_written_on_the_way_and_not_gathered() {
    let (fs, sample) = (TestFs::new(), Sample::new(9, (25 << 20) + 77));
    let end = (24 << 20) + 5;
    let repository = open(&fs).unwrap();
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    staged.append(0, &sample.bytes[..end]).unwrap();
    staged.pause().unwrap();
    drop(staged);
    // Not what the first attempt wrote, but what the second one writes.
    let path = PathBuf::from(format!("/repository/staged/{}.tree", sample.key));
    fs.overwrite(&path, &[]);
    let mut staged = repository.stage(&sample.key, sample.size(), BOTH).unwrap();
    assert_eq!(staged.offset(), end as u64);
    let right = crate::builder::outboard_of(&sample.bytes).1;
    let written = fs.contents(&path).unwrap();
    let same = written.chunks(64).zip(right.chunks(64)).filter(|(one, other)| one == other);
    // Three of the six spans of 4 MiB that are whole, and the size in front.
    assert!(same.count() >= 3 * 254, "it lies in memory");

    staged.append(end as u64, &sample.bytes[end..]).unwrap();
    repository.publish(staged.finish(&sample.expected()).unwrap()).unwrap();
    assert_eq!(fs.contents(&sample.tree_path()), Some(right));
    assert!(read_all(&repository, &sample.id).0 == sample.bytes);
}
