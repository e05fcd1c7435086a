//! Versions for testing, promotion, rollback, and what is kept of them.

use xylem_db::{
    ChangeFile, Changed, Commit, Database, DbError, Declaration, DigestSource, FileChange,
    IngestResult, LiveFile, Missing, NewUpload, PlacementReport, PlacementState, Version,
    VersionFacts,
};
use xylem_model::{
    CategoryId, ContentId, DistributionServerId, FileId, FileKind, Priority, Stamp, Timestamp,
    UploadId, VersionMark,
};

use crate::bench::{
    Bench, admin, at, commit, declaration, declare, enroll, found, id, in_parallel, name, publish,
    sha256_of,
};

const TOOL: &str = "Tool.pkg";

/// A "signature" that shows name, number and mark.
#[expect(clippy::unnecessary_wraps, reason = "the shape that the database asks for")]
fn sign(facts: &VersionFacts) -> Result<Vec<u8>, std::io::Error> {
    let mark = facts.mark.map_or("none", VersionMark::as_str);
    Ok(format!("{} {} {mark} {}", facts.name, facts.number, facts.stamp).into_bytes())
}

async fn put(db: &Database, server: DistributionServerId, text: &str) -> Version {
    let new = NewUpload { replace: true, ..declaration(server, TOOL, text.as_bytes()) };
    publish(db, &new, text.as_bytes()).await
}

async fn put_test(db: &Database, server: DistributionServerId, text: &str) -> Version {
    let new = NewUpload { test: true, ..declaration(server, TOOL, text.as_bytes()) };
    publish(db, &new, text.as_bytes()).await
}

async fn promote(db: &Database, version: u32) -> Result<Stamp, DbError> {
    db.promote_version(&name(TOOL), version, &admin(), at(100), sign).await
}

async fn roll_back(db: &Database, from: u32) -> Result<Stamp, DbError> {
    db.roll_back(&name(TOOL), from, &admin(), at(110), sign).await
}

async fn tool(db: &Database) -> LiveFile {
    db.file_by_name(&name(TOOL)).await.unwrap()
}

/// Which versions of the file are in production, for testing and previous.
async fn marks(db: &Database) -> (Option<u32>, Option<u32>, Option<u32>) {
    let file = tool(db).await.file;
    (file.production, file.test, file.previous)
}

/// What the descriptor of a version says, but the stamp.
async fn signed(db: &Database, number: u32) -> String {
    let versions = db.versions(tool(db).await.file.id).await.unwrap();
    let version = versions.into_iter().find(|version| version.number == number).unwrap();
    let text = String::from_utf8(version.descriptor).unwrap();
    text.rsplit_once(' ').unwrap().0.to_owned()
}

