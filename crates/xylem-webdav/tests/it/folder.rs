//! The folder tree and the locks, over restarts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dav_server::ls::DavLockSystem;
use xylem_model::Timestamp;
use xylem_runtime::{Environment, ManualClock};
use xylem_webdav::{DavPath, DavProp, Folder, FolderError, Locks, Place, Property, patch};

fn place(path: &str) -> Place {
    Place::of_url(path).unwrap()
}

fn open(root: &Path) -> Folder {
    Folder::open(Environment::real(), root.to_owned()).unwrap()
}

async fn put(folder: &Folder, path: &str, bytes: &'static [u8]) {
    let mut incoming = folder.incoming().await.unwrap();
    incoming.write(Bytes::from_static(bytes)).await.unwrap();
    folder.put(&place(path), incoming, "casper").await.unwrap();
}

async fn read(folder: &Folder, path: &str) -> Vec<u8> {
    let (file, meta) = folder.read(&place(path)).await.unwrap();
    let mut bytes = vec![0; usize::try_from(meta.len).unwrap()];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

async fn names(folder: &Folder, path: &str) -> Vec<String> {
    let entries = folder.list(&place(path)).await.unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path());
    folder.make_folder(&place("/a"), "casper").await.unwrap();
    put(&folder, "/a/one", b"1").await;
    put(&folder, "/a/one", b"11").await;
    folder.copy(&place("/a/one"), &place("/two"), "casper").await.unwrap();
    folder.rename(&place("/a"), &place("/b")).await.unwrap();
    let value = DavProp::new("c".into(), "x".into(), "urn:x".into(), "red".into());
    let (properties, _) = patch(&[], vec![(true, value.clone())]);
    folder.set_properties(&place("/b/one"), properties.unwrap()).await.unwrap();

    let folder = open(root.path());
    assert_eq!(names(&folder, "/").await, ["b", "two"]);
    assert_eq!(read(&folder, "/b/one").await, b"11");
    assert_eq!(read(&folder, "/two").await, b"11");
    let kept = folder.properties(&place("/b/one")).await.unwrap();
    assert!(Property::find(&kept, &value).is_some());
    assert_eq!(count(&root.path().join("files")), 1, "copies share their bytes");

    folder.remove_file(&place("/b/one")).await.unwrap();
    assert_eq!(read(&folder, "/two").await, b"11");
    folder.remove_file(&place("/two")).await.unwrap();
    assert_eq!(count(&root.path().join("files")), 0);
}

#[tokio::test]
async fn what_is_in_the_way_is_said() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path());
    folder.make_folder(&place("/a"), "casper").await.unwrap();
    folder.make_folder(&place("/a/b"), "casper").await.unwrap();
    put(&folder, "/f", b"1").await;
    let made = async |path: &str| folder.make_folder(&place(path), "casper").await;
    assert!(matches!(made("/a").await, Err(FolderError::Exists)));
    assert!(matches!(made("/x/y").await, Err(FolderError::NotFound)));
    assert!(matches!(made("/f/y").await, Err(FolderError::NotFound)));
    let into = folder.rename(&place("/a"), &place("/a/b/c")).await;
    assert!(matches!(into, Err(FolderError::IntoItself)), "{into:?}");
    let over = folder.rename(&place("/f"), &place("/a")).await;
    assert!(matches!(over, Err(FolderError::Exists)), "{over:?}");
    let full = folder.remove_folder(&place("/a")).await;
    assert!(matches!(full, Err(FolderError::NotEmpty)), "{full:?}");
    let file = folder.remove_file(&place("/a")).await;
    assert!(matches!(file, Err(FolderError::WrongKind)), "{file:?}");
    assert!(matches!(folder.meta(&place("/f/x")).await, Err(FolderError::NotFound)));
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path());
    let mut incoming = folder.incoming().await.unwrap();
    incoming.write(Bytes::from(vec![7; 3 << 20])).await.unwrap();
    assert_eq!(count(&root.path().join("incoming")), 1);
    drop(incoming);
    for _ in 0..100 {
        if count(&root.path().join("incoming")) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&root.path().join("incoming")), 0);
    assert!(names(&folder, "/").await.is_empty());
}

/// A crash in the middle of a replacement leaves two nodes with one name, and bytes of none.
#[tokio::test]
async fn what_a_crash_leaves_is_put_right() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path());
    put(&folder, "/a", b"old").await;
    let nodes = root.path().join("nodes");
    let old = std::fs::read_dir(&nodes).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read(&old).unwrap();
    put(&folder, "/b", b"new").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    folder.rename(&place("/b"), &place("/a")).await.unwrap();
    std::fs::write(&old, kept).unwrap();
    std::fs::write(root.path().join("files/0123456789abcdef0123456789abcdef"), b"x").unwrap();
    std::fs::write(root.path().join("incoming/x"), b"x").unwrap();

    let folder = open(root.path());
    assert_eq!(read(&folder, "/a").await, b"new");
    assert_eq!(names(&folder, "/").await, ["a"]);
    assert_eq!(count(&nodes), 1);
    assert_eq!(count(&root.path().join("files")), 1);
    assert_eq!(count(&root.path().join("incoming")), 0);
}

fn at(clock: &Arc<ManualClock>) -> Environment {
    Environment { clock: Arc::clone(clock) as _, ..Environment::real() }
}

#[tokio::test]
async fn a_lock_outlives_a_restart_and_ends_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("locks.json");
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_ms(1_000_000)));
    let path = DavPath::new("/Drop/a").unwrap();
    let locks = Locks::open(at(&clock), file.clone()).unwrap();
    let wanted = Some(Duration::from_secs(60));
    let lock = locks.lock(&path, Some("casper"), None, wanted, false, true).await.unwrap();

    let locks = Locks::open(at(&clock), file).unwrap();
    let below = DavPath::new("/Drop/a/b").unwrap();
    let check = |tokens: Vec<String>, who: &'static str| {
        let (locks, below) = (locks.clone(), below.clone());
        async move { locks.check(&below, Some(who), false, false, &tokens).await.is_ok() }
    };
    assert!(!check(vec![], "casper").await);
    assert!(check(vec![lock.token.clone()], "casper").await);
    assert!(!check(vec![lock.token.clone()], "wendy").await);
    assert!(locks.cover(&place("/Drop")).await && locks.cover(&place("/Drop/a/b")).await);
    let second = locks.lock(&below, Some("wendy"), None, wanted, true, false).await;
    assert_eq!(second.unwrap_err().token, lock.token);
    assert_eq!(locks.discover(&below).await.len(), 1);

    clock.advance(Duration::from_secs(50));
    locks.refresh(&path, &lock.token, wanted).await.unwrap();
    clock.advance(Duration::from_secs(50));
    assert!(!check(vec![], "casper").await);
    clock.advance(Duration::from_secs(11));
    assert!(check(vec![], "casper").await);
    assert!(locks.unlock(&path, &lock.token).await.is_err());
    assert!(!locks.cover(&place("/Drop/a")).await);
}
