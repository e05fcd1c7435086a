//! Records of files: revisions that nobody overwrites, and what is said of a file now.

use std::time::Duration;

use serde_json::{Map, Value, json};
use xylem_db::{
    Actor, Database, DbError, Declaration, FileChange, FileSorting, NewUpload, RecordNow,
    SavedRecord,
};
use xylem_model::{CategoryId, FileId, FileKind, MAX_TRIGGERING_FILES, RecordError};

use crate::bench::{Bench, admin, at, declaration, enroll, id, in_parallel, name, publish, sign};

fn patch(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("{other} is no change"),
    }
}

pub(crate) async fn describe(
    db: &Database,
    file: FileId,
    based_on: u32,
    fields: Value,
) -> Result<SavedRecord, DbError> {
    db.change_record(file, based_on, &patch(fields), &admin(), at(50)).await
}

/// A root with a file for each name.
async fn files<const COUNT: usize>(db: &Database, names: [&str; COUNT]) -> [FileId; COUNT] {
    let root = enroll(db, "root").await;
    let mut ids = [FileId::from_uuid(uuid::Uuid::nil()); COUNT];
    for (place, file) in names.into_iter().enumerate() {
        let kind = FileKind::of_name(file).unwrap();
        let new = NewUpload { kind, ..declaration(root, file, file.as_bytes()) };
        ids[place] = publish(db, &new, file.as_bytes()).await.file;
    }
    ids
}

async fn category(db: &Database, name: &str) -> CategoryId {
    let id = id(CategoryId::from_parts);
    db.add_category(id, name, &admin(), at(1)).await.unwrap();
    id
}

pub(crate) async fn every_revision_is_kept_and_any_of_them_comes_back(bench: Bench) {
    let db = bench.open().await;
    let [file, other] = files(&db, ["A.dmg", "B.pkg"]).await;
    let begin = db.record(file).await.unwrap();
    assert_eq!((begin.revision.number, &*begin.revision.author), (0, "system"));
    assert_eq!(db.record_revision(file, 0).await.unwrap(), begin);
    let only = db.record_revisions(file, None, 9).await.unwrap();
    assert_eq!(only, std::slice::from_ref(&begin.revision));

    let edits = [
        json!({ "display_name": "A for all", "priority": 3 }),
        json!({ "info": "one\ntwo", "fill_user_template": true, "os_requirement": ">=10.13" }),
        json!({ "priority": null, "required_processor": "arm64", "switch_with_package": other }),
    ];
    let mut kept: Vec<RecordNow> = vec![begin];
    for (number, edit) in edits.into_iter().enumerate() {
        let saved = describe(&db, file, u32::try_from(number).unwrap(), edit).await.unwrap();
        assert!(saved.changed);
        kept.push(saved.now);
    }
    assert_eq!(kept[2].revision.changed.len(), 3, "{:?}", kept[2].revision);
    assert_eq!((kept[3].revision.number, kept[3].revision.created), (3, at(50)));
    assert_eq!(db.record(file).await.unwrap(), kept[3]);
    for (number, then) in (0..).zip(&kept) {
        assert_eq!(db.record_revision(file, number).await.unwrap(), *then);
    }
    assert!(matches!(db.record_revision(file, 4).await, Err(DbError::NotFound { .. })));

    let restored = db.restore_record(file, 1, 3, &admin(), at(60)).await.unwrap();
    let now = restored.now;
    assert_eq!((now.revision.number, now.revision.restores), (4, Some(1)));
    assert_eq!(now.record, kept[1].record);
    let begin_again = db.restore_record(file, 0, 4, &admin(), at(61)).await.unwrap().now;
    assert_eq!(begin_again.record, kept[0].record);
    // The same again is no revision, whatever it is based on: its answer may have been lost.
    let once_more = db.restore_record(file, 0, 4, &admin(), at(62)).await.unwrap();
    assert!(!once_more.changed && once_more.now == begin_again);
    let idle = describe(&db, file, 1, json!({ "priority": 10, "info": null })).await.unwrap();
    assert!(!idle.changed);

    let numbers = async |before, limit| -> Vec<u32> {
        let page = db.record_revisions(file, before, limit).await.unwrap();
        page.iter().map(|it| it.number).collect()
    };
    assert_eq!(numbers(None, 2).await, [5, 4]);
    assert_eq!(numbers(Some(4), 9).await, [3, 2, 1, 0]);
    assert!(numbers(Some(0), 9).await.is_empty());
}