pub(crate) async fn a_version_for_testing_waits_and_production_stays(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let category = id(CategoryId::from_parts);
    db.add_category(category, "Tools", &admin(), at(1)).await.unwrap();
    put(&db, server, "one").await;
    let new =
        NewUpload { test: true, category: Some(category), ..declaration(server, TOOL, b"two") };
    // No leave to replace is needed, for nothing is replaced.
    let second = publish(&db, &new, b"two").await;
    assert_eq!(second.number, 2);
    let live = tool(&db).await;
    assert_eq!((live.version.number, live.version.content), (1, ContentId::of(b"one")));
    assert_eq!((live.file.latest, live.file.mark_of(2)), (2, Some(VersionMark::Test)));
    assert_eq!(live.file.category, None, "nor is the file sorted");
    assert!(live.file.stamp >= second.stamp, "servers hear of it");

    // The same content is there already, as either of the two.
    for (text, number) in [("one", 1), ("two", 2)] {
        let again = NewUpload { test: true, ..declaration(server, TOOL, text.as_bytes()) };
        match db.declare_upload(&again, &admin(), at(40)).await.unwrap() {
            Declaration::AlreadyThere(version) => assert_eq!(version.number, number),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(put_test(&db, server, "three").await.number, 3);
    assert_eq!(marks(&db).await, (Some(1), Some(3), None), "the last one waits");
}

pub(crate) async fn a_first_version_waits_and_its_name_means_nothing_yet(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let first = put_test(&db, server, "one").await;
    let live = tool(&db).await;
    assert_eq!((live.version.number, marks(&db).await), (1, (None, Some(1), None)));
    assert_eq!(db.list_files(None, None, 9).await.unwrap().len(), 1, "it is shown");
    let asked = ChangeFile {
        kind: FileKind::Package,
        name: name(TOOL),
        change: FileChange::Delete,
        new_file: id(FileId::from_parts),
    };
    let published = db.change_file(&asked, &admin(), at(50), sign).await;
    assert!(matches!(published, Err(DbError::NotFound { .. })), "an account cannot see it");

    promote(&db, 1).await.unwrap();
    assert_eq!(marks(&db).await, (Some(1), None, None), "there is nothing to go back to");
    assert_eq!(signed(&db, 1).await, "Tool.pkg 1 none");
    assert_eq!(tool(&db).await.version.content, first.content);
}

pub(crate) async fn promotion_and_rollback_are_one_step_each(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;

    let before = db.stamp().await.unwrap();
    let promoted = promote(&db, 2).await.unwrap();
    assert_eq!(promoted.generation.0, before.generation.0 + 1);
    assert_eq!(tool(&db).await.file.stamp, promoted);
    assert_eq!((tool(&db).await.version.number, marks(&db).await), (2, (Some(2), None, Some(1))));
    assert_eq!(signed(&db, 2).await, "Tool.pkg 2 none");
    assert_eq!(signed(&db, 1).await, "Tool.pkg 1 previous");

    let third = put_test(&db, server, "three").await;
    assert_eq!(marks(&db).await, (Some(2), Some(3), Some(1)), "the way back stays open");
    let back = roll_back(&db, 2).await.unwrap();
    assert!(back > promoted);
    assert_eq!(tool(&db).await.version.content, ContentId::of(b"one"));
    assert_eq!(marks(&db).await, (Some(1), Some(3), Some(2)));
    assert_eq!(signed(&db, 1).await, "Tool.pkg 1 none");
    assert_eq!(signed(&db, 2).await, "Tool.pkg 2 previous");
    let versions = db.versions(third.file).await.unwrap();
    assert_eq!(versions[0].descriptor, third.descriptor, "what did not change is not signed anew");

    roll_back(&db, 1).await.unwrap();
    assert_eq!(marks(&db).await, (Some(2), Some(3), Some(1)), "once more goes forward");
    promote(&db, 3).await.unwrap();
    assert_eq!(marks(&db).await, (Some(3), None, Some(2)), "one step back is kept, not two");
    assert_eq!(db.marked_versions(&[third.file]).await.unwrap()[0].number, 2);
}

pub(crate) async fn a_version_is_promoted_once_it_is_offered_or_held(bench: Bench) {
    let db = bench.open().await;
    let (server, child) = (enroll(&db, "root").await, enroll(&db, "child").await);
    put(&db, server, "one").await;
    let new = NewUpload { test: true, ..declaration(server, TOOL, b"two") };
    declare(&db, &new).await;
    commit(&db, new.id, b"two").await;
    let told = promote(&db, 2).await.unwrap_err();
    assert!(told.to_string().contains("not offered"), "{told}");

    // Who took it never came to say so, and to send it again is of no use.
    let again = NewUpload { test: true, ..declaration(server, TOOL, b"two") };
    let asked = db.declare_upload(&again, &admin(), at(40)).await.unwrap();
    assert!(matches!(asked, Declaration::AlreadyThere(_)), "{asked:?}");
    let holds = async |server, state| {
        let report = PlacementReport {
            content: ContentId::of(b"two"),
            state,
            bytes: 3,
            rate: None,
            verified: Some(at(41)),
            reason: None,
            next_try: None,
            stamp: Stamp::default(),
        };
        db.report_placements(server, &[report], false, at(41)).await.unwrap();
    };
    holds(server, PlacementState::Verifying).await;
    holds(child, PlacementState::Present).await;
    assert!(matches!(promote(&db, 2).await, Err(DbError::WrongState { .. })));
    holds(server, PlacementState::Present).await;
    promote(&db, 2).await.unwrap();
    assert_eq!(marks(&db).await, (Some(2), None, Some(1)));
    assert_eq!(tool(&db).await.version.published, Some(at(100)));
}

pub(crate) async fn of_many_who_promote_at_once_one_does(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;
    let before = db.stamp().await.unwrap();
    let answers = in_parallel(8, |_| {
        let db = db.clone();
        async move { promote(&db, 2).await }
    })
    .await;
    for answer in answers {
        assert_eq!(answer.unwrap().generation.0, before.generation.0 + 1, "asked again: no change");
    }
    let answers = in_parallel(8, |_| {
        let db = db.clone();
        async move { roll_back(&db, 2).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(marks(&db).await, (Some(1), None, Some(2)));
}

pub(crate) async fn steps_that_cannot_be_change_nothing(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    assert!(matches!(promote(&db, 1).await, Err(DbError::NotFound { .. })));
    put(&db, server, "one").await;
    let before = db.stamp().await.unwrap();
    let told = promote(&db, 7).await.unwrap_err();
    assert!(matches!(told, DbError::NoMark { mark: VersionMark::Test, .. }), "{told}");
    let told = roll_back(&db, 1).await.unwrap_err();
    assert!(matches!(told, DbError::NoMark { mark: VersionMark::Previous, .. }), "{told}");
    assert_eq!(db.stamp().await.unwrap(), before);

    put_test(&db, server, "two").await;
    put_test(&db, server, "three").await;
    let told = promote(&db, 2).await.unwrap_err();
    assert!(matches!(told, DbError::MarkMoved { now: 3, asked: 2, .. }), "{told}");
    assert!(told.to_string().contains("version 3 waits to be promoted, not version 2"), "{told}");
    promote(&db, 3).await.unwrap();
    let told = roll_back(&db, 1).await.unwrap_err();
    assert!(told.to_string().contains("version 3 is in production, not version 1"), "{told}");

    let fails = |_: &VersionFacts| Err(std::io::Error::other("no key"));
    let failed = db.roll_back(&name(TOOL), 3, &admin(), at(120), fails).await;
    assert!(matches!(failed, Err(DbError::Sign(_))));
    assert_eq!(marks(&db).await, (Some(3), None, Some(1)));

    let old = NewUpload { test: true, ..declaration(server, TOOL, b"four") };
    declare(&db, &old).await;
    let found = IngestResult { knows_marks: false, ..found(b"four") };
    let file = id(FileId::from_parts);
    let refused = db.commit_upload(old.id, &found, file, at(130), sign).await.unwrap();
    let told = format!("{refused:?}");
    assert!(told.contains("too old for versions for testing"), "{told}");
    assert_eq!(tool(&db).await.file.latest, 3);
}

pub(crate) async fn a_version_put_in_production_at_once_drops_all_marks(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;
    promote(&db, 2).await.unwrap();
    put_test(&db, server, "three").await;
    let plain = declaration(server, TOOL, b"three");
    let asked = db.declare_upload(&plain, &admin(), at(40)).await.unwrap();
    assert!(matches!(asked, Declaration::Conflict { existing } if existing.number == 2));

    let fourth = put(&db, server, "three").await;
    assert_eq!(fourth.number, 4, "what waits is not what is in production");
    assert_eq!(marks(&db).await, (Some(4), None, None));
    assert!(db.marked_versions(&[fourth.file]).await.unwrap().is_empty());
}

/// Announces what a WebDAV account has written; its digests are not known yet.
async fn announce(db: &Database, server: DistributionServerId, text: &str, ms: i64) -> UploadId {
    let new = NewUpload {
        blake3: None,
        sha256: None,
        replace: true,
        ..declaration(server, TOOL, text.as_bytes())
    };
    let declared = db.declare_received(&new, &admin(), at(ms)).await.unwrap();
    assert!(matches!(declared, Declaration::Declared(_)), "{declared:?}");
    new.id
}

/// How the commit of what was announced ends.
async fn arrives(db: &Database, upload: UploadId, text: &str) -> Result<u32, String> {
    let file = id(FileId::from_parts);
    match db.commit_upload(upload, &found(text.as_bytes()), file, at(500), sign).await.unwrap() {
        Commit::Committed(version) => Ok(version.number),
        Commit::Failed(upload) => Err(upload.reason.unwrap()),
    }
}

pub(crate) async fn what_was_announced_before_a_promotion_does_not_undo_it(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put_test(&db, server, "one").await;
    let (before, after) =
        (announce(&db, server, "early", 50).await, announce(&db, server, "late", 101).await);
    // The first one, which takes nobody's place.
    promote(&db, 1).await.unwrap();
    let told = arrives(&db, before, "early").await.unwrap_err();
    assert!(told.contains("went into production meanwhile"), "{told}");
    assert_eq!(tool(&db).await.version.content, ContentId::of(b"one"));
    assert_eq!(arrives(&db, after, "late").await, Ok(2));
}

pub(crate) async fn a_database_from_before_knows_its_last_promotions(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;
    promote(&db, 2).await.unwrap();
    let upload = announce(&db, server, "early", 50).await;
    drop(db);
    bench.tamper("ALTER TABLE files DROP COLUMN production_since").await;
    bench.tamper("ALTER TABLE versions DROP COLUMN replaces").await;
    let unknown = "DELETE FROM seaql_migrations WHERE version = 'm0018_production_since'";
    bench.tamper(unknown).await;
    let db = bench.open().await;
    arrives(&db, upload, "early").await.unwrap_err();
    assert_eq!(marks(&db).await, (Some(2), None, Some(1)));
}

pub(crate) async fn marks_go_with_their_file(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;
    promote(&db, 2).await.unwrap();
    put_test(&db, server, "three").await;
    let kept = marks(&db).await;
    db.delete_file(&name(TOOL), &admin(), at(120)).await.unwrap();
    assert!(matches!(promote(&db, 3).await, Err(DbError::NotFound { .. })));
    db.restore_file(&name(TOOL), &admin(), at(121)).await.unwrap();
    assert_eq!(marks(&db).await, kept);

    let change = |from: &str, change| {
        let (name, new_file) = (name(from), id(FileId::from_parts));
        ChangeFile { kind: FileKind::Package, name, change, new_file }
    };
    let copy = change(TOOL, FileChange::Copy { to: name("Copy.pkg"), replace: false });
    let made = db.change_file(&copy, &admin(), at(122), sign).await.unwrap();
    assert!(matches!(made, Changed::Made(_)));
    let copied = db.file_by_name(&name("Copy.pkg")).await.unwrap();
    assert_eq!(
        (copied.file.production, copied.file.test, copied.file.previous),
        (Some(1), None, None)
    );
    assert_eq!(copied.version.content, ContentId::of(b"two"));

    let away = change(TOOL, FileChange::Rename { to: name("Away.pkg"), replace: false });
    db.change_file(&away, &admin(), at(123), sign).await.unwrap();
    let back = change("Away.pkg", FileChange::Rename { to: name(TOOL), replace: false });
    let live = db.file_by_name(&name("Away.pkg")).await.unwrap();
    assert_eq!(
        (live.file.production, live.file.test, live.file.previous),
        (Some(4), Some(3), Some(1))
    );
    let marked = db.marked_versions(&[live.file.id]).await.unwrap();
    let texts = marked.iter().map(|it| String::from_utf8_lossy(&it.descriptor).into_owned());
    let texts: Vec<String> = texts.collect();
    assert!(texts[0].starts_with("Away.pkg 1 previous"), "{texts:?}");
    assert!(texts[1].starts_with("Away.pkg 3 test"), "{texts:?}");
    db.change_file(&back, &admin(), at(124), sign).await.unwrap();
    roll_back(&db, 5).await.unwrap();
    assert_eq!(tool(&db).await.version.content, ContentId::of(b"one"));
}

pub(crate) async fn the_previous_version_is_forgotten_in_time(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;
    promote(&db, 2).await.unwrap();
    assert_eq!(db.forget_previous(at(100), &admin(), at(200)).await.unwrap(), 0, "too early");
    let before = tool(&db).await.file.stamp;
    assert_eq!(db.forget_previous(at(101), &admin(), at(200)).await.unwrap(), 1);
    assert_eq!(marks(&db).await, (Some(2), None, None));
    assert!(tool(&db).await.file.stamp > before, "servers hear of it");
    assert_eq!(db.forget_previous(at(101), &admin(), at(201)).await.unwrap(), 0);
    assert!(matches!(roll_back(&db, 2).await, Err(DbError::NoMark { .. })));
}

pub(crate) async fn what_is_marked_is_held_and_digested(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "zero").await;
    put(&db, server, "one").await;
    put_test(&db, server, "two").await;
    promote(&db, 3).await.unwrap();
    put_test(&db, server, "three").await;
    // One by one: all three are of one change, and a page may end between them.
    let (mut contents, mut after) = (Vec::<ContentId>::new(), None);
    while let [(content, generation)] = db.lacking_digests(after, 1).await.unwrap()[..] {
        contents.push(content);
        after = Some((generation, content));
    }
    let mut expected = ["one", "two", "three"].map(|text| ContentId::of(text.as_bytes()));
    contents.sort_unstable();
    expected.sort_unstable();
    assert_eq!(contents, expected);

    let other = enroll(&db, "other").await;
    let missing = db.missing_on(other).await.unwrap();
    assert_eq!(missing, Missing { contents: 3, bytes: 11 }, "a new root has to hold all of them");
}

fn lost(file: FileId, number: u32, text: &str, mark: Option<VersionMark>) -> VersionFacts {
    VersionFacts {
        file,
        kind: FileKind::Package,
        name: name(TOOL),
        number,
        content: ContentId::of(text.as_bytes()),
        sha256: sha256_of(text.as_bytes()),
        size: text.len() as u64,
        priority: Priority::Normal,
        mark,
        content_source: DigestSource::Declared,
        sha256_source: DigestSource::Declared,
        stamp: Stamp::new(1, 900),
        created: Timestamp::from_unix_ms(5),
    }
}

pub(crate) async fn lost_marks_can_be_adopted(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let file = put(&db, server, "one").await.file;
    let adopt = async |facts: &VersionFacts, restored| {
        db.adopt_version(facts, b"signed long ago", restored, &admin(), at(200)).await
    };
    let restored = db.stamp().await.unwrap();
    adopt(&lost(file, 5, "five", Some(VersionMark::Test)), restored).await.unwrap();
    assert_eq!(marks(&db).await, (Some(1), Some(5), None));
    // The one that waits has the higher number, and does not stand in the way of production.
    adopt(&lost(file, 4, "four", None), restored).await.unwrap();
    assert_eq!(marks(&db).await, (Some(4), Some(5), None));
    adopt(&lost(file, 3, "three", Some(VersionMark::Previous)), restored).await.unwrap();
    assert_eq!(marks(&db).await, (Some(4), Some(5), Some(3)));
    assert_eq!(tool(&db).await.file.latest, 5);

    // A later one that was in production: what a backup knew to wait, or to lead back, is of before.
    let restored = db.stamp().await.unwrap();
    adopt(&lost(file, 6, "six", None), restored).await.unwrap();
    assert_eq!(marks(&db).await, (Some(6), None, None));
    // The way back may be told of before what it leads back from.
    adopt(&lost(file, 2, "two", Some(VersionMark::Previous)), restored).await.unwrap();
    assert_eq!(marks(&db).await, (Some(6), None, Some(2)));
    adopt(&lost(file, 7, "seven", None), restored).await.unwrap();
    assert_eq!(marks(&db).await, (Some(7), None, Some(2)));

    let stranger = lost(id(FileId::from_parts), 1, "x", Some(VersionMark::Previous));
    let told = adopt(&stranger, restored).await;
    assert!(matches!(told, Err(DbError::WrongState { .. })), "{told:?}");
}

pub(crate) async fn marks_are_in_a_backup(bench: Bench) {
    let source = bench.open_beside("source.db").await;
    let server = enroll(&source, "root").await;
    put(&source, server, "one").await;
    put_test(&source, server, "two").await;
    promote(&source, 2).await.unwrap();
    put_test(&source, server, "three").await;
    let open = NewUpload { test: true, ..declaration(server, TOOL, b"four") };
    declare(&source, &open).await;
    let upload: UploadId = open.id;

    let db = bench.open().await;
    let bytes = crate::backup::dump(&source).await;
    db.load(&mut &*bytes).await.unwrap();
    assert_eq!(marks(&db).await, (Some(2), Some(3), Some(1)));
    assert_eq!(tool(&db).await, tool(&source).await);
    assert!(db.upload(upload).await.unwrap().declared.test);
    roll_back(&db, 2).await.unwrap();
}
