//! The cloud as principal.

use xylem_db::{
    CloudCopy, CloudPointChange, CloudWork, Database, DbError, NewUpload, UPLOAD_WANTED_FOR,
    UploadState,
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, FileId, Generation, Priority};
use xylem_sync::{Rule, Selection};

use crate::bench::{Bench, admin, at, commit, declaration, declare, enroll, found, id, name};
use crate::bench::{publish, sign};
use crate::filled::{following, want};
use crate::cloud_points::cloud_point;
use crate::hand_over::{present, say};

/// A root with files, and a cloud that is set.
async fn set(bench: &Bench, files: &[&str]) -> (Database, DistributionServerId, CloudPointId) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    for file in files {
        publish(&db, &declaration(root, file, file.as_bytes()), file.as_bytes()).await;
    }
    let point = db.set_cloud_point(&cloud_point("s3", None), &admin(), at(40)).await.unwrap();
    (db, root, point.id)
}

/// The catalogue names these, and the root sends all that is wanted.
async fn fill(db: &Database, point: CloudPointId, root: DistributionServerId, files: &[&str]) {
    let seen = following(db, point).await;
    let wants: Vec<_> =
        files.iter().map(|file| want(file, file.len() as u64, Priority::Normal)).collect();
    let next = Generation(seen.followed.0 + 1);
    assert!(db.want_in_cloud(&seen, &wants, next, at(50)).await.unwrap());
    send(db, point, root).await;
}

async fn send(db: &Database, point: CloudPointId, root: DistributionServerId) {
    while let Some(copy) =
        db.take_from_cloud_wants(point, root, &[], at(60), at(70)).await.unwrap()
    {
        let work = CloudWork { point, content: copy.content, server: root };
        assert!(db.note_cloud_proving(work).await.unwrap());
        assert!(db.note_cloud_present(work, None, at(65)).await.unwrap());
    }
}

async fn copy(db: &Database, point: CloudPointId, file: &str) -> Option<CloudCopy> {
    db.cloud_copy(point, ContentId::of(file.as_bytes())).await.unwrap()
}

fn some() -> Selection {
    let rule = Rule { names: vec!["a*".to_owned().try_into().unwrap()], ..Rule::default() };
    Selection { rules: vec![rule] }
}

fn is_wrong_state<T: std::fmt::Debug>(result: Result<T, DbError>, words: &str) {
    let told = result.unwrap_err();
    assert!(matches!(told, DbError::WrongState { .. }), "{told}");
    assert!(told.to_string().contains(words), "{told}");
}

pub(crate) async fn the_cloud_becomes_the_principal_only_when_it_holds_everything(bench: Bench) {
    let (db, root, point) = set(&bench, &["a.pkg", "bb.pkg"]).await;
    let epoch = db.root_epoch().await.unwrap();
    let told = db.make_cloud_principal(point, &admin(), at(45)).await.unwrap_err();
    assert!(matches!(told, DbError::Incomplete { contents: 2, bytes: 11, .. }), "{told}");
    fill(&db, point, root, &["a.pkg"]).await;
    let (missing, files) = db.missing_in_cloud(point).await.unwrap();
    assert_eq!((missing.contents, missing.bytes, files), (1, 6, vec!["bb.pkg".to_owned()]));
    fill(&db, point, root, &["bb.pkg"]).await;

    db.set_cloud_selection(point, Some(&some()), &admin(), at(71)).await.unwrap();
    is_wrong_state(db.make_cloud_principal(point, &admin(), at(71)).await, "--everything");
    db.set_cloud_selection(point, None, &admin(), at(71)).await.unwrap();
    db.pause_cloud(point, true, &admin(), at(71)).await.unwrap();
    is_wrong_state(db.make_cloud_principal(point, &admin(), at(71)).await, "cloud resume");
    db.pause_cloud(point, false, &admin(), at(71)).await.unwrap();
    let broken = serde_json::json!({ "message": "no such bucket" });
    let revision = db.cloud_point().await.unwrap().unwrap().revision;
    db.note_cloud_broken(point, revision, Some(&broken)).await.unwrap();
    is_wrong_state(db.make_cloud_principal(point, &admin(), at(71)).await, "cloud show");
    db.note_cloud_broken(point, revision, None).await.unwrap();
    assert_eq!(db.root_epoch().await.unwrap(), epoch);
    assert!(!db.cloud_is_principal().await.unwrap());

    let before = db.stamp().await.unwrap();
    assert_eq!(db.make_cloud_principal(point, &admin(), at(72)).await.unwrap(), epoch + 1);
    let set = db.cloud_point().await.unwrap().unwrap();
    assert!(set.is_principal && set.stamp > before, "servers hear of it");
    assert!(db.distribution_server(root).await.unwrap().is_principal, "files enter there");
    let again = db.make_cloud_principal(point, &admin(), at(73)).await.unwrap();
    assert_eq!(again, epoch + 1, "it is that already");
}

