//! What is set for the cloud distribution point.

use serde_json::json;
use xylem_db::{
    AuditCheck, CloudLeaving, CloudPoint, CloudPointChange, CloudReplaced, Database, DbError,
    MAX_CLOUD_SETTINGS_BYTES, NewCloudPoint,
};
use xylem_model::CloudPointId;

use crate::bench::{Bench, admin, at, id, in_parallel};

/// A point of a provider that is to be set, in the place of one that was never changed.
pub(crate) fn cloud_point(provider: &str, replaces: Option<CloudPointId>) -> NewCloudPoint {
    NewCloudPoint {
        id: id(CloudPointId::from_parts),
        provider: provider.into(),
        settings: json!({ "bucket": "pakete-ä" }),
        sealed: format!("sealed keys of {provider}"),
        test: None,
        replaces: replaces.map(|id| CloudReplaced { id, revision: 1 }),
    }
}

async fn set(db: &Database, new: &NewCloudPoint) -> Result<CloudPoint, DbError> {
    db.set_cloud_point(new, &admin(), at(10)).await
}

async fn change(
    db: &Database,
    point: &CloudPoint,
    asked: &CloudPointChange,
) -> Result<CloudPoint, DbError> {
    db.change_cloud_point(point.id, point.revision, asked, &admin(), at(20)).await
}

pub(crate) async fn a_point_is_set_changed_and_forgotten(bench: Bench) {
    let db = bench.open().await;
    assert_eq!(db.cloud_point().await.unwrap(), None);
    let before = db.stamp().await.unwrap();
    let new = NewCloudPoint { test: Some(json!(["ok"])), ..cloud_point("s3", None) };
    let point = set(&db, &new).await.unwrap();
    assert_eq!(db.cloud_point().await.unwrap().unwrap(), point);
    assert!(point.is_active && point.stamp > before, "servers hear of it");
    assert_eq!((point.revision, &point.settings), (1, &json!({ "bucket": "pakete-ä" })));
    assert_eq!((point.secrets_set, point.last_test.clone()), (at(10), Some(json!(["ok"]))));

    let asked = CloudPointChange { settings: Some(json!({ "bucket": "b" })), ..Default::default() };
    let changed = change(&db, &point, &asked).await.unwrap();
    assert_eq!((changed.revision, &changed.settings), (2, &json!({ "bucket": "b" })));
    assert_eq!((changed.secrets_set, changed.changed), (at(10), at(20)), "the keys stay");
    assert_eq!((changed.last_test.clone(), changed.created), (Some(json!(["ok"])), at(10)));
    assert!(changed.stamp > point.stamp);

    let asked = CloudPointChange { sealed: Some("others".into()), ..Default::default() };
    let changed = change(&db, &changed, &asked).await.unwrap();
    assert_eq!((changed.revision, changed.secrets_set), (3, at(20)));
    assert_eq!(db.cloud_secrets(&changed).await.unwrap().as_deref(), Some("others"));
    assert_eq!(db.cloud_secrets(&point).await.unwrap(), None, "they are not of these settings");

    db.note_cloud_test(point.id, 2, &json!(["of the former"])).await.unwrap();
    assert_eq!(db.cloud_point().await.unwrap().unwrap().last_test, changed.last_test);
    db.note_cloud_test(point.id, 3, &json!(["again"])).await.unwrap();
    let noted = db.cloud_point().await.unwrap().unwrap();
    assert_eq!((noted.last_test, noted.revision), (Some(json!(["again"])), 3), "it is no change");

    db.forget_cloud_point(point.id, &admin(), at(30)).await.unwrap();
    assert_eq!(db.cloud_point().await.unwrap(), None);
    assert_eq!(db.cloud_secrets(&changed).await.unwrap(), None);
    let again = db.forget_cloud_point(point.id, &admin(), at(31)).await;
    assert!(matches!(again, Err(DbError::NotFound { .. })));
    db.note_cloud_test(point.id, 3, &json!([])).await.unwrap();
    assert!(matches!(db.verify_audit().await.unwrap(), AuditCheck::Intact { .. }));
}

pub(crate) async fn there_is_one_active_point_and_one_that_is_left(bench: Bench) {
    let db = bench.open().await;
    let first = set(&db, &cloud_point("s3", None)).await.unwrap();
    let told = set(&db, &cloud_point("swift", None)).await.unwrap_err();
    assert!(matches!(&told, DbError::SecondCloudPoint { provider } if provider == "s3"), "{told}");
    assert!(told.to_string().contains("--replace"), "{told}");
    let other = Some(id(CloudPointId::from_parts));
    let told = set(&db, &cloud_point("swift", other)).await;
    assert!(matches!(told, Err(DbError::SecondCloudPoint { .. })), "another than was meant");
    assert_eq!(db.leaving_cloud_point().await.unwrap(), None);

    let second = set(&db, &cloud_point("swift", Some(first.id))).await.unwrap();
    assert_eq!(db.cloud_point().await.unwrap().unwrap(), second);
    let leaving = db.leaving_cloud_point().await.unwrap().unwrap();
    let since = CloudLeaving { since: at(10), left: None, objects: None };
    let expected = CloudPoint { is_active: false, leaving: Some(since), revision: 2, ..first.clone() };
    assert_eq!(leaving, expected);
    let sealed = db.cloud_secrets(&leaving).await.unwrap();
    assert_eq!(sealed.as_deref(), Some("sealed keys of s3"));

    let told = set(&db, &cloud_point("akamai", Some(second.id))).await.unwrap_err();
    assert!(matches!(told, DbError::WrongState { .. }), "{told}");
    assert_eq!(db.cloud_point().await.unwrap().unwrap(), second, "nothing is half done");
    db.forget_cloud_point(first.id, &admin(), at(30)).await.unwrap();
    set(&db, &cloud_point("akamai", Some(second.id))).await.unwrap();
}

