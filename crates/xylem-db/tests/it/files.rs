//! The catalogue: deleting, restoring, listing, and what servers are told of it.

use xylem_db::{Database, DbError, DigestSource, NewUpload, Version, VersionFacts};
use xylem_model::{
    ContentId, DistributionServerId, FileId, FileKind, Generation, Priority, Stamp, Timestamp,
};

use crate::bench::{Bench, admin, at, declaration, enroll, id, name, publish, sha256_of};

async fn put(db: &Database, server: DistributionServerId, file: &str, text: &str) -> Version {
    let new = NewUpload { replace: true, ..declaration(server, file, text.as_bytes()) };
    publish(db, &new, text.as_bytes()).await
}

pub(crate) async fn deleted_files_can_be_restored_until_purged(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "Tool.pkg", "one").await;
    let urgent = NewUpload {
        replace: true,
        priority: Priority::Urgent,
        ..declaration(server, "Tool.pkg", b"two")
    };
    let second = publish(&db, &urgent, b"two").await;
    let tool = name("TOOL.pkg");

    let deleted = db.delete_file(&tool, &admin(), at(100)).await.unwrap();
    assert!(deleted > second.stamp);
    assert!(matches!(db.file_by_name(&tool).await, Err(DbError::NotFound { .. })));
    assert!(db.delete_file(&tool, &admin(), at(100)).await.is_err());
    assert_eq!(db.deleted_files(9).await.unwrap()[0].deleted, Some(at(100)));
    assert_eq!(db.purge_deleted(at(100), &admin(), at(101)).await.unwrap(), [], "too early");

    let restored = db.restore_file(&tool, &admin(), at(110)).await.unwrap();
    assert!(restored > deleted);
    let live = db.file_by_name(&tool).await.unwrap();
    assert_eq!(live.file.stamp, restored);
    let published = Version { published: Some(at(30)), ..second.clone() };
    assert_eq!(live.version, published, "the very version, its priority too, not signed anew");
    assert_eq!(live.version.priority, Priority::Urgent);
    assert_eq!(db.versions(second.file).await.unwrap().len(), 2, "with its history");

    db.delete_file(&tool, &admin(), at(120)).await.unwrap();
    let purged = db.purge_deleted(at(121), &admin(), at(130)).await.unwrap();
    assert_eq!(purged, [second.file]);
    assert!(db.versions(second.file).await.unwrap().is_empty());
    let gone = db.restore_file(&tool, &admin(), at(140)).await;
    assert!(matches!(gone, Err(DbError::NotFound { .. })));
}

pub(crate) async fn a_freed_name_can_be_taken_and_then_blocks_restoring(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let first = put(&db, server, "Tool.pkg", "one").await;
    db.delete_file(&name("Tool.pkg"), &admin(), at(100)).await.unwrap();
    let second = put(&db, server, "tool.PKG", "two").await;
    assert_ne!(first.file, second.file);
    assert_eq!(second.number, 1);
    let blocked = db.restore_file(&name("Tool.pkg"), &admin(), at(110)).await;
    let taken = matches!(&blocked, Err(DbError::Conflict { name, .. }) if name == "tool.PKG");
    assert!(taken, "{blocked:?}");
    db.delete_file(&name("Tool.pkg"), &admin(), at(120)).await.unwrap();
    // Two deleted files of that name: the last one comes back.
    db.restore_file(&name("Tool.pkg"), &admin(), at(130)).await.unwrap();
    assert_eq!(db.file_by_name(&name("Tool.pkg")).await.unwrap().file.id, second.file);
}

pub(crate) async fn files_are_listed_in_pages(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    for file in ["d.pkg", "A.pkg", "c.pkg", "B.pkg"] {
        put(&db, server, file, file).await;
    }
    let app = NewUpload { kind: FileKind::App, ..declaration(server, "e.ipa", b"app") };
    publish(&db, &app, b"app").await;
    db.delete_file(&name("c.pkg"), &admin(), at(100)).await.unwrap();

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = db.list_files(None, after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.file.name.clone());
        names.extend(page.iter().map(|live| live.file.name.to_string()));
    }
    assert_eq!(names, ["A.pkg", "B.pkg", "d.pkg", "e.ipa"]);
    assert_eq!(db.count_files().await.unwrap(), 4, "deleted ones do not count");
    let contents = [ContentId::of(b"app"), ContentId::of(b"c.pkg"), ContentId::of(b"B.pkg")];
    let found = db.files_of_contents(&contents).await.unwrap();
    let expected = [(FileKind::Package, name("B.pkg")), (FileKind::App, name("e.ipa"))];
    assert_eq!(found, expected, "live files by name");
    let apps = db.list_files(Some(FileKind::App), None, 9).await.unwrap();
    assert_eq!(apps.len(), 1);
    assert_eq!(apps[0].file.name, app.name);
}

