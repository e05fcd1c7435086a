//! Changes of files without new bytes: renaming, copying, deleting.

use xylem_db::{
    Actor, ChangeFile, Changed, Database, DbError, Declaration, DigestSource, FileChange, LiveFile,
    NewUpload,
};
use xylem_model::{CategoryId, ContentId, FileId, FileKind, Generation, Priority, Stamp, UploadId};

use crate::bench::{Bench, admin, at, declaration, enroll, id, name, publish, sign};

fn account() -> Actor {
    Actor::new("account casper on Root")
}

async fn ask(db: &Database, file: &str, change: FileChange) -> Result<Changed, DbError> {
    let new_file = id(FileId::from_parts);
    let asked = ChangeFile { kind: FileKind::Package, name: name(file), change, new_file };
    db.change_file(&asked, &account(), at(100), sign).await
}

async fn made(db: &Database, file: &str, change: FileChange) -> Stamp {
    match ask(db, file, change).await.unwrap() {
        Changed::Made(stamp) => stamp,
        other => panic!("{other:?}"),
    }
}

fn rename(to: &str, replace: bool) -> FileChange {
    FileChange::Rename { to: name(to), replace }
}

fn copy(to: &str, replace: bool) -> FileChange {
    FileChange::Copy { to: name(to), replace }
}

