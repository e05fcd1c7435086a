//! Records of files: history, two at once, who may do what, and what is refused.

use serde_json::{Map, Value, json};
use xylem_api::catalogue::DeclareUpload;
use xylem_api::error::ErrorCode;
use xylem_api::records::{ChangeRecord, RecordSaved, RestoreRecord};
use xylem_api::selection::SortFile;
use xylem_api::server::Scope;
use xylem_client::{AdminClient, ClientError, NamedKind};
use xylem_model::FileKind;

use crate::harness::{Harness, declaration, found, refusal};

const PACKAGE: FileKind = FileKind::Package;

fn fields(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("{other} is no change"),
    }
}

async fn change(
    admin: &AdminClient,
    name: &str,
    revision: u64,
    patch: Value,
) -> Result<RecordSaved, ClientError> {
    let asked = ChangeRecord { revision, fields: fields(patch) };
    admin.change_record(FileKind::of_name(name).unwrap(), name, &asked).await
}

/// A server with these packages.
async fn with_packages(names: &[&str]) -> Harness {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    for name in names {
        harness.publish(&root, name, name.as_bytes()).await;
    }
    harness
}

#[tokio::test]
async fn revisions_are_kept_compared_and_restored() {
    let harness = with_packages(&["A.dmg", "B.pkg"]).await;
    let admin = harness.admin();
    admin.add_name(NamedKind::Category, "Tools").await.unwrap();
    let begin = admin.record(PACKAGE, "A.dmg", None).await.unwrap();
    assert_eq!((begin.revision.revision, &*begin.shown_as), (0, "A.dmg"));
    assert_eq!((begin.record.priority, begin.record.category.as_deref()), (Some(10), None));

    let first = json!({
        "display_name": "Tool A", "category": "tools", "priority": 2, "os_requirement": "10.6.X",
        "fill_user_template": true, "required_processor": "x86_64", "switch_with_package": "b.PKG",
    });
    let saved = change(&admin, "a.DMG", 0, first).await.unwrap();
    assert!(saved.changed && saved.record.shown_as == "Tool A", "{saved:?}");
    let record = &saved.record.record;
    assert_eq!(record.category.as_deref(), Some("Tools"));
    assert_eq!(record.switch_with_package.as_deref(), Some("B.pkg"));
    assert_eq!(record.os_requirement.as_deref(), Some("10.6.x"));
    let file = admin.file(PACKAGE, "A.dmg").await.unwrap().file;
    assert_eq!(file.category.as_deref(), Some("Tools"), "the file is sorted by it");
    let second = json!({ "category": "", "switch_with_package": "", "priority": null });
    change(&admin, "A.dmg", 1, second).await.unwrap();

    let diff = admin.diff_record(PACKAGE, "A.dmg", None, None).await.unwrap();
    assert_eq!((diff.from, diff.to), (1, 2));
    let mut told: Vec<(&str, &Value, &Value)> =
        diff.fields.iter().map(|it| (&*it.field, &it.from, &it.to)).collect();
    told.sort_by_key(|(field, ..)| *field);
    let (tools, b, none) = (json!("Tools"), json!("B.pkg"), json!(""));
    let expected = [
        ("category", &tools, &Value::Null),
        ("priority", &json!(2), &json!(10)),
        ("switch_with_package", &b, &none),
    ];
    assert_eq!(told, expected);
    assert!(admin.diff_record(PACKAGE, "A.dmg", Some(2), Some(2)).await.unwrap().fields.is_empty());
    let backwards = admin.diff_record(PACKAGE, "A.dmg", Some(2), Some(0)).await.unwrap();
    assert!(backwards.fields.iter().any(|it| it.field == "display_name" && it.to == ""));

    let restore = RestoreRecord { revision: 1, based_on: 2 };
    let back = admin.restore_record(PACKAGE, "A.dmg", &restore).await.unwrap().record;
    assert_eq!((back.revision.revision, back.revision.restores), (3, Some(1)));
    assert_eq!(back.record, saved.record.record);
    let history = admin.record_revisions(PACKAGE, "A.dmg", None).await.unwrap();
    let numbers: Vec<u64> = history.items.iter().map(|it| it.revision).collect();
    assert_eq!((numbers, history.next), (vec![3, 2, 1, 0], None));
    assert_eq!(history.items[1].changed.len(), 3);
    let then = admin.record(PACKAGE, "A.dmg", Some(0)).await.unwrap();
    assert_eq!(then, begin);
}