pub(crate) async fn wishes_come_in_the_order_of_change(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    for file in ["a.pkg", "b.pkg", "c.pkg", "d.pkg"] {
        put(&db, server, file, file).await;
    }
    let start = db.stamp().await.unwrap().generation;
    put(&db, server, "a.pkg", "a again").await;
    db.delete_file(&name("b.pkg"), &admin(), at(100)).await.unwrap();
    db.delete_file(&name("c.pkg"), &admin(), at(100)).await.unwrap();
    db.restore_file(&name("b.pkg"), &admin(), at(110)).await.unwrap();

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = db.live_versions(after, 1).await.unwrap();
        let Some(live) = page.last() else { break };
        after = Some(live.file.stamp.generation);
        names.push(live.file.name.to_string());
    }
    assert_eq!(names, ["d.pkg", "a.pkg", "b.pkg"]);
    let since: Vec<_> = db.live_versions(Some(start), 9).await.unwrap();
    assert_eq!(since.len(), 2);
    assert_eq!(since[0].version.content, ContentId::of(b"a again"));
    let removed = db.removed_since(start, 9).await.unwrap();
    assert_eq!(removed.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["c.pkg"]);
    assert!(
        db.removed_since(Generation(removed[0].stamp.generation.0), 9).await.unwrap().is_empty()
    );
}

fn facts(file: FileId, file_name: &str, number: u32, text: &str) -> VersionFacts {
    VersionFacts {
        file,
        kind: FileKind::Package,
        name: name(file_name),
        number,
        content: ContentId::of(text.as_bytes()),
        sha256: sha256_of(text.as_bytes()),
        size: text.len() as u64,
        priority: Priority::Bulk,
        mark: None,
        content_source: DigestSource::Declared,
        sha256_source: DigestSource::ComputedByIngest,
        stamp: Stamp::new(1, 900),
        created: Timestamp::from_unix_ms(5),
    }
}

pub(crate) async fn lost_versions_can_be_adopted(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let kept = put(&db, server, "Kept.pkg", "kept").await;
    let adopt = async |facts: &VersionFacts| {
        db.adopt_version(facts, b"signed long ago", Stamp::default(), &admin(), at(200)).await
    };

    let lost = facts(id(FileId::from_parts), "Lost.pkg", 3, "lost");
    let stamp = adopt(&lost).await.unwrap();
    let live = db.file_by_name(&name("Lost.pkg")).await.unwrap();
    assert_eq!((live.file.id, live.version.number), (lost.file, 3));
    assert_eq!(live.version.descriptor, b"signed long ago");
    assert_eq!(live.version.priority, Priority::Bulk);
    assert_eq!((live.version.content, live.file.stamp), (lost.content, stamp));
    assert_eq!(adopt(&lost).await.unwrap(), stamp, "a second time changes nothing");

    // A newer version becomes what the name stands for; an older one only fills the history.
    adopt(&facts(lost.file, "Lost.pkg", 2, "older")).await.unwrap();
    assert_eq!(db.file_by_name(&name("Lost.pkg")).await.unwrap().version.number, 3);
    adopt(&facts(kept.file, "Kept.pkg", 2, "newer")).await.unwrap();
    assert_eq!(db.file_by_name(&name("Kept.pkg")).await.unwrap().version.number, 2);

    let other = adopt(&facts(kept.file, "Kept.pkg", 1, "something else")).await;
    assert!(matches!(other, Err(DbError::Conflict { what: "version", .. })));
    let taken = adopt(&facts(id(FileId::from_parts), "KEPT.pkg", 1, "kept")).await;
    assert!(matches!(taken, Err(DbError::Conflict { what: "file", .. })));
    db.delete_file(&name("Kept.pkg"), &admin(), at(210)).await.unwrap();
    let deleted = adopt(&facts(kept.file, "Kept.pkg", 3, "newest")).await;
    assert!(matches!(deleted, Err(DbError::WrongState { state: "deleted", .. })));
}

pub(crate) async fn a_version_under_a_later_name_is_adopted_with_it(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let kept = put(&db, server, "Kept.pkg", "kept").await;
    put(&db, server, "Other.pkg", "other").await;
    let adopt = async |facts: &VersionFacts| {
        db.adopt_version(facts, b"signed long ago", Stamp::default(), &admin(), at(200)).await
    };
    let taken = adopt(&facts(kept.file, "OTHER.pkg", 2, "kept")).await;
    assert!(matches!(taken, Err(DbError::Conflict { what: "file", .. })), "{taken:?}");
    adopt(&facts(kept.file, "Renamed.pkg", 2, "kept")).await.unwrap();
    let live = db.file_by_name(&name("renamed.pkg")).await.unwrap();
    assert_eq!((live.file.id, live.file.name), (kept.file, name("Renamed.pkg")));
    assert!(db.file_by_name(&name("Kept.pkg")).await.is_err());
}