pub(crate) async fn what_the_principal_may_not_be_is_refused(bench: Bench) {
    let (db, root, point) = set(&bench, &["a.pkg"]).await;
    fill(&db, point, root, &["a.pkg"]).await;
    db.make_cloud_principal(point, &admin(), at(72)).await.unwrap();
    let told = db.set_cloud_selection(point, Some(&some()), &admin(), at(73)).await.unwrap_err();
    assert!(matches!(told, DbError::HoldsEverything { .. }), "{told}");
    is_wrong_state(db.forget_cloud_point(point, &admin(), at(73)).await, "principal set");
    let other = cloud_point("akamai", Some(point));
    is_wrong_state(db.set_cloud_point(&other, &admin(), at(73)).await, "replaced");
    let moved = CloudPointChange { moved: true, ..CloudPointChange::default() };
    is_wrong_state(db.change_cloud_point(point, 1, &moved, &admin(), at(73)).await, "moved");

    let told = db.set_principal(root, &admin(), at(74)).await.unwrap_err();
    assert!(matches!(told, DbError::Incomplete { contents: 1, .. }), "it is not proven: {told}");
    db.report_placements(root, &[present(b"a.pkg")], false, at(74)).await.unwrap();
    say(&db, root, 0).await;
    let epoch = db.root_epoch().await.unwrap();
    assert_eq!(db.set_principal(root, &admin(), at(75)).await.unwrap(), epoch + 1);
    assert!(!db.cloud_is_principal().await.unwrap());
    assert!(db.distribution_server(root).await.unwrap().is_principal);
    db.forget_cloud_point(point, &admin(), at(76)).await.unwrap();
}

pub(crate) async fn nothing_is_committed_that_the_principal_lacks(bench: Bench) {
    let (db, root, point) = set(&bench, &["a.pkg"]).await;
    fill(&db, point, root, &["a.pkg"]).await;
    db.make_cloud_principal(point, &admin(), at(72)).await.unwrap();
    let (bytes, upload) = (b"c.pkg", declaration(root, "c.pkg", b"c.pkg"));
    declare(&db, &upload).await;
    let stamp = db.stamp().await.unwrap();
    let (found, file) = (found(bytes), id(FileId::from_parts));
    let told = db.commit_upload(upload.id, &found, file, at(80), sign).await.unwrap_err();
    assert!(matches!(told, DbError::NotInPrincipal), "{told}");
    assert_eq!(db.stamp().await.unwrap(), stamp);
    assert_eq!(db.upload(upload.id).await.unwrap().state, UploadState::Declared);

    let wanted = want("c.pkg", 5, Priority::Normal);
    let until = at(1_000);
    let row = db.want_in_cloud_for_upload(point, &wanted, at(81), until).await.unwrap().unwrap();
    assert_eq!((row.upload_until, row.unwanted), (Some(until), None));
    // Who follows the catalogue leaves it alone, as long as the upload wants it.
    let seen = following(&db, point).await;
    let contents = [ContentId::of(bytes)];
    assert!(db.unwant_in_cloud(&seen, &contents, at(82)).await.unwrap());
    assert!(copy(&db, point, "c.pkg").await.unwrap().unwanted.is_none());
    assert!(!db.has_lapsed_cloud_uploads(point, at(999)).await.unwrap());
    assert!(db.has_lapsed_cloud_uploads(point, until).await.unwrap());
    send(&db, point, root).await;
    commit(&db, upload.id, bytes).await;
    let held = copy(&db, point, "c.pkg").await.unwrap();
    assert_eq!(held.upload_until, Some(at(20).plus(UPLOAD_WANTED_FOR)), "until it is followed");
    fill(&db, point, root, &["c.pkg"]).await;
    assert_eq!(copy(&db, point, "c.pkg").await.unwrap().upload_until, None);
}

