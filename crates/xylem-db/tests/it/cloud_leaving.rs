//! A cloud distribution point on its way out.

use xylem_db::{
    AuditCheck, CloudCopyState as State, CloudForgotten, CloudLeaving, CloudObjects, Database,
    DbError,
};
use xylem_model::{CloudPointId, Generation, Priority};

use crate::bench::{Bench, admin, at, id};
use crate::filled::{Filled, content, following, want};
use crate::cloud_points::cloud_point;

/// What is present, being sent, failed and only wanted at one point.
async fn mixed(bench: &Bench) -> Filled {
    let filled = Filled::on(bench).await;
    filled.fill("present").await;
    filled.send("failed", 1).await;
    let failed = filled.db.note_cloud_failed(filled.work("failed"), "no", false, at(30), None);
    assert!(failed.await.unwrap());
    filled.send("sending", 3).await;
    filled.want(&[want("wanted", 5, Priority::Normal)]).await;
    filled
}

/// Sets another point in the place of the first one.
async fn replace(filled: &Filled) -> CloudPointId {
    let new = cloud_point("swift", Some(filled.point));
    filled.db.set_cloud_point(&new, &admin(), at(50)).await.unwrap().id
}

async fn leaving(db: &Database) -> CloudLeaving {
    db.leaving_cloud_point().await.unwrap().unwrap().leaving.unwrap()
}

pub(crate) async fn what_was_under_way_goes_with_the_point_that_is_replaced(bench: Bench) {
    let filled = mixed(&bench).await;
    let db = &filled.db;
    db.pause_cloud(filled.point, true, &admin(), at(41)).await.unwrap();
    let seen = following(db, filled.point).await;
    replace(&filled).await;
    assert_eq!(leaving(db).await, CloudLeaving { since: at(50), left: None, objects: None });
    assert!(!db.leaving_cloud_point().await.unwrap().unwrap().paused, "nobody could end that");
    assert_eq!(filled.state("wanted").await, None);
    for text in ["sending", "failed"] {
        let copy = filled.copy(text).await.unwrap();
        assert_eq!((copy.state, copy.since), (State::Removing, at(50)), "{text}");
        assert_eq!((copy.unwanted, copy.lease, copy.next_try), (Some(at(50)), None, None));
        assert_eq!(copy.reference.as_deref(), Some("upload 1"), "it is needed to abort it");
        assert!(filled.parts(text).await.is_empty());
    }
    let present = filled.copy("present").await.unwrap();
    assert_eq!((present.state, present.unwanted), (State::Present, None), "clients are sent there");
    // Whoever comes too late changes nothing.
    let late = [want("late", 5, Priority::Normal)];
    assert!(!db.want_in_cloud(&seen, &late, Generation(99), at(51)).await.unwrap());
    assert!(!db.unwant_in_cloud(&seen, &[content("present")], at(51)).await.unwrap());
    assert!(!db.note_cloud_proving(filled.work("sending")).await.unwrap());
    assert_eq!(filled.take(&[], 999, 1_000).await, None);
}