pub(crate) async fn of_many_who_edit_at_once_one_does_and_nothing_is_overwritten(bench: Bench) {
    let db = bench.open().await;
    let [file] = files(&db, ["A.pkg"]).await;
    let saved = in_parallel(8, |n| {
        let db = db.clone();
        async move { describe(&db, file, 0, json!({ "notes": format!("writer {n}") })).await }
    });
    let (done, refused): (Vec<_>, Vec<_>) = saved.await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 7));
    for refusal in refused {
        let refusal = refusal.unwrap_err();
        assert!(matches!(refusal, DbError::Stale { now: 1, based_on: 0, .. }), "{refusal}");
        let told = refusal.to_string();
        assert!(told.contains("revision 1 by token:admin") && told.contains("Nothing"), "{told}");
    }
    let now = db.record(file).await.unwrap();
    assert_eq!(now, done.into_iter().next().unwrap().unwrap().now);
    assert_eq!(db.record_revisions(file, None, 9).await.unwrap().len(), 2);
    let ahead = db.restore_record(file, 0, 2, &admin(), at(60)).await;
    assert!(matches!(ahead, Err(DbError::Stale { .. })));
}

pub(crate) async fn a_record_that_a_file_cannot_have_is_refused_and_nothing_is_stored(
    bench: Bench,
) {
    let db = bench.open().await;
    let [package, book] = files(&db, ["A.pkg", "B.epub"]).await;
    let gone = id(FileId::from_parts);
    for (file, fields) in [
        (package, json!({ "priority": 21 })),
        (package, json!({ "colour": "red" })),
        (package, json!({ "allow_uninstall": true })),
        (package, json!({ "fill_existing_homes": true, "notes": "x" })),
        (book, json!({ "reboot_required": true })),
    ] {
        let refused = describe(&db, file, 0, fields).await.unwrap_err();
        assert!(matches!(refused, DbError::Record(_)), "{refused}");
    }
    let itself = json!({ "required_processor": "x86", "switch_with_package": package });
    let itself = describe(&db, package, 0, itself).await;
    assert!(matches!(itself, Err(DbError::Record(RecordError::Rule { .. }))));
    let long = json!({ "triggering_files": vec!["/a"; MAX_TRIGGERING_FILES + 1] });
    let long = describe(&db, package, 0, long).await;
    assert!(matches!(long, Err(DbError::Record(RecordError::Value { .. }))));
    for (fields, named, told) in [
        (json!({ "category": gone }), "category", "no category"),
        (
            json!({ "required_processor": "x86", "switch_with_package": gone }),
            "switch_with_package",
            "no file",
        ),
        (json!({ "adobe_parent_package": book }), "adobe_parent_package", "no package `B.epub`"),
    ] {
        let refused = describe(&db, package, 0, fields).await.unwrap_err();
        let DbError::Reference { field, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*field, named);
        assert!(refused.to_string().contains(told), "{refused}");
    }
    assert_eq!(db.record(package).await.unwrap().revision.number, 0);
    let of_all = json!({ "display_name": "The book", "info": "i", "notes": "n" });
    assert!(describe(&db, book, 0, of_all).await.unwrap().changed);
}