#[tokio::test]
async fn what_is_shown_can_be_sent_back_whatever_became_of_what_it_names() {
    let harness = Harness::start().await;
    let (admin, root) = (harness.admin(), harness.server("root").await);
    for name in ["A.pkg", "B.pkg"] {
        harness.publish(&root, name, name.as_bytes()).await;
    }
    admin.add_name(NamedKind::Category, "Tools").await.unwrap();
    let first = json!({
        "category": "Tools", "required_processor": "arm64", "switch_with_package": "B.pkg",
    });
    change(&admin, "A.pkg", 0, first).await.unwrap();
    let shown = async || admin.record(PACKAGE, "A.pkg", None).await.unwrap();

    // What is referred to may go; what was said stays readable, and says that it is gone.
    admin.delete_file(PACKAGE, "B.pkg").await.unwrap();
    let gone = shown().await.record;
    assert_eq!(gone.switch_with_package.as_deref(), Some("B.pkg (deleted)"));
    let same = change(&admin, "A.pkg", 1, json!(gone)).await.unwrap();
    assert!(!same.changed, "{same:?}");
    let mut noted = gone.clone();
    noted.notes = "n".to_owned();
    let saved = change(&admin, "A.pkg", 1, json!(noted)).await.unwrap();
    assert_eq!((saved.record.revision.changed, saved.record.record), (vec!["notes".into()], noted));

    // Another package of that name is not the one that was meant, until somebody says so.
    harness.publish(&root, "B.pkg", b"another").await;
    let as_shown = json!({ "switch_with_package": "B.pkg (deleted)" });
    let same = change(&admin, "A.pkg", 2, as_shown.clone()).await.unwrap();
    assert!(!same.changed, "{same:?}");
    assert_eq!(shown().await.record.switch_with_package, gone.switch_with_package);
    let anew = change(&admin, "A.pkg", 2, json!({ "switch_with_package": "B.pkg" })).await.unwrap();
    assert_eq!(anew.record.revision.changed, ["switch_with_package"]);
    assert_eq!(anew.record.record.switch_with_package.as_deref(), Some("B.pkg"));
    // By then that name is none that anything has.
    let late = change(&admin, "A.pkg", 3, as_shown).await;
    assert_eq!(refusal(late).0, ErrorCode::NotFound);
}

#[tokio::test]
async fn of_two_who_edit_at_once_the_second_is_told_and_overwrites_nothing() {
    let harness = with_packages(&["A.pkg"]).await;
    let admin = harness.admin();
    change(&admin, "A.pkg", 0, json!({ "notes": "first" })).await.unwrap();
    let (code, told) = refusal(change(&admin, "A.pkg", 0, json!({ "notes": "second" })).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("revision 1 by token:first administrator"), "{told}");
    let restore = RestoreRecord { revision: 0, based_on: 0 };
    let stale = admin.restore_record(PACKAGE, "A.pkg", &restore).await;
    assert_eq!(refusal(stale).0, ErrorCode::Conflict);
    assert_eq!(admin.record(PACKAGE, "A.pkg", None).await.unwrap().record.notes, "first");
    // What is so already is no conflict, and no revision.
    let again = change(&admin, "A.pkg", 0, json!({ "notes": "first" })).await.unwrap();
    assert!(!again.changed && again.record.revision.revision == 1);
    // Sorting is an edit like any other for whoever edits next.
    admin.add_name(NamedKind::Category, "Tools").await.unwrap();
    let sorting = SortFile { category: Some("Tools".into()), ..SortFile::default() };
    admin.sort_file(PACKAGE, "A.pkg", &sorting).await.unwrap();
    let late = change(&admin, "A.pkg", 1, json!({ "notes": "third" })).await;
    assert_eq!(refusal(late).0, ErrorCode::Conflict);
}