async fn live(db: &Database, file: &str) -> Option<LiveFile> {
    match db.file_by_name(&name(file)).await {
        Ok(live) => Some(live),
        Err(DbError::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// `Tool.pkg` and `Other.pkg`, each with one version.
async fn filled(bench: &Bench) -> Database {
    let db = bench.open().await;
    let server = enroll(&db, "Root").await;
    let category = id(CategoryId::from_parts);
    db.add_category(category, "Tools", &admin(), at(1)).await.unwrap();
    let tool = NewUpload {
        priority: Priority::Urgent,
        category: Some(category),
        sha256: None,
        ..declaration(server, "Tool.pkg", b"tool")
    };
    publish(&db, &tool, b"tool").await;
    publish(&db, &declaration(server, "Other.pkg", b"other"), b"other").await;
    let book = NewUpload { kind: FileKind::Ebook, ..declaration(server, "Book.pkg", b"book") };
    publish(&db, &book, b"book").await;
    db
}

pub(crate) async fn a_new_name_is_the_next_version_of_the_same_content(bench: Bench) {
    let db = filled(&bench).await;
    let before = live(&db, "Tool.pkg").await.unwrap();
    let stamp = made(&db, "Tool.pkg", rename("Tool 2.pkg", false)).await;
    assert_eq!(stamp, db.stamp().await.unwrap());
    assert!(live(&db, "Tool.pkg").await.is_none());
    let after = live(&db, "tool 2.PKG").await.unwrap();
    assert_eq!((after.file.id, after.file.stamp), (before.file.id, stamp));
    assert_eq!((after.file.name.as_str(), after.file.category), ("Tool 2.pkg", before.file.category));
    let version = &after.version;
    assert_eq!((version.number, version.content), (2, ContentId::of(b"tool")));
    assert_eq!((version.priority, version.published), (Priority::Urgent, Some(at(100))));
    assert_eq!(version.content_source, DigestSource::Declared);
    assert_eq!(version.sha256_source, DigestSource::ComputedByIngest);
    assert_eq!(version.inspection, before.version.inspection);
    let signed = format!("Tool 2.pkg 2 {} {stamp}", version.content);
    assert_eq!(version.descriptor, signed.into_bytes());
    assert_eq!(db.versions(before.file.id).await.unwrap()[1], before.version, "its history");
    let record = &db.audit_records(None, 1).await.unwrap()[0];
    assert_eq!((&*record.actor, &*record.action, &*record.object),
        ("account casper on Root", "file.rename", "Tool.pkg"));

    // The name is free again, and undoing a deletion brings the new name back.
    made(&db, "Tool 2.pkg", FileChange::Delete).await;
    db.restore_file(&name("Tool 2.pkg"), &admin(), at(110)).await.unwrap();
    assert_eq!(live(&db, "Tool 2.pkg").await.unwrap().version, after.version);
}

pub(crate) async fn another_spelling_is_a_new_name_and_the_same_is_none(bench: Bench) {
    let db = filled(&bench).await;
    let before = db.stamp().await.unwrap();
    assert_eq!(made(&db, "Tool.pkg", rename("Tool.pkg", false)).await, before);
    assert_eq!(made(&db, "Tool.pkg", copy("Tool.pkg", false)).await, before);
    assert_eq!(db.stamp().await.unwrap(), before);
    made(&db, "Tool.pkg", rename("TOOL.pkg", false)).await;
    let after = live(&db, "Tool.pkg").await.unwrap();
    assert_eq!((after.file.name.as_str(), after.version.number), ("TOOL.pkg", 2));
    let taken = ask(&db, "TOOL.pkg", copy("tool.pkg", true)).await.unwrap();
    assert_eq!(taken, Changed::NameTaken { existing: name("TOOL.pkg"), kind: FileKind::Package });
}

pub(crate) async fn renaming_onto_a_file_replaces_it_and_can_be_undone(bench: Bench) {
    let db = filled(&bench).await;
    let (tool, other) = (live(&db, "Tool.pkg").await.unwrap(), live(&db, "Other.pkg").await.unwrap());
    let before = db.stamp().await.unwrap();
    let refused = ask(&db, "Tool.pkg", rename("Other.pkg", false)).await.unwrap();
    assert_eq!(refused, Changed::Exists { existing: Box::new(other.version.clone()) });
    assert_eq!(db.stamp().await.unwrap(), before);

    made(&db, "Tool.pkg", rename("Other.pkg", true)).await;
    assert!(live(&db, "Tool.pkg").await.is_none());
    let after = live(&db, "Other.pkg").await.unwrap();
    assert_eq!((after.file.id, after.version.number), (other.file.id, 2));
    assert_eq!((after.version.content, after.file.category), (ContentId::of(b"tool"), None));
    let gone = &db.removed_since(before.generation, 9).await.unwrap()[0];
    assert_eq!(gone.id, tool.file.id);
    assert_ne!(gone.stamp, after.file.stamp, "each change has a generation of its own");
    db.restore_file(&name("Tool.pkg"), &admin(), at(110)).await.unwrap();

    // What has the content already stays as it is; the other goes.
    made(&db, "Tool.pkg", rename("Other.pkg", true)).await;
    assert_eq!(live(&db, "Other.pkg").await.unwrap(), after);
    assert!(live(&db, "Tool.pkg").await.is_none());
}

pub(crate) async fn a_copy_is_a_file_of_its_own(bench: Bench) {
    let db = filled(&bench).await;
    let tool = live(&db, "Tool.pkg").await.unwrap();
    made(&db, "Tool.pkg", copy("Copy.pkg", false)).await;
    let copied = live(&db, "Copy.pkg").await.unwrap();
    assert_ne!(copied.file.id, tool.file.id);
    assert_eq!((copied.version.number, copied.version.content), (1, tool.version.content));
    assert_eq!(copied.file.category, tool.file.category);
    assert_eq!(live(&db, "Tool.pkg").await.unwrap(), tool);

    let refused = ask(&db, "Tool.pkg", copy("Other.pkg", false)).await.unwrap();
    assert!(matches!(refused, Changed::Exists { .. }), "{refused:?}");
    let stamp = made(&db, "Tool.pkg", copy("Other.pkg", true)).await;
    let other = live(&db, "Other.pkg").await.unwrap();
    assert_eq!((other.version.number, other.version.content), (2, tool.version.content));
    assert_eq!(made(&db, "Tool.pkg", copy("Other.pkg", true)).await, stamp, "it has the content");
    let all = db.live_versions(Some(Generation(0)), 9).await.unwrap();
    assert_eq!(all.len(), 4);
}

/// To whoever writes, moves and copies; also where the content is the same.
pub(crate) async fn a_name_under_which_a_version_only_waits_is_free(bench: Bench) {
    let db = filled(&bench).await;
    let server = db.distribution_servers().await.unwrap()[0].id;
    for (file, bytes) in
        [("Moved.pkg", "old"), ("Moved.pkg", "tool"), ("Copied.pkg", "new"), ("Written.pkg", "new")]
    {
        let bytes = bytes.as_bytes();
        let waits = NewUpload { test: true, ..declaration(server, file, bytes) };
        publish(&db, &waits, bytes).await;
    }
    // What moves there comes with what waits beside it, and stays the file that it is.
    let next = NewUpload { test: true, replace: true, ..declaration(server, "Tool.pkg", b"next") };
    let waiting = publish(&db, &next, b"next").await.number;
    let source = live(&db, "Tool.pkg").await.unwrap().file.id;
    made(&db, "Other.pkg", copy("Copied.pkg", false)).await;
    made(&db, "Tool.pkg", rename("Moved.pkg", false)).await;
    let file = live(&db, "Moved.pkg").await.unwrap().file;
    assert_eq!((file.id, file.test), (source, Some(waiting)));
    let records = db.audit_records(None, 2).await.unwrap();
    let moved = records.iter().find(|it| it.action == "file.rename").unwrap();
    assert_eq!(moved.detail["warnings"], serde_json::json!([]), "its content is the same");
    publish(&db, &declaration(server, "Written.pkg", b"written"), b"written").await;
    assert!(live(&db, "Tool.pkg").await.is_none());
    for (file, number, test, bytes) in [
        ("Moved.pkg", waiting + 1, Some(waiting), "tool"),
        ("Copied.pkg", 2, None, "other"),
        ("Written.pkg", 2, None, "written"),
    ] {
        let found = live(&db, file).await.unwrap();
        assert_eq!((found.file.production, found.file.test), (Some(number), test), "{file}");
        assert_eq!(found.version.content, ContentId::of(bytes.as_bytes()), "{file}");
    }
}

pub(crate) async fn changes_that_cannot_be_change_nothing(bench: Bench) {
    let db = filled(&bench).await;
    let before = db.stamp().await.unwrap();
    for change in [rename("x.pkg", false), copy("x.pkg", true), FileChange::Delete] {
        for file in ["Nothing.pkg", "Book.pkg"] {
            let missing = ask(&db, file, change.clone()).await.unwrap_err();
            assert_eq!(missing.to_string(), format!("there is no package `{file}`"));
        }
    }
    for (to, kind) in [("OTHER.pkg", FileKind::Package), ("Book.pkg", FileKind::Ebook)] {
        for change in [rename(to, true), copy(to, true)] {
            let taken = ask(&db, "Tool.pkg", change).await.unwrap();
            assert!(matches!(taken, Changed::NameTaken { kind: of, .. } if of == kind), "{taken:?}");
        }
    }
    let asked = ChangeFile {
        kind: FileKind::Package,
        name: name("Tool.pkg"),
        change: rename("Other.pkg", true),
        new_file: id(FileId::from_parts),
    };
    let fails = |_: &_| Err::<Vec<u8>, _>(std::io::Error::other("no key"));
    let failed = db.change_file(&asked, &account(), at(100), fails).await;
    assert!(matches!(failed, Err(DbError::Sign(_))), "{failed:?}");
    assert_eq!(db.stamp().await.unwrap(), before);
    assert_eq!(db.count_files().await.unwrap(), 3);
}

pub(crate) async fn what_was_received_is_declared_once(bench: Bench) {
    let db = filled(&bench).await;
    let root = db.distribution_servers().await.unwrap()[0].id;
    let new = NewUpload {
        blake3: None,
        sha256: None,
        replace: true,
        ..declaration(root, "Tool.pkg", b"tool, but newer")
    };
    for expires in [1_000, 2_000] {
        let again = NewUpload { expires: at(expires), ..new.clone() };
        let declared = db.declare_received(&again, &account(), at(11)).await.unwrap();
        let Declaration::Declared(upload) = declared else { panic!("{declared:?}") };
        assert_eq!((upload.declared.id, upload.declared.expires), (new.id, at(1_000)));
        assert_eq!(upload.actor, "account casper on Root");
    }
    let other = NewUpload { size: 1, ..new.clone() };
    let refused = db.declare_received(&other, &account(), at(12)).await;
    assert!(matches!(refused, Err(DbError::WrongState { .. })), "{refused:?}");
    let foreign = db.declare_received(&new, &admin(), at(12)).await;
    assert!(matches!(foreign, Err(DbError::WrongState { .. })), "{foreign:?}");

    let variant = NewUpload { id: id(UploadId::from_parts), name: name("TOOL.pkg"), ..new };
    let taken = db.declare_received(&variant, &account(), at(12)).await.unwrap();
    assert!(matches!(taken, Declaration::NameTaken { .. }), "{taken:?}");
}
