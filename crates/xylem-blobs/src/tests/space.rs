//! A disk that is full.

use super::{Sample, open, store};
use crate::test_fs::{Cut, Plan, TestFs};
use crate::{BlobError, DigestSet, Repository};

#[test]
fn a_disk_full_at_any_write_leaves_nothing_visible_and_the_upload_resumable() {
    let sample = Sample::new(1, 5 * 16_384 + 7);
    for stays_full in [false, true] {
        for write in 0.. {
            let fs = TestFs::new();
            let repository = open(&fs).unwrap();
            fs.plan(Plan { full_at: Some(write), stays_full, ..Plan::default() });
            let result = store(&repository, &sample);
            if !fs.plan_came_about() {
                assert!(result.is_ok() && write > 8, "only {write} writes were tried");
                break;
            }
            let told = matches!(result, Err(BlobError::NoSpace { .. } | BlobError::Io { .. }));
            assert!(told, "write {write}: {result:?}");
            assert!(!repository.contains(&sample.id));
            assert!(repository.open_blob(&sample.id).is_err());
            fs.plan(Plan::default());
            let reopened = fs.copy();
            store(&repository, &sample).unwrap();
            repository.verify(&sample.id).unwrap();
            reopened.power_cut(Cut::Torn(write as u64));
            let repository = open(&reopened).unwrap();
            store(&repository, &sample).unwrap();
            repository.verify(&sample.id).unwrap();
        }
    }
}

#[test]
fn an_append_that_found_the_disk_full_can_be_made_again() {
    let sample = Sample::new(2, 5 << 20);
    for write in 0.. {
        let fs = TestFs::new();
        let repository = open(&fs).unwrap();
        let mut staged =
            repository.stage(&sample.key, sample.size(), DigestSet::Blake3AndSha256).unwrap();
        fs.plan(Plan { full_at: Some(write), ..Plan::default() });
        for piece in sample.bytes.chunks(1_000_000) {
            let offset = staged.offset();
            if let Err(error) = staged.append(offset, piece) {
                assert!(matches!(error, BlobError::NoSpace { .. }), "{error:?}");
                staged.append(offset, piece).unwrap();
            }
        }
        let came_about = fs.plan_came_about();
        fs.plan(Plan::default());
        repository.publish(staged.finish(&sample.expected()).unwrap()).unwrap();
        repository.verify(&sample.id).unwrap();
        if !came_about {
            assert!(write > 6);
            return;
        }
    }
}

#[test]
fn an_upload_that_cannot_fit_is_refused_before_its_first_byte() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    fs.set_capacity(1_000_000);
    let free = repository.free_space().unwrap();
    let [one, two, three] = [3, 4, 5].map(|seed| Sample::new(seed, 600_000));
    let too_large = free / 100 * 96;
    let error = repository.stage(&one.key, too_large, DigestSet::Blake3).unwrap_err();
    let BlobError::NoSpace { needed, free: told, .. } = error else { panic!("{error:?}") };
    assert!(needed > free && told == free);
    assert!(repository.staged_keys().unwrap().is_empty(), "nothing is left of it");
    assert!(repository.stage(&one.key, u64::MAX, DigestSet::Blake3).is_err());

    let mut first = repository.stage(&one.key, one.size(), DigestSet::Blake3).unwrap();
    let error = repository.stage(&two.key, two.size(), DigestSet::Blake3).unwrap_err();
    assert!(matches!(error, BlobError::NoSpace { .. }), "room is promised once: {error:?}");
    first.append(0, &one.bytes).unwrap();
    first.discard().unwrap();
    let error = repository.stage(&three.key, u64::MAX, DigestSet::Blake3);
    assert!(matches!(error, Err(BlobError::NoSpace { .. })), "{error:?}");
}

/// Two files have had the name of the staged file in turn, and no folder was synced in between.
#[test]
fn an_upload_that_had_no_room_at_first_starts_anew_and_survives_a_power_cut() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let sample = Sample::new(6, 300_001);
    let (first, rest) = sample.bytes.split_at(100_000);
    let stage = |repository: &Repository| {
        repository.stage(&sample.key, sample.size(), DigestSet::Blake3AndSha256)
    };
    fs.set_capacity(10_000);
    assert!(matches!(stage(&repository), Err(BlobError::NoSpace { .. })));
    fs.set_capacity(1 << 40);
    let mut staged = stage(&repository).unwrap();
    staged.append(0, first).unwrap();
    staged.pause().unwrap();
    drop(staged);
    for cut in [None, Some(Cut::Nothing), Some(Cut::Everything), Some(Cut::Torn(1))] {
        let fs = fs.copy();
        cut.into_iter().for_each(|cut| fs.power_cut(cut));
        let repository = open(&fs).unwrap();
        let mut staged = stage(&repository).unwrap();
        assert_eq!(staged.offset(), first.len() as u64, "{cut:?}");
        staged.append(staged.offset(), rest).unwrap();
        repository.publish(staged.finish(&sample.expected()).unwrap()).unwrap();
        repository.verify(&sample.id).unwrap();
    }
}
