//! From declaration to publication.

use std::collections::BTreeSet;

use xylem_db::{
    Commit, Database, DbError, Declaration, DigestSource, NewUpload, UPLOAD_KEPT, UploadState,
    VersionFacts,
};
use xylem_model::{ContentId, DistributionServerId, FileId, FileKind, Priority, UploadId};

use crate::bench::{
    Bench, admin, at, commit, declaration, declare, enroll, found, id, in_parallel, name, publish,
    sha256_of, sign,
};

async fn answer(db: &Database, new: &NewUpload) -> Declaration {
    db.declare_upload(new, &admin(), at(11)).await.unwrap()
}

/// Commits and expects a refusal; gives its reason.
async fn failure(db: &Database, upload: UploadId, bytes: &[u8]) -> String {
    let file = id(FileId::from_parts);
    match db.commit_upload(upload, &found(bytes), file, at(20), sign).await.unwrap() {
        Commit::Failed(upload) => {
            assert_eq!(upload.state, UploadState::Failed);
            upload.reason.unwrap()
        }
        Commit::Committed(version) => panic!("{version:?}"),
    }
}

pub(crate) async fn an_upload_becomes_a_version(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let new = declaration(server, "Tool.pkg", b"tool 1");
    let upload = declare(&db, &new).await;
    assert_eq!(upload.declared, new);
    assert_eq!((upload.state, upload.version), (UploadState::Declared, None));
    assert_eq!(db.open_uploads(Some(server), 10).await.unwrap(), [upload]);
    assert!(db.live_versions(None, 10).await.unwrap().is_empty(), "nothing is wanted yet");

    let before = db.stamp().await.unwrap();
    let version = commit(&db, new.id, b"tool 1").await;
    assert_eq!(version.stamp.generation.0, before.generation.0 + 1);
    assert_eq!((version.number, version.content), (1, ContentId::of(b"tool 1")));
    let signed = format!("Tool.pkg 1 {} {}", version.content, version.stamp);
    assert_eq!(version.descriptor, signed.into_bytes());
    assert_eq!(version.content_source, DigestSource::Declared);
    assert_eq!(version.published, None);
    let upload = db.upload(new.id).await.unwrap();
    assert_eq!(upload.state, UploadState::Committed);
    assert_eq!(upload.version, Some((version.file, 1)));

    for now in [30, 40] {
        let upload = db.mark_published(new.id, at(now)).await.unwrap();
        assert_eq!((upload.state, upload.ended), (UploadState::Published, Some(at(30))));
    }
    let live = db.file_by_name(&name("tool.PKG")).await.unwrap();
    assert_eq!((live.file.id, live.version.published), (version.file, Some(at(30))));
    assert!(db.open_uploads(None, 10).await.unwrap().is_empty());

    // From Finder: no digests beforehand.
    let undeclared = NewUpload {
        blake3: None,
        sha256: None,
        ..declaration(server, "From Finder.dmg", b"image")
    };
    let version = publish(&db, &undeclared, b"image").await;
    assert_eq!(version.content_source, DigestSource::ComputedByIngest);
    assert_eq!(version.sha256_source, DigestSource::ComputedByIngest);
}

pub(crate) async fn committing_again_gives_the_same_version(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let new = declaration(server, "Tool.pkg", b"tool 1");
    declare(&db, &new).await;
    let commit_it = |_| {
        let (db, upload) = (db.clone(), new.id);
        async move { commit(&db, upload, b"tool 1").await }
    };
    let versions = in_parallel(6, commit_it).await;
    let stamp = db.stamp().await.unwrap();
    assert!(versions.iter().all(|version| *version == versions[0]));
    assert_eq!(versions[0].stamp, stamp, "one change, however often it is asked for");
    db.mark_published(new.id, at(30)).await.unwrap();
    assert_eq!(commit(&db, new.id, b"tool 1").await.number, 1);
}

pub(crate) async fn the_same_content_again_is_no_new_version(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let first = publish(&db, &declaration(server, "Tool.pkg", b"tool 1"), b"tool 1").await;
    let stamp = db.stamp().await.unwrap();
    for replace in [false, true] {
        let again = NewUpload { replace, ..declaration(server, "Tool.pkg", b"tool 1") };
        let Declaration::AlreadyThere(there) = answer(&db, &again).await else { panic!() };
        assert_eq!((there.file, there.number), (first.file, 1));
    }
    // Where the content was not declared it turns out at the commit.
    let undeclared = NewUpload {
        blake3: None,
        sha256: None,
        ..declaration(server, "Tool.pkg", b"tool 1")
    };
    declare(&db, &undeclared).await;
    assert_eq!(commit(&db, undeclared.id, b"tool 1").await.number, 1);
    assert_eq!(db.upload(undeclared.id).await.unwrap().state, UploadState::Published);
    assert_eq!(db.stamp().await.unwrap(), stamp);
    assert_eq!(db.versions(first.file).await.unwrap().len(), 1);
}