pub(crate) async fn a_point_is_left_once_and_ends_when_nothing_is_to_be_done(bench: Bench) {
    let filled = mixed(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    let end = async || db.end_cloud_point(point, CloudObjects::Kept, &admin(), at(90)).await.unwrap();
    assert!(!db.note_cloud_left(point, &admin(), at(45)).await.unwrap(), "it is the active one");
    let second = replace(&filled).await;
    assert_eq!(end().await, None, "clients are sent there");
    assert!(db.note_cloud_left(point, &admin(), at(60)).await.unwrap());
    assert!(!db.note_cloud_left(point, &admin(), at(61)).await.unwrap());
    assert!(!db.note_cloud_left(second, &admin(), at(61)).await.unwrap());
    assert_eq!(end().await, None, "nobody said what becomes of its objects");
    let removed = db.remove_cloud_point(point, CloudObjects::Kept, &admin(), at(62)).await.unwrap();
    let expected =
        CloudLeaving { since: at(50), left: Some(at(60)), objects: Some(CloudObjects::Kept) };
    assert_eq!(removed.leaving, Some(expected));
    assert_eq!(end().await, None, "uploads are to be aborted");
    for text in ["sending", "failed"] {
        db.note_cloud_removed(point, content(text), at(63)).await.unwrap();
    }
    let other = db.end_cloud_point(point, CloudObjects::Deleted, &admin(), at(64)).await.unwrap();
    assert_eq!(other, None, "that is not what was said");
    let stays = CloudForgotten { objects: 1, bytes: 20, uploads: 0 };
    assert_eq!(end().await, Some(stays));
    assert_eq!(end().await, None, "once");
    assert_eq!(db.leaving_cloud_point().await.unwrap(), None);
    assert_eq!(db.cloud_point().await.unwrap().unwrap().id, second);
    let actions: Vec<String> =
        db.audit_records(None, 9).await.unwrap().into_iter().map(|record| record.action).collect();
    assert_eq!(actions[..3], ["cloud.forget", "cloud.remove", "cloud.leave"]);
    assert!(matches!(db.verify_audit().await.unwrap(), AuditCheck::Intact { .. }));
}

pub(crate) async fn a_point_whose_objects_go_ends_with_the_last_row(bench: Bench) {
    let filled = mixed(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    db.unwant_all_in_cloud(point, at(45), at(45)).await.unwrap();
    assert_eq!(filled.copy("present").await.unwrap().unwanted, None, "it is the active one");
    replace(&filled).await;
    db.note_cloud_left(point, &admin(), at(60)).await.unwrap();
    db.remove_cloud_point(point, CloudObjects::Deleted, &admin(), at(62)).await.unwrap();
    for _ in 0..2 {
        db.unwant_all_in_cloud(point, at(60), at(70)).await.unwrap();
        assert_eq!(filled.copy("present").await.unwrap().unwanted, Some(at(60)));
    }
    assert_eq!(filled.copy("sending").await.unwrap().unwanted, Some(at(50)), "since before");
    let begun = db.begin_cloud_removals(point, at(60), at(70), 9).await.unwrap();
    assert_eq!(begun.len(), 2, "addresses that clients have are not over");
    let begun = db.begin_cloud_removals(point, at(61), at(71), 9).await.unwrap();
    assert_eq!(begun.len(), 3);
    let end = async || {
        db.end_cloud_point(point, CloudObjects::Deleted, &admin(), at(90)).await.unwrap()
    };
    for text in ["sending", "failed", "present"] {
        assert_eq!(end().await, None, "{text}");
        db.note_cloud_removed(point, content(text), at(72)).await.unwrap();
    }
    assert_eq!(end().await, Some(CloudForgotten::default()));
}

pub(crate) async fn what_was_to_be_deleted_is_wanted_again_where_it_is_kept(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    filled.fill("present").await;
    filled.fill("unwanted").await;
    let seen = following(db, point).await;
    assert!(db.unwant_in_cloud(&seen, &[content("unwanted")], at(45)).await.unwrap());
    replace(&filled).await;
    db.note_cloud_left(point, &admin(), at(60)).await.unwrap();
    let unwanted = async |text: &str| filled.copy(text).await.unwrap().unwanted;
    let say = async |objects| {
        db.remove_cloud_point(point, objects, &admin(), at(62)).await.unwrap();
    };
    db.unwant_all_in_cloud(point, at(60), at(61)).await.unwrap();
    assert_eq!(unwanted("present").await, None, "nobody said that it goes");
    say(CloudObjects::Deleted).await;
    db.unwant_all_in_cloud(point, at(60), at(63)).await.unwrap();
    assert_eq!(unwanted("present").await, Some(at(60)));
    say(CloudObjects::Kept).await;
    // A round that began before the second word changes nothing, and begins to remove nothing of it.
    db.unwant_all_in_cloud(point, at(60), at(64)).await.unwrap();
    assert_eq!(unwanted("present").await, None);
    assert_eq!(unwanted("unwanted").await, Some(at(45)), "it was before");
    let begun = db.begin_cloud_removals(point, at(61), at(999), 9).await.unwrap();
    assert!(begun.iter().all(|copy| copy.content != content("present")), "{begun:?}");
    assert_eq!(filled.state("present").await, Some(State::Present));
}

pub(crate) async fn the_active_point_is_removed_unless_another_is_left(bench: Bench) {
    let filled = mixed(&bench).await;
    let db = &filled.db;
    let second = replace(&filled).await;
    let remove = async |point| {
        db.remove_cloud_point(point, CloudObjects::Kept, &admin(), at(70)).await
    };
    let told = remove(second).await.unwrap_err();
    assert!(matches!(told, DbError::WrongState { .. }), "{told}");
    assert!(told.to_string().contains("--former"), "{told}");
    assert_eq!(db.cloud_point().await.unwrap().unwrap().id, second, "nothing is half done");
    db.forget_cloud_point(filled.point, &admin(), at(71)).await.unwrap();
    let removed = remove(second).await.unwrap();
    let expected =
        CloudLeaving { since: at(70), left: Some(at(70)), objects: Some(CloudObjects::Kept) };
    assert_eq!((removed.is_active, removed.leaving), (false, Some(expected)));
    assert_eq!(db.cloud_point().await.unwrap(), None);
    // Another one may be set meanwhile, and not be left before that one ended.
    let third = db.set_cloud_point(&cloud_point("s3", None), &admin(), at(72)).await.unwrap();
    assert!(matches!(remove(third.id).await, Err(DbError::WrongState { .. })));
    let nobody = remove(id(CloudPointId::from_parts)).await;
    assert!(matches!(nobody, Err(DbError::NotFound { .. })));
}

pub(crate) async fn what_stays_at_the_provider_is_told(bench: Bench) {
    let filled = mixed(&bench).await;
    let db = &filled.db;
    replace(&filled).await;
    let told = db.forget_cloud_point(filled.point, &admin(), at(70)).await.unwrap();
    assert_eq!(told, CloudForgotten { objects: 1, bytes: 20, uploads: 2 });
    let record = &db.audit_records(None, 1).await.unwrap()[0];
    assert_eq!((&record.detail["objects"], &record.detail["uploads"]), (&1.into(), &2.into()));

    let empty = db.cloud_point().await.unwrap().unwrap();
    let told = db.forget_cloud_point(empty.id, &admin(), at(71)).await.unwrap();
    assert_eq!(told, CloudForgotten::default());
}

pub(crate) async fn how_far_a_point_is_on_its_way_out_is_in_backups(bench: Bench) {
    let filled = mixed(&bench).await;
    let db = &filled.db;
    replace(&filled).await;
    db.note_cloud_left(filled.point, &admin(), at(60)).await.unwrap();
    db.remove_cloud_point(filled.point, CloudObjects::Deleted, &admin(), at(62)).await.unwrap();
    let mut bytes = Vec::new();
    db.dump(&mut bytes).await.unwrap();
    let other = bench.open_beside("other.db").await;
    other.load(&mut &*bytes).await.unwrap();
    assert_eq!(leaving(&other).await, leaving(db).await);
    let rows = other.cloud_copies(filled.point, None, None, 9).await.unwrap();
    assert_eq!(rows, [filled.copy("present").await.unwrap()]);
}