pub(crate) async fn what_an_upload_left_goes_like_any_that_is_not_wanted(bench: Bench) {
    let (db, root, point) = set(&bench, &["a.pkg"]).await;
    fill(&db, point, root, &["a.pkg"]).await;
    let wanted = want("c.pkg", 5, Priority::Normal);
    let none = db.want_in_cloud_for_upload(point, &wanted, at(81), at(100)).await.unwrap();
    assert_eq!(none, None, "it is not the principal");
    db.make_cloud_principal(point, &admin(), at(82)).await.unwrap();
    for file in ["c.pkg", "dd.pkg"] {
        let wanted = want(file, 5, Priority::Normal);
        db.want_in_cloud_for_upload(point, &wanted, at(83), at(100)).await.unwrap().unwrap();
    }
    let work = CloudWork { point, content: ContentId::of(b"c.pkg"), server: root };
    let taken = db.take_from_cloud_wants(point, root, &[], at(84), at(90)).await.unwrap().unwrap();
    let work = CloudWork { content: taken.content, ..work };
    assert!(db.note_cloud_failed(work, "no", true, at(85), Some(at(5_000))).await.unwrap());
    // A later upload of it has it tried at once, and one that waits already does not.
    let again = want(taken.name.as_str(), 5, Priority::Normal);
    let row = db.want_in_cloud_for_upload(point, &again, at(99), at(100)).await.unwrap().unwrap();
    assert_eq!(row.next_try, Some(at(5_000)));
    let row = db.want_in_cloud_for_upload(point, &again, at(101), at(200)).await.unwrap().unwrap();
    assert_eq!((row.next_try, row.upload_until), (Some(at(101)), Some(at(200))));

    let seen = following(&db, point).await;
    let contents = ["c.pkg", "dd.pkg"].map(|file| ContentId::of(file.as_bytes()));
    assert!(db.unwant_in_cloud(&seen, &contents, at(300)).await.unwrap());
    assert!(!db.has_lapsed_cloud_uploads(point, at(300)).await.unwrap());
    let other = if taken.name.as_str() == "c.pkg" { "dd.pkg" } else { "c.pkg" };
    assert_eq!(copy(&db, point, other).await, None, "it was not begun");
    assert!(copy(&db, point, taken.name.as_str()).await.unwrap().unwanted.is_some());
}

pub(crate) async fn files_enter_at_the_root_whichever_that_is(bench: Bench) {
    let (db, root, point) = set(&bench, &["a.pkg"]).await;
    let north = enroll(&db, "north").await;
    fill(&db, point, root, &["a.pkg"]).await;
    db.make_cloud_principal(point, &admin(), at(72)).await.unwrap();
    let upload: NewUpload = declaration(root, "c.pkg", b"c.pkg");
    declare(&db, &upload).await;
    db.report_placements(north, &[present(b"a.pkg")], false, at(73)).await.unwrap();
    say(&db, north, 0).await;
    db.hand_over_root(north, false, &admin(), at(74)).await.unwrap();
    let (old, new) =
        (db.distribution_server(root).await.unwrap(), db.distribution_server(north).await.unwrap());
    assert!(new.is_root && new.is_principal && !old.is_root && !old.is_principal);
    assert!(db.cloud_is_principal().await.unwrap());
    assert_eq!(db.upload(upload.id).await.unwrap().declared.server, north);
    let (found, file) = (found(b"c.pkg"), id(FileId::from_parts));
    let told = db.commit_upload(upload.id, &found, file, at(80), sign).await;
    assert!(matches!(told, Err(DbError::NotInPrincipal)), "there too");
    // Content that the catalogue has already adds nothing that the principal lacks.
    let same = NewUpload { name: name("a.pkg"), ..declaration(north, "a.pkg", b"a.pkg") };
    let told = db.declare_upload(&same, &admin(), at(81)).await.unwrap();
    assert!(matches!(told, xylem_db::Declaration::AlreadyThere(_)), "{told:?}");
}