pub(crate) async fn other_content_needs_replace(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let first = publish(&db, &declaration(server, "Tool.pkg", b"tool 1"), b"tool 1").await;
    let other = declaration(server, "Tool.pkg", b"tool 2!");
    let Declaration::Conflict { existing } = answer(&db, &other).await else { panic!() };
    assert_eq!(existing.content, first.content);

    let replacing = NewUpload { replace: true, ..other };
    let second = publish(&db, &replacing, b"tool 2!").await;
    assert_eq!((second.file, second.number), (first.file, 2));
    let live = db.file_by_name(&name("Tool.pkg")).await.unwrap();
    assert_eq!((live.file.latest, live.version.content), (2, second.content));
    assert_eq!(live.file.stamp, second.stamp);
    let numbers: Vec<_> =
        db.versions(first.file).await.unwrap().iter().map(|version| version.number).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(db.versions_of_content(first.content).await.unwrap()[0].number, 1);
}

pub(crate) async fn a_priority_is_that_of_one_version(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let urgent = NewUpload {
        priority: Priority::Urgent,
        ..declaration(server, "Tool.pkg", b"tool 1")
    };
    let upload = declare(&db, &urgent).await;
    assert_eq!(upload.declared.priority, Priority::Urgent);
    let signed = |facts: &VersionFacts| {
        assert_eq!(facts.priority, Priority::Urgent, "before it is signed");
        sign(facts)
    };
    let file = id(FileId::from_parts);
    let committed = db.commit_upload(urgent.id, &found(b"tool 1"), file, at(20), signed).await;
    let Commit::Committed(first) = committed.unwrap() else { panic!() };
    assert_eq!(first.priority, Priority::Urgent);

    let next = NewUpload { replace: true, ..declaration(server, "Tool.pkg", b"tool 2") };
    let second = publish(&db, &next, b"tool 2").await;
    assert_eq!((second.number, second.priority), (2, Priority::Normal));
    let versions = db.versions(first.file).await.unwrap();
    let priorities: Vec<_> = versions.iter().map(|version| version.priority).collect();
    assert_eq!(priorities, [Priority::Normal, Priority::Urgent], "newest first");
}

pub(crate) async fn names_that_collide_are_refused_and_shown(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    publish(&db, &declaration(server, "Caf\u{e9}.pkg", b"one"), b"one").await;
    let other_kind =
        NewUpload { kind: FileKind::App, ..declaration(server, "Caf\u{e9}.pkg", b"one") };
    // Composed or not, the name is the same; in capitals it is another that shares confuse.
    let Declaration::AlreadyThere(_) =
        answer(&db, &declaration(server, "Cafe\u{301}.pkg", b"one")).await
    else {
        panic!()
    };
    for new in [declaration(server, "CAFE\u{301}.PKG", b"one"), other_kind] {
        for replace in [false, true] {
            let answer = answer(&db, &NewUpload { replace, ..new.clone() }).await;
            let Declaration::NameTaken { existing, kind } = answer else { panic!("{answer:?}") };
            assert_eq!((existing.as_str(), kind), ("Caf\u{e9}.pkg", FileKind::Package));
        }
    }
}

pub(crate) async fn a_name_taken_meanwhile_fails_the_upload(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let first = declaration(server, "Tool.pkg", b"one");
    let same_name = declaration(server, "Tool.pkg", b"two");
    let other_case = declaration(server, "TOOL.pkg", b"two");
    for new in [&first, &same_name, &other_case] {
        declare(&db, new).await;
    }
    commit(&db, first.id, b"one").await;
    let stamp = db.stamp().await.unwrap();
    assert!(failure(&db, same_name.id, b"two").await.contains("--replace"));
    assert!(failure(&db, other_case.id, b"two").await.contains("`Tool.pkg`"));
    // Asking again gives the same answer.
    assert!(failure(&db, other_case.id, b"two").await.contains("`Tool.pkg`"));
    assert_eq!(db.stamp().await.unwrap(), stamp);
}