pub(crate) async fn of_many_who_set_a_point_at_once_one_does(bench: Bench) {
    let db = bench.open().await;
    let answers = in_parallel(8, |_| {
        let db = db.clone();
        async move { set(&db, &cloud_point("s3", None)).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, DbError::SecondCloudPoint { .. }), "{refused}");
    }
}

pub(crate) async fn a_change_of_an_older_point_is_refused(bench: Bench) {
    let db = bench.open().await;
    let point = set(&db, &cloud_point("s3", None)).await.unwrap();
    let asked = CloudPointChange { settings: Some(json!({ "bucket": "b" })), ..Default::default() };
    change(&db, &point, &asked).await.unwrap();
    let other = CloudPointChange { settings: Some(json!({ "bucket": "c" })), ..Default::default() };
    let told = change(&db, &point, &other).await.unwrap_err();
    assert!(matches!(told, DbError::Stale { now: 2, based_on: 1, .. }), "{told}");
    let now = db.cloud_point().await.unwrap().unwrap();
    assert_eq!(now.settings, json!({ "bucket": "b" }));
}

pub(crate) async fn a_change_of_a_point_that_is_left_meanwhile_is_refused(bench: Bench) {
    let db = bench.open().await;
    let point = set(&db, &cloud_point("s3", None)).await.unwrap();
    set(&db, &cloud_point("swift", Some(point.id))).await.unwrap();
    let asked = CloudPointChange { settings: Some(json!({ "bucket": "b" })), ..Default::default() };
    let left = db.leaving_cloud_point().await.unwrap().unwrap();
    for (seen, based_on) in [(&point, 1), (&left, 2)] {
        let told = change(&db, seen, &asked).await.unwrap_err();
        assert!(matches!(told, DbError::Stale { now: 2, based_on: on, .. } if on == based_on));
    }
    assert_eq!(db.leaving_cloud_point().await.unwrap(), Some(left));
}

pub(crate) async fn a_point_that_was_changed_since_it_was_looked_at_is_not_replaced(bench: Bench) {
    let db = bench.open().await;
    let point = set(&db, &cloud_point("s3", None)).await.unwrap();
    let asked = CloudPointChange { settings: Some(json!({ "bucket": "b" })), ..Default::default() };
    let changed = change(&db, &point, &asked).await.unwrap();
    let new = cloud_point("swift", Some(point.id));
    let told = set(&db, &new).await.unwrap_err();
    assert!(matches!(told, DbError::Stale { now: 2, based_on: 1, .. }), "{told}");
    assert_eq!(db.cloud_point().await.unwrap(), Some(changed));
    let seen = CloudReplaced { id: point.id, revision: 2 };
    let new = NewCloudPoint { replaces: Some(seen), ..new };
    // Nor where it is being left meanwhile: its place is not free yet.
    let kept = xylem_db::CloudObjects::Kept;
    db.remove_cloud_point(point.id, kept, &admin(), at(30)).await.unwrap();
    let told = set(&db, &new).await.unwrap_err();
    assert!(matches!(told, DbError::Stale { now: 3, based_on: 2, .. }), "{told}");
    assert_eq!(db.cloud_point().await.unwrap(), None);
    db.forget_cloud_point(point.id, &admin(), at(31)).await.unwrap();
    set(&db, &new).await.unwrap();
}

pub(crate) async fn sealed_keys_come_out_by_name_alone(bench: Bench) {
    let db = bench.open().await;
    let point = set(&db, &cloud_point("s3", None)).await.unwrap();
    let asked = CloudPointChange { sealed: Some("sealed anew".into()), ..Default::default() };
    let changed = change(&db, &point, &asked).await.unwrap();
    let records = db.audit_records(None, 9).await.unwrap();
    assert_eq!(records[0].action, "cloud.change");
    assert_eq!((&records[0].detail["keys"], &records[0].detail["settings"]), (
        &json!(true),
        &json!(null)
    ));
    let told = format!("{point:?} {changed:?} {records:?}");
    assert!(!told.contains("sealed"), "{told}");
    assert_eq!(db.cloud_secrets(&changed).await.unwrap().as_deref(), Some("sealed anew"));
}

pub(crate) async fn what_is_too_large_is_refused(bench: Bench) {
    let db = bench.open().await;
    let long = "x".repeat(MAX_CLOUD_SETTINGS_BYTES);
    let new = NewCloudPoint { settings: json!({ "bucket": long }), ..cloud_point("s3", None) };
    assert!(matches!(set(&db, &new).await, Err(DbError::Invalid { .. })));
    let new = NewCloudPoint { sealed: format!("{long}x"), ..cloud_point("s3", None) };
    assert!(matches!(set(&db, &new).await, Err(DbError::Invalid { .. })));
    let fits = "x".repeat(MAX_CLOUD_SETTINGS_BYTES - 13);
    let new = NewCloudPoint { settings: json!({ "bucket": fits }), ..cloud_point("s3", None) };
    set(&db, &new).await.unwrap();
}
