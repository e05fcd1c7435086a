//! Many small files at once.

use super::{Sample, open, read_all};
use crate::BlobError;
use crate::test_fs::{Plan, TestFs};

fn samples() -> Vec<Sample> {
    [0, 1, 16_384, 16_385, 100_000].into_iter().zip(1..).map(|(n, s)| Sample::new(s, n)).collect()
}

#[test]
fn a_batch_becomes_visible_together_and_leaves_nothing_staged() {
    let repository = open(&TestFs::new()).unwrap();
    let mut batch = repository.begin_batch();
    for sample in samples() {
        batch.add(&sample.id, &sample.bytes).unwrap();
        assert!(!repository.contains(&sample.id));
    }
    assert_eq!((batch.len(), batch.bytes()), (5, 132_770));
    batch.publish().unwrap();
    for sample in samples() {
        assert!(read_all(&repository, &sample.id).0 == sample.bytes);
        repository.verify(&sample.id).unwrap();
    }
    assert!(repository.staged_keys().unwrap().is_empty());
}

#[test]
fn wrong_bytes_never_touch_the_disk_and_the_others_go_on() {
    let repository = open(&TestFs::new()).unwrap();
    let (right, wrong) = (Sample::new(1, 50_000), Sample::new(2, 50_000));
    let mut batch = repository.begin_batch();
    let error = batch.add(&wrong.id, &right.bytes).unwrap_err();
    assert!(matches!(error, BlobError::ForeignBytes { .. }), "{error:?}");
    batch.add(&right.id, &right.bytes).unwrap();
    assert_eq!(repository.staged_keys().unwrap().len(), 1);
    batch.publish().unwrap();
    assert!(repository.contains(&right.id) && !repository.contains(&wrong.id));
}

#[test]
fn a_batch_that_is_dropped_or_fails_leaves_nothing_and_may_be_tried_again() {
    for failing in [None, Some(0), Some(1), Some(2), Some(3)] {
        let fs = TestFs::new();
        let repository = open(&fs).unwrap();
        fs.plan(Plan { sync_fails_at: failing, ..Plan::default() });
        let mut batch = repository.begin_batch();
        for sample in samples() {
            batch.add(&sample.id, &sample.bytes).unwrap();
        }
        match failing {
            None => drop(batch),
            Some(_) => assert!(batch.publish().is_err()),
        }
        assert!(repository.list().is_empty());
        assert!(repository.staged_keys().unwrap().is_empty(), "{failing:?}");
        fs.plan(Plan::default());
        let mut batch = repository.begin_batch();
        for sample in samples() {
            batch.add(&sample.id, &sample.bytes).unwrap();
        }
        batch.publish().unwrap();
        assert_eq!(repository.list().len(), 5);
    }
}

#[test]
fn a_full_disk_refuses_a_file_with_the_numbers_and_keeps_the_others() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    fs.set_capacity(400_000);
    let (first, second) = (Sample::new(1, 200_000), Sample::new(2, 300_000));
    let mut batch = repository.begin_batch();
    batch.add(&first.id, &first.bytes).unwrap();
    let error = batch.add(&second.id, &second.bytes).unwrap_err();
    assert!(matches!(error, BlobError::NoSpace { needed: 315_000, .. }), "{error:?}");
    batch.publish().unwrap();
    assert!(repository.contains(&first.id));
}