#[tokio::test]
async fn what_cannot_be_said_of_a_file_is_refused_with_the_reason() {
    let harness = Harness::start().await;
    let (admin, root) = (harness.admin(), harness.server("root").await);
    harness.publish(&root, "A.pkg", b"a").await;
    let book = DeclareUpload { kind: FileKind::Ebook, ..declaration("B.epub", b"b") };
    let upload = admin.declare_upload(&book).await.unwrap();
    root.control.ingested(upload.id, &found(b"b")).await.unwrap();
    for (name, patch, code, told) in [
        ("A.pkg", json!({ "priority": 0 }), ErrorCode::BadRequest, "`priority`"),
        ("A.pkg", json!({ "fill_user_template": true }), ErrorCode::BadRequest, "disk images"),
        ("A.pkg", json!({ "allow_uninstall": true }), ErrorCode::BadRequest, "no index"),
        ("A.pkg", json!({ "colour": 1 }), ErrorCode::BadRequest, "reboot_required"),
        ("A.pkg", json!({ "category": 7 }), ErrorCode::BadRequest, "`category`"),
        ("A.pkg", json!({ "category": "None such" }), ErrorCode::NotFound, "None such"),
        ("A.pkg", json!({ "category": "None such" }), ErrorCode::NotFound, "`category`"),
        ("A.pkg", json!({ "switch_with_package": "X.pkg" }), ErrorCode::NotFound, "X.pkg"),
        ("A.pkg", json!({ "adobe_parent_package": "X.pkg" }), ErrorCode::NotFound, "`adobe_parent"),
        ("A.pkg", json!({ "switch_with_package": "a/b" }), ErrorCode::NameRefused, "`switch_with"),
        ("B.epub", json!({ "reboot_required": true }), ErrorCode::BadRequest, "ebook"),
        // Before it is looked up.
        ("B.epub", json!({ "switch_with_package": "X.pkg" }), ErrorCode::BadRequest, "ebook"),
        ("A.pkg", json!({ "notes": "x".repeat(512 << 10) }), ErrorCode::TooLarge, "524288 bytes"),
        ("C.pkg", json!({ "notes": "x" }), ErrorCode::NotFound, "C.pkg"),
    ] {
        let (found, message) = refusal(change(&admin, name, 0, patch).await);
        assert!(found == code && message.contains(told), "{found:?}: {message}");
    }
    let of_book = admin.record(FileKind::Ebook, "B.epub", None).await.unwrap().record;
    assert_eq!((of_book.priority, of_book.manifest), (None, None), "a book has no such fields");
    let missing = admin.record(PACKAGE, "A.pkg", Some(1)).await;
    assert_eq!(refusal(missing).0, ErrorCode::NotFound);
    assert_eq!(admin.record(PACKAGE, "A.pkg", None).await.unwrap().revision.revision, 0);
}

#[tokio::test]
async fn whoever_may_edit_files_edits_records_and_readers_read_them() {
    let harness = with_packages(&["A.pkg"]).await;
    let with = async |scope| harness.with_token(&harness.token_for(&[scope]).await);
    let files = with(Scope::Files).await;
    change(&files, "A.pkg", 0, json!({ "notes": "by files" })).await.unwrap();
    let read = with(Scope::Read).await;
    let record = read.record(PACKAGE, "A.pkg", None).await.unwrap();
    assert_eq!((record.revision.author.as_str(), &*record.record.notes), ("token:ci", "by files"));
    read.record_revisions(PACKAGE, "A.pkg", None).await.unwrap();
    read.diff_record(PACKAGE, "A.pkg", Some(0), None).await.unwrap();
    let refused = change(&read, "A.pkg", 1, json!({ "notes": "by read" })).await;
    assert_eq!(refusal(refused).0, ErrorCode::Forbidden);
    let restore = RestoreRecord { revision: 0, based_on: 1 };
    let refused = read.restore_record(PACKAGE, "A.pkg", &restore).await;
    assert_eq!(refusal(refused).0, ErrorCode::Forbidden);
    let scripts = with(Scope::Scripts).await;
    assert_eq!(refusal(scripts.record(PACKAGE, "A.pkg", None).await).0, ErrorCode::Forbidden);
}
