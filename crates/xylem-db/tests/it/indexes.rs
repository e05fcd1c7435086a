//! What contents put on a Mac.

use serde_json::json;
use xylem_db::{Commit, Database, DbError, FileChange, IngestResult, NewUpload, Version};
use xylem_model::{
    CheckedIndex, FileId, FileKind, IndexedKind, IndexedPath, MAX_PACKED_INDEX_BYTES,
    PackedIndex, RecordError,
};

use crate::backup::dump;
use crate::bench::{
    Bench, admin, at, declaration, declare, enroll, found, id, name, publish, sign,
};
use crate::records::describe;

/// An index of these paths.
pub(crate) fn index(paths: &[&str]) -> CheckedIndex {
    let entry = |path: &&str| IndexedPath { kind: IndexedKind::File, path: (*path).to_owned() };
    PackedIndex::pack(paths.iter().map(entry)).unwrap().check().unwrap()
}

/// The whole way of a file with an index.
pub(crate) async fn publish_indexed(
    db: &Database,
    new: &NewUpload,
    bytes: &[u8],
    index: &CheckedIndex,
) -> Version {
    declare(db, new).await;
    let inspection = json!({ "index": { "entries": index.entries() } });
    let found = IngestResult { inspection, index: Some(index.clone()), ..found(bytes) };
    let file = id(FileId::from_parts);
    let committed = db.commit_upload(new.id, &found, file, at(20), sign).await.unwrap();
    let Commit::Committed(version) = committed else { panic!("{committed:?}") };
    db.mark_published(new.id, at(30)).await.unwrap();
    *version
}

pub(crate) async fn an_index_is_kept_by_content_and_the_last_counts(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    let first = index(&["/Applications/A.app", "/Library/A"]);
    let content =
        publish_indexed(&db, &declaration(root, "A.pkg", b"same"), b"same", &first).await.content;
    assert_eq!(db.index(content).await.unwrap(), Some(first));
    assert_eq!(db.index_entries(content).await.unwrap(), Some(2));
    let other = index(&["/elsewhere"]);
    publish_indexed(&db, &declaration(root, "B.pkg", b"same"), b"same", &other).await;
    // Whoever reads better later on is believed.
    assert_eq!(db.index(content).await.unwrap(), Some(other.clone()));

    let without = publish(&db, &declaration(root, "C.pkg", b"c"), b"c").await.content;
    assert_eq!(db.index(without).await.unwrap(), None);
    assert_eq!(db.index_entries(without).await.unwrap(), None);
    // What is there already, without one, gets it with the same bytes.
    let late = NewUpload {
        blake3: None,
        sha256: None,
        replace: true,
        ..declaration(root, "C.pkg", b"c")
    };
    let late = publish_indexed(&db, &late, b"c", &other).await;
    assert_eq!((late.number, db.index(without).await.unwrap()), (1, Some(other)));
}

pub(crate) async fn an_index_is_forgotten_with_the_last_version(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    let index = index(&["/a"]);
    let content =
        publish_indexed(&db, &declaration(root, "A.pkg", b"same"), b"same", &index).await.content;
    publish(&db, &declaration(root, "B.pkg", b"same"), b"same").await;
    for (file, is_known) in [("A.pkg", true), ("B.pkg", false)] {
        db.delete_file(&name(file), &admin(), at(50)).await.unwrap();
        assert!(db.index(content).await.unwrap().is_some(), "it may be restored");
        db.purge_deleted(at(51), &admin(), at(60)).await.unwrap();
        assert_eq!(db.index(content).await.unwrap().is_some(), is_known, "{file}");
    }
}

pub(crate) async fn indexes_of_the_largest_size_go_into_backups(bench: Bench) {
    let source = bench.open_beside("source.db").await;
    let root = enroll(&source, "root").await;
    let mut indexes = Vec::new();
    // More than one page, and more than one batch. What is in them is of no account here.
    for n in 0_u8..20 {
        let bytes = if n < 4 { MAX_PACKED_INDEX_BYTES } else { 9 };
        let index = CheckedIndex::stored(u32::from(n) + 1, vec![n; bytes]);
        let file = format!("{n}.pkg");
        let new = declaration(root, &file, file.as_bytes());
        let content = publish_indexed(&source, &new, file.as_bytes(), &index).await.content;
        indexes.push((content, index));
    }
    let bytes = dump(&source).await;
    let db = bench.open().await;
    db.load(&mut &*bytes).await.unwrap();
    for (content, index) in indexes {
        assert_eq!(db.index(content).await.unwrap(), Some(index), "{content}");
    }
    assert!(dump(&db).await == bytes);
}

pub(crate) async fn what_has_an_index_may_be_uninstalled(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    let paths = index(&["/a"]);
    let replaced = |file: &str, bytes: &[u8]| NewUpload {
        replace: true,
        ..declaration(root, file, bytes)
    };
    let file = publish(&db, &declaration(root, "A.pkg", b"1"), b"1").await.file;
    let allow = || json!({ "allow_uninstall": true });
    let refused = describe(&db, file, 0, allow()).await.unwrap_err();
    let DbError::Record(RecordError::Rule { field: "allow_uninstall", .. }) = refused else {
        panic!("{refused}")
    };
    // A version for testing is not what computers have.
    let test = NewUpload { test: true, ..declaration(root, "A.pkg", b"2") };
    publish_indexed(&db, &test, b"2", &paths).await;
    assert!(describe(&db, file, 0, allow()).await.is_err());
    publish_indexed(&db, &replaced("A.pkg", b"3"), b"3", &paths).await;
    assert!(describe(&db, file, 0, allow()).await.unwrap().now.record.allow_uninstall);

    // The next one has none: the rest of the record can be changed all the same.
    publish(&db, &replaced("A.pkg", b"4"), b"4").await;
    let noted = describe(&db, file, 1, json!({ "notes": "n" })).await.unwrap().now;
    assert!(noted.record.allow_uninstall);
    let no = json!({ "allow_uninstall": false });
    describe(&db, file, 2, no).await.unwrap();
    assert!(describe(&db, file, 3, allow()).await.is_err());
    assert!(db.restore_record(file, 2, 3, &admin(), at(60)).await.is_err(), "nor taken back to it");

    // Where nothing is in production yet, the one that waits counts.
    let waits = NewUpload { test: true, ..declaration(root, "B.pkg", b"b") };
    let waits = publish_indexed(&db, &waits, b"b", &paths).await.file;
    assert!(describe(&db, waits, 0, allow()).await.unwrap().changed);
    // A copy has the content, and so the index.
    let copy = xylem_db::ChangeFile {
        kind: FileKind::Package,
        name: name("A.pkg"),
        change: FileChange::Copy { to: name("Copy.pkg"), replace: false },
        new_file: id(FileId::from_parts),
    };
    publish_indexed(&db, &replaced("A.pkg", b"5"), b"5", &paths).await;
    db.change_file(&copy, &admin(), at(70), sign).await.unwrap();
    let copy = db.file_by_name(&name("Copy.pkg")).await.unwrap().file.id;
    assert!(describe(&db, copy, 0, allow()).await.unwrap().changed);
}