pub(crate) async fn a_category_is_part_of_the_record_whichever_way_it_comes(bench: Bench) {
    let db = bench.open().await;
    let (tools, fonts) = (category(&db, "Tools").await, category(&db, "Fonts").await);
    let root = enroll(&db, "root").await;
    let new = NewUpload { category: Some(tools), ..declaration(root, "A.pkg", b"1") };
    let file = publish(&db, &new, b"1").await.file;
    let of = async || {
        let now = db.record(file).await.unwrap();
        let sorted = db.file(file).await.unwrap().category;
        assert_eq!(now.record.category, sorted, "the record and the file agree");
        (now.revision.number, sorted, now.revision.author)
    };
    assert_eq!(of().await, (0, Some(tools), "system".to_owned()));
    let stamp = db.stamp().await.unwrap();
    describe(&db, file, 0, json!({ "notes": "n" })).await.unwrap();
    assert_eq!(db.stamp().await.unwrap(), stamp, "nobody needs to hear of it");
    describe(&db, file, 1, json!({ "category": fonts })).await.unwrap();
    let after = db.stamp().await.unwrap();
    assert!(after > stamp, "selections by category have to hear of it");
    assert_eq!(of().await.1, Some(fonts));

    // Sorted by somebody who knows nothing of records.
    let editor = Actor::new("token:sorter");
    let none = FileSorting { category: Some(None), ..FileSorting::default() };
    db.sort_file(&name("A.pkg"), &none, &editor, at(60)).await.unwrap();
    assert_eq!(of().await, (3, None, "token:sorter".to_owned()));
    db.sort_file(&name("A.pkg"), &none, &editor, at(61)).await.unwrap();
    assert_eq!(of().await.0, 3, "nothing is different");
    // And by an upload that replaces it.
    let new =
        NewUpload { category: Some(tools), replace: true, ..declaration(root, "A.pkg", b"2") };
    publish(&db, &new, b"2").await;
    let (number, category, _) = of().await;
    assert_eq!((number, category), (4, Some(tools)));
    let last = db.record(file).await.unwrap();
    assert_eq!((last.revision.changed, last.record.notes.as_str()), (vec!["category".into()], "n"));

    // A category that is gone does not come back with an earlier revision.
    db.remove_category("fonts", &admin(), at(70)).await.unwrap();
    let refused = db.restore_record(file, 2, 4, &admin(), at(71)).await.unwrap_err();
    assert!(matches!(refused, DbError::Reference { field: "category", .. }), "{refused}");
    let back = db.restore_record(file, 0, 4, &admin(), at(72)).await.unwrap().now;
    assert_eq!((back.record.category, back.record.notes.as_str()), (Some(tools), ""));
}

pub(crate) async fn a_category_that_is_removed_leaves_the_records_of_deleted_files(bench: Bench) {
    let db = bench.open().await;
    let (root, tools) = (enroll(&db, "root").await, category(&db, "Tools").await);
    let new = |file: &str| NewUpload {
        category: Some(tools),
        ..declaration(root, file, file.as_bytes())
    };
    let said = publish(&db, &new("A.pkg"), b"A.pkg").await.file;
    let unsaid = publish(&db, &new("B.pkg"), b"B.pkg").await.file;
    describe(&db, said, 0, json!({ "notes": "n" })).await.unwrap();
    for file in ["A.pkg", "B.pkg"] {
        db.delete_file(&name(file), &admin(), at(60)).await.unwrap();
    }
    let remover = Actor::new("token:remover");
    db.remove_category("Tools", &remover, at(70)).await.unwrap();

    let now = db.record(said).await.unwrap();
    let revision = &now.revision;
    assert_eq!(
        (revision.number, &*revision.author, revision.created),
        (2, "token:remover", at(70))
    );
    assert_eq!(revision.changed, ["category"]);
    assert_eq!((now.record.category, now.record.notes.as_str()), (None, "n"));
    assert_eq!(db.record_revision(said, 2).await.unwrap(), now, "history and record agree");
    let before = db.record_revision(said, 1).await.unwrap();
    assert_eq!(before.record.category, Some(tools), "what was said stays said");
    // Of the other one nobody has said anything: it begins without a category.
    let begin = db.record(unsaid).await.unwrap();
    assert_eq!((begin.revision.number, begin.record.category), (0, None));
    assert_eq!(db.record_revisions(unsaid, None, 9).await.unwrap().len(), 1);

    for (file, id) in [("A.pkg", said), ("B.pkg", unsaid)] {
        let then = db.record(id).await.unwrap();
        db.restore_file(&name(file), &admin(), at(80)).await.unwrap();
        assert_eq!(db.record(id).await.unwrap(), then, "{file}");
        assert_eq!(db.file(id).await.unwrap().category, None, "{file}");
    }
}