pub(crate) async fn bytes_other_than_declared_fail_the_upload(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let right = declaration(server, "Tool.pkg", b"tool 1");
    let wrong = [
        NewUpload { size: 7, ..right.clone() },
        NewUpload { blake3: Some(ContentId::of(b"other")), ..right.clone() },
        NewUpload { blake3: None, sha256: Some(sha256_of(b"other")), ..right.clone() },
    ];
    for (new, expected) in wrong.into_iter().zip(["6 bytes", "content id", "SHA-256"]) {
        let new = NewUpload { id: id(UploadId::from_parts), ..new };
        declare(&db, &new).await;
        let reason = failure(&db, new.id, b"tool 1").await;
        assert!(reason.contains(expected), "{reason}");
    }
    assert!(matches!(db.file_by_name(&right.name).await, Err(DbError::NotFound { .. })));
    assert!(db.live_versions(None, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_failed_signature_leaves_nothing(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let new = declaration(server, "Tool.pkg", b"tool 1");
    declare(&db, &new).await;
    let before = (db.stamp().await.unwrap(), db.audit_records(None, 99).await.unwrap());
    let refused = db
        .commit_upload(new.id, &found(b"tool 1"), id(FileId::from_parts), at(20), |facts| {
            assert_eq!(facts.stamp.generation.0, before.0.generation.0 + 1);
            Err(std::io::Error::other("the key is away"))
        })
        .await;
    assert!(matches!(refused, Err(DbError::Sign(_))), "{refused:?}");
    let after = (db.stamp().await.unwrap(), db.audit_records(None, 99).await.unwrap());
    assert_eq!(before, after);
    assert_eq!(db.upload(new.id).await.unwrap().state, UploadState::Declared);
    assert_eq!(commit(&db, new.id, b"tool 1").await.number, 1);
}

pub(crate) async fn commits_at_once_give_generations_without_gaps(bench: Bench) {
    let db = bench.open().await;
    let other_program = bench.open().await;
    let server: DistributionServerId = enroll(&db, "root").await;
    let before = db.stamp().await.unwrap().generation.0;
    let upload = |n: u32| {
        let db = if n.is_multiple_of(2) { db.clone() } else { other_program.clone() };
        async move {
            let bytes = n.to_be_bytes();
            let new = declaration(server, &format!("Tool {n}.pkg"), &bytes);
            declare(&db, &new).await;
            // Every third is refused by the signer first, which must cost no generation.
            if n.is_multiple_of(3) {
                let file = id(FileId::from_parts);
                let away = |_: &_| Err(std::io::Error::other("away"));
                let refused = db.commit_upload(new.id, &found(&bytes), file, at(20), away).await;
                assert!(refused.is_err());
            }
            commit(&db, new.id, &bytes).await.stamp.generation.0
        }
    };
    let generations: BTreeSet<u64> = in_parallel(20, upload).await.into_iter().collect();
    assert_eq!(generations, (before + 1..=before + 20).collect());
    let listed = db.live_versions(None, 100).await.unwrap();
    assert!(listed.iter().map(|live| live.file.stamp.generation.0).eq(before + 1..=before + 20));
    assert!(matches!(
        db.verify_audit().await.unwrap(),
        xylem_db::AuditCheck::Intact { records: 41, .. }
    ));
}

pub(crate) async fn uploads_expire_are_cancelled_and_forgotten(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let [late, given_up, done] =
        ["a.pkg", "b.pkg", "c.pkg"].map(|name| declaration(server, name, name.as_bytes()));
    for new in [&late, &given_up] {
        declare(&db, new).await;
    }
    publish(&db, &done, b"c.pkg").await;
    for _ in 0..2 {
        let cancelled = db.cancel_upload(given_up.id, &admin(), at(50)).await.unwrap();
        assert_eq!((cancelled.state, cancelled.ended), (UploadState::Cancelled, Some(at(50))));
    }
    let published = db.cancel_upload(done.id, &admin(), at(50)).await;
    assert!(matches!(published, Err(DbError::WrongState { state: "published", .. })));

    assert_eq!(db.expire_uploads(at(999_999)).await.unwrap().expired, 0);
    let swept = db.expire_uploads(at(1_000_000)).await.unwrap();
    assert_eq!((swept.expired, swept.forgotten), (1, 0));
    let file = id(FileId::from_parts);
    for upload in [late.id, given_up.id] {
        let refused =
            db.commit_upload(upload, &found(b"a.pkg"), file, at(20), sign).await.unwrap_err();
        assert!(matches!(refused, DbError::WrongState { .. }), "{refused}");
        let refused = db.mark_published(upload, at(20)).await;
        assert!(matches!(refused, Err(DbError::WrongState { .. })));
    }
    let swept = db.expire_uploads(at(51).plus(UPLOAD_KEPT)).await.unwrap();
    assert_eq!((swept.expired, swept.forgotten), (0, 2));
    assert!(db.upload(late.id).await.is_ok());
    assert!(matches!(db.upload(done.id).await, Err(DbError::NotFound { .. })));
    assert!(db.file_by_name(&done.name).await.is_ok(), "the file stays");
}
