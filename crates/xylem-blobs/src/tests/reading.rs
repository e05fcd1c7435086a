//! Reading ranges, many readers, and removal under their eyes.

use super::{Sample, open, read_all, store};
use crate::test_fs::{Cut, Dice, TestFs};
use crate::{
    BlobError, DigestSet, FRAME_BYTES, Reach, Repository, RepositoryOptions, StageKey, outboard_len,
};

#[test]
fn files_of_every_awkward_size_come_back_as_they_went_in() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let sizes = [0, 1, 16_383, 16_384, 16_385, 262_144, (1 << 20) + 7, (5 << 20) + 1];
    for (seed, size) in sizes.into_iter().enumerate() {
        let sample = Sample::new(seed as u64, size);
        store(&repository, &sample).unwrap();
        assert_eq!(repository.size_of(&sample.id), Some(sample.size()));
        let (bytes, result) = read_all(&repository, &sample.id);
        assert!(result.is_ok() && bytes == sample.bytes, "{size} bytes");
        repository.verify(&sample.id).unwrap();
        let tree = repository.tree(&sample.id).unwrap();
        assert_eq!(tree.len() as u64, outboard_len(sample.size()));
        assert_eq!(tree, crate::builder::outboard_of(&sample.bytes).1, "{size} bytes");
    }
    assert_eq!(repository.list().len(), sizes.len());
    assert_eq!(open(&fs).unwrap().list(), repository.list());
    assert!(repository.used_bytes() > sizes.iter().sum::<usize>() as u64);
    assert!(repository.staged_keys().unwrap().is_empty());
}

#[test]
fn any_range_can_be_read_with_any_buffer() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let sample = Sample::new(1, 700_001);
    store(&repository, &sample).unwrap();
    let mut reader = repository.open_blob(&sample.id).unwrap();
    let mut dice = Dice(2);
    for _ in 0..300 {
        let start = dice.below(sample.size());
        let end = start + dice.below(sample.size() + 10 - start);
        let mut buffer = vec![0; 16_384 + dice.below(FRAME_BYTES) as usize];
        let mut bytes = Vec::new();
        loop {
            let at = start + bytes.len() as u64;
            let frame = reader.read_frame(at..end, &mut buffer, Reach::Disk).unwrap();
            if frame.is_empty() {
                break;
            }
            bytes.extend_from_slice(&buffer[frame]);
        }
        let end = end.min(sample.size());
        assert!(bytes == sample.bytes[start as usize..end as usize], "{start}..{end}");
    }
    assert!(reader.read(sample.size(), 1).unwrap().is_empty());
    assert!(reader.read(u64::MAX, u64::MAX).unwrap().is_empty());
    let small = reader.read_frame(0..1, &mut [0; 100], Reach::Disk);
    assert!(matches!(small, Err(BlobError::SmallBuffer { .. })), "{small:?}");
}

#[test]
fn a_buffer_of_what_is_left_is_enough() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    for (seed, size) in [1, 100, 16_385, 262_144 + 100, (1 << 20) + 7].into_iter().enumerate() {
        let sample = Sample::new(seed as u64, size);
        store(&repository, &sample).unwrap();
        let mut reader = repository.open_blob(&sample.id).unwrap();
        let (mut bytes, mut offset) = (vec![0; size], 0);
        while offset < size {
            let filled =
                reader.read_frame(offset as u64..size as u64, &mut bytes[offset..], Reach::Disk);
            let filled = filled.unwrap();
            assert!(filled.start == 0 && !filled.is_empty(), "{offset} of {size}");
            offset += filled.len();
        }
        assert!(bytes == sample.bytes, "{size} bytes");
    }
}

#[test]
fn a_hundred_readers_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = xylem_runtime::Disk::real();
    let path = folder.path().join("repository");
    let repository = Repository::open(disk, path, RepositoryOptions::default()).unwrap();
    let sample = Sample::new(3, (2 << 20) + 5);
    store(&repository, &sample).unwrap();
    let barrier = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let reader = repository.open_blob(&sample.id).unwrap();
                barrier.wait();
                assert!(repository.readers(&sample.id) > 0);
                drop(reader);
                assert!(read_all(&repository, &sample.id).0 == sample.bytes);
            });
        }
    });
    assert_eq!(repository.readers(&sample.id), 0);
    assert!(repository.free_space().unwrap() > 0);
    assert!(repository.remove(&sample.id).unwrap());
}

#[test]
fn content_is_not_removed_under_a_reader() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let sample = Sample::new(4, 100_000);
    store(&repository, &sample).unwrap();
    let mut reader = repository.open_blob(&sample.id).unwrap();
    assert!(!repository.remove(&sample.id).unwrap());
    assert_eq!(reader.read(0, 10).unwrap(), sample.bytes[..10]);
    drop(reader);
    assert!(repository.remove(&sample.id).unwrap());
    assert!(!repository.remove(&sample.id).unwrap(), "it is gone already");
    assert!(matches!(repository.open_blob(&sample.id), Err(BlobError::NotFound { .. })));
    assert_eq!((fs.contents(&sample.path()), fs.contents(&sample.tree_path())), (None, None));
    fs.power_cut(Cut::Nothing);
    assert!(open(&fs).unwrap().list().is_empty(), "it does not come back");
}

#[test]
fn content_is_not_removed_while_it_is_published() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let (first, second) = (Sample::new(7, 100_000), Sample::new(7, 100_000));
    let second = Sample { key: StageKey::Content(second.id), ..second };
    let mut staged = repository.stage(&first.key, first.size(), DigestSet::Blake3).unwrap();
    staged.append(0, &first.bytes).unwrap();
    let verified = staged.finish(&first.expected()).unwrap();
    let other = repository.clone();
    fs.at_next_dir_sync(move || {
        store(&other, &second).unwrap();
        assert!(!other.remove(&second.id).unwrap(), "another publish is under way");
    });
    repository.publish(verified).unwrap();
    assert!(read_all(&repository, &first.id).0 == first.bytes);
    assert!(repository.remove(&first.id).unwrap());
}

#[test]
fn an_open_reader_goes_on_when_content_is_withdrawn() {
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    let sample = Sample::new(5, 600_000);
    store(&repository, &sample).unwrap();
    let mut reader = repository.open_blob(&sample.id).unwrap();
    assert!(repository.withdraw(&sample.id).unwrap());
    assert!(!repository.contains(&sample.id));
    assert_eq!(reader.read(300_000, 10).unwrap(), sample.bytes[300_000..300_010]);
    repository.discard_quarantined(&sample.id).unwrap();
    assert!(repository.quarantined().unwrap().is_empty());
    assert_eq!(reader.read(500_000, 10).unwrap(), sample.bytes[500_000..500_010]);
}

#[tokio::test]
async fn async_code_reaches_the_repository_too() {
    let repository = open(&TestFs::new()).unwrap();
    let sample = Sample::new(6, 50_000);
    let id = sample.id;
    repository.run(move |repository| store(repository, &sample)).await.unwrap();
    let size = repository.run(move |repository| repository.open_blob(&id).unwrap().size()).await;
    assert_eq!(size, 50_000);
}