pub(crate) async fn the_same_content_again_brings_its_category_where_it_may_replace(bench: Bench) {
    let db = bench.open().await;
    let (tools, fonts) = (category(&db, "Tools").await, category(&db, "Fonts").await);
    let root = enroll(&db, "root").await;
    let file = publish(&db, &declaration(root, "A.pkg", b"1"), b"1").await.file;
    let again = |category, replace| NewUpload {
        category: Some(category),
        replace,
        ..declaration(root, "A.pkg", b"1")
    };
    let of = async || {
        let now = db.record(file).await.unwrap();
        assert_eq!(db.file(file).await.unwrap().category, now.record.category);
        (now.revision.number, now.record.category)
    };
    let declared = async |new: NewUpload| {
        let answer = db.declare_upload(&new, &admin(), at(40)).await.unwrap();
        assert!(matches!(answer, Declaration::AlreadyThere(_)), "{answer:?}");
    };
    declared(again(tools, false)).await;
    assert_eq!(of().await, (0, None), "it was not to be replaced");
    declared(again(tools, true)).await;
    assert_eq!(of().await, (1, Some(tools)));
    let stamp = db.stamp().await.unwrap();
    declared(again(tools, true)).await;
    declared(declaration(root, "A.pkg", b"1")).await;
    assert_eq!((of().await, db.stamp().await.unwrap()), ((1, Some(tools)), stamp));
    // What was not declared is known to be the same at the commit.
    let late = NewUpload { blake3: None, sha256: None, ..again(fonts, true) };
    publish(&db, &late, b"1").await;
    assert_eq!(of().await, (2, Some(fonts)));
    assert_eq!(db.versions(file).await.unwrap().len(), 1);
}

pub(crate) async fn a_record_stays_with_its_file(bench: Bench) {
    let db = bench.open().await;
    let [file, _] = files(&db, ["A.pkg", "B.pkg"]).await;
    let said = describe(&db, file, 0, json!({ "notes": "n", "reboot_required": true })).await;
    let said = said.unwrap().now;
    let changing = |change: FileChange| xylem_db::ChangeFile {
        kind: FileKind::Package,
        name: name("A.pkg"),
        change,
        new_file: id(FileId::from_parts),
    };
    let copy = changing(FileChange::Copy { to: name("Copy.pkg"), replace: false });
    db.change_file(&copy, &admin(), at(60), sign).await.unwrap();
    let copy = db.file_by_name(&name("Copy.pkg")).await.unwrap().file.id;
    assert_eq!(db.record(copy).await.unwrap().revision.number, 0, "a copy begins anew");
    let rename = changing(FileChange::Rename { to: name("New.pkg"), replace: false });
    db.change_file(&rename, &admin(), at(61), sign).await.unwrap();
    assert_eq!(db.record(file).await.unwrap(), said);

    db.delete_file(&name("New.pkg"), &admin(), at(70)).await.unwrap();
    let refused = describe(&db, file, 1, json!({ "notes": "m" })).await;
    assert!(matches!(refused, Err(DbError::NotFound { .. })));
    db.restore_file(&name("New.pkg"), &admin(), at(71)).await.unwrap();
    assert_eq!(db.record(file).await.unwrap(), said);
    db.delete_file(&name("New.pkg"), &admin(), at(72)).await.unwrap();
    let later = at(72).plus(Duration::from_secs(1));
    assert_eq!(db.purge_deleted(later, &admin(), at(80)).await.unwrap(), [file]);
    assert!(matches!(db.record(file).await, Err(DbError::NotFound { .. })));
}

pub(crate) async fn the_audit_trail_names_what_was_changed_and_holds_no_text(bench: Bench) {
    let db = bench.open().await;
    let [file] = files(&db, ["A.pkg"]).await;
    let secret = "swordfish";
    let fields = json!({ "notes": secret, "adobe_serial_number": secret, "priority": 1 });
    describe(&db, file, 0, fields).await.unwrap();
    db.restore_record(file, 0, 1, &admin(), at(60)).await.unwrap();
    let records = db.audit_records(None, 2).await.unwrap();
    assert!(records.iter().all(|it| it.action == "file.record" && it.object == "A.pkg"));
    assert!(records.iter().all(|it| !it.detail.to_string().contains(secret)));
    assert_eq!(
        (&records[0].detail["revision"], &records[0].detail["restores"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(records[1].detail["changed"].as_array().unwrap().len(), 3);
}
