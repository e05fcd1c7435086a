//! Scripts: versions that nobody overwrites, what is said of them, and the editor.

use std::time::Duration;

use xylem_db::{
    Database, DbError, EDIT_LASTS, MAX_EDITS, MAX_NOTES_BYTES, NewContents, NewEdit, NewScript,
    SavedContents, ScriptChange, ScriptSettingsChange,
};
use xylem_model::{
    CategoryId, ContentsThrough, ParameterLabels, ScriptContents, ScriptEditId, ScriptId,
    ScriptName, ScriptPriority, ScriptRules,
};

use crate::bench::{Bench, admin, at, id, in_parallel};

fn name(text: &str) -> ScriptName {
    ScriptName::new(text).unwrap()
}

fn contents(body: &str) -> ScriptContents {
    let text = format!("#!/bin/sh\n{body}\n");
    ScriptContents::read(text.as_bytes(), ScriptRules::default()).unwrap().0
}

pub(crate) fn script(text: &str, body: &str) -> NewScript {
    NewScript {
        id: id(ScriptId::from_parts),
        name: name(text),
        category: None,
        info: String::new(),
        notes: String::new(),
        priority: ScriptPriority::After,
        labels: ParameterLabels::default(),
        os_requirement: "10.6.x, >=10.13".parse().unwrap(),
        contents: contents(body),
        comment: String::new(),
        edit: None,
    }
}

fn change(body: &str, based_on: u32) -> NewContents {
    let comment = format!("makes it {body}");
    NewContents { contents: contents(body), based_on, comment, restores: None, edit: None }
}

pub(crate) async fn save(
    db: &Database,
    text: &str,
    new: &NewContents,
) -> Result<SavedContents, DbError> {
    db.change_script_contents(&name(text), new, &admin(), at(20)).await
}

pub(crate) async fn every_version_is_kept_and_any_of_them_comes_back(bench: Bench) {
    let db = bench.open().await;
    let added = db.add_script(&script("Map.sh", "edit 1"), &admin(), at(10)).await.unwrap();
    for number in 2..=20 {
        let saved = save(&db, "MAP.SH", &change(&format!("edit {number}"), number - 1)).await;
        let saved = saved.unwrap();
        assert!(saved.changed && saved.now.version.number == number);
    }
    let script = added.script.id;
    for number in 1..=20 {
        let (version, body) = db.script_version(script, number).await.unwrap();
        assert_eq!(body, contents(&format!("edit {number}")));
        assert_eq!((version.number, version.digest), (number, body.digest()));
        assert_eq!((version.bytes, &*version.author), (body.as_str().len() as u64, "token:admin"));
    }
    assert!(matches!(db.script_version(script, 21).await, Err(DbError::NotFound { .. })));

    let again = NewContents { restores: Some(7), ..change("edit 7", 20) };
    let saved = save(&db, "Map.sh", &again).await.unwrap().now;
    assert_eq!((saved.version.number, saved.version.restores), (21, Some(7)));
    assert_eq!(db.script_version(script, 21).await.unwrap().1, contents("edit 7"));
    // The same again is no version, whatever it is based on: its answer may have been lost.
    let once_more = save(&db, "Map.sh", &again).await.unwrap();
    assert!(!once_more.changed && once_more.now == saved);

    let page = db.script_versions(script, None, 3).await.unwrap();
    assert_eq!(page.iter().map(|it| it.number).collect::<Vec<_>>(), [21, 20, 19]);
    assert_eq!(page[1].comment, "makes it edit 20");
    let older = db.script_versions(script, Some(3), 9).await.unwrap();
    assert_eq!(older.iter().map(|it| it.number).collect::<Vec<_>>(), [2, 1]);
}

pub(crate) async fn of_many_who_save_at_once_one_does_and_nothing_is_overwritten(bench: Bench) {
    let db = bench.open().await;
    let added = db.add_script(&script("Map.sh", "first"), &admin(), at(10)).await.unwrap();
    let saved = in_parallel(8, |n| {
        let db = db.clone();
        async move { save(&db, "Map.sh", &change(&format!("writer {n}"), 1)).await }
    });
    let (done, refused): (Vec<_>, Vec<_>) = saved.await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 7));
    for refusal in refused {
        let refusal = refusal.unwrap_err();
        assert!(matches!(refusal, DbError::Stale { now: 2, based_on: 1, .. }), "{refusal}");
        let told = refusal.to_string();
        assert!(told.contains("version 2 by token:admin") && told.contains("Nothing"), "{told}");
    }
    let now = db.script_by_name(&name("Map.sh")).await.unwrap();
    assert_eq!(now, done.into_iter().next().unwrap().unwrap().now);
    assert_eq!(db.script_versions(added.script.id, None, 9).await.unwrap().len(), 2);
    let ahead = save(&db, "Map.sh", &change("later", 3)).await;
    assert!(matches!(ahead, Err(DbError::Stale { .. })));
}

pub(crate) async fn what_is_said_of_a_script_changes_by_revision(bench: Bench) {
    let db = bench.open().await;
    let tools = id(CategoryId::from_parts);
    db.add_category(tools, "Tools", &admin(), at(1)).await.unwrap();
    db.add_script(&script("Map.sh", "x"), &admin(), at(10)).await.unwrap();
    db.add_script(&script("Other.sh", "x"), &admin(), at(10)).await.unwrap();
    let labels = ParameterLabels::new([(4, "Server".to_owned())]).unwrap();
    let asked = ScriptChange {
        name: Some(name("map drives.sh")),
        category: Some(Some(tools)),
        info: Some("Maps drives.\nTwo lines.".into()),
        priority: Some(ScriptPriority::AtReboot),
        labels: Some(labels.clone()),
        ..ScriptChange::default()
    };
    let changed = db.change_script(&name("Map.sh"), 1, &asked, &admin(), at(11)).await.unwrap();
    let script = &changed.script;
    assert_eq!((script.revision, script.latest, script.changed), (2, 1, at(11)));
    assert_eq!((script.category, &script.labels), (Some(tools), &labels));
    assert_eq!(script.os_requirement.to_string(), "10.6.x, >=10.13");
    assert_eq!(db.script_by_name(&name("MAP DRIVES.SH")).await.unwrap(), changed);

    let stale = db.change_script(&script.name, 1, &asked, &admin(), at(12)).await.unwrap_err();
    assert!(stale.to_string().contains("revision 2 by token:admin"), "{stale}");
    let taken = ScriptChange { name: Some(name("OTHER.sh")), ..ScriptChange::default() };
    let taken = db.change_script(&script.name, 2, &taken, &admin(), at(12)).await;
    assert!(matches!(taken, Err(DbError::Conflict { name, .. }) if name == "Other.sh"));
    let long = ScriptChange {
        notes: Some("x".repeat(MAX_NOTES_BYTES + 1)),
        ..ScriptChange::default()
    };
    let long = db.change_script(&script.name, 2, &long, &admin(), at(12)).await;
    assert!(matches!(long, Err(DbError::Invalid { .. })));

    let used = db.remove_category("tools", &admin(), at(13)).await.unwrap_err();
    assert!(used.to_string().contains("1 script:"), "{used}");
    db.delete_script(&script.name, &admin(), at(14)).await.unwrap();
    db.remove_category("tools", &admin(), at(15)).await.unwrap();
    let back = db.undelete_script(&script.name, &admin(), at(16)).await.unwrap();
    assert_eq!(back.script.category, None);
}

pub(crate) async fn a_deleted_script_comes_back_with_its_history(bench: Bench) {
    let db = bench.open().await;
    let first = db.add_script(&script("Map.sh", "one"), &admin(), at(10)).await.unwrap();
    save(&db, "Map.sh", &change("two", 1)).await.unwrap();
    let map = name("Map.sh");
    db.delete_script(&map, &admin(), at(30)).await.unwrap();
    assert!(matches!(db.script_by_name(&map).await, Err(DbError::NotFound { .. })));
    assert!(save(&db, "Map.sh", &change("three", 2)).await.is_err());

    // Its name is free meanwhile.
    let second = db.add_script(&script("map.sh", "other"), &admin(), at(31)).await.unwrap();
    assert_ne!(second.script.id, first.script.id);
    let blocked = db.undelete_script(&map, &admin(), at(32)).await;
    assert!(matches!(blocked, Err(DbError::Conflict { .. })));
    db.delete_script(&map, &admin(), at(33)).await.unwrap();
    let gone = db.deleted_scripts(9).await.unwrap();
    let gone: Vec<_> = gone.iter().map(|it| it.script.id).collect();
    assert_eq!(gone, [second.script.id, first.script.id], "the last first");

    // What is older than asked for goes; the other comes back whole.
    let purged = db.purge_scripts(at(33), &admin(), at(40)).await.unwrap();
    assert_eq!(purged, [first.script.id]);
    assert!(db.script_versions(first.script.id, None, 9).await.unwrap().is_empty());
    let back = db.undelete_script(&map, &admin(), at(41)).await.unwrap();
    assert_eq!((back.script.id, back.script.deleted), (second.script.id, None));
    assert_eq!(db.script_version(back.script.id, 1).await.unwrap().1, contents("other"));
    let never = db.undelete_script(&name("Never.sh"), &admin(), at(42)).await.unwrap_err();
    assert!(never.to_string().contains("no deleted script `Never.sh`"), "{never}");
}

pub(crate) async fn scripts_are_listed_in_pages_without_their_contents(bench: Bench) {
    let db = bench.open().await;
    for text in ["b.sh", "C.sh", "a.sh"] {
        db.add_script(&script(text, text), &admin(), at(10)).await.unwrap();
    }
    save(&db, "C.sh", &change("second", 1)).await.unwrap();
    let page = async |after: Option<&str>, limit| -> Vec<(String, u32)> {
        let after = after.map(name);
        let found = db.list_scripts(after.as_ref(), limit).await.unwrap();
        found.into_iter().map(|it| (it.script.name.to_string(), it.version.number)).collect()
    };
    assert_eq!(page(None, 2).await, [("a.sh".to_owned(), 1), ("b.sh".to_owned(), 1)]);
    assert_eq!(page(Some("B.sh"), 2).await, [("C.sh".to_owned(), 2)]);
}

pub(crate) async fn the_editor_alone_changes_contents_where_it_has_to(bench: Bench) {
    let db = bench.open().await;
    db.add_script(&script("Map.sh", "one"), &admin(), at(10)).await.unwrap();
    db.add_script(&script("Other.sh", "one"), &admin(), at(10)).await.unwrap();
    let editor_only = ScriptSettingsChange {
        contents_through: Some(ContentsThrough::EditorOnly),
        allow_osascript: None,
    };
    let decided = db.change_script_settings(editor_only, &admin(), at(11)).await.unwrap();
    assert_eq!(decided, db.script_settings().await.unwrap());
    assert!(!decided.rules.allow_osascript);

    let refused = save(&db, "Map.sh", &change("two", 1)).await.unwrap_err();
    assert!(matches!(refused, DbError::EditorOnly { .. }), "{refused}");
    assert!(refused.to_string().contains("xylem script edit"), "{refused}");
    let added = db.add_script(&script("New.sh", "new"), &admin(), at(12)).await;
    assert!(matches!(added, Err(DbError::EditorOnly { .. })));

    let open = async |text: &str, is_new: bool| {
        let new = NewEdit { id: id(ScriptEditId::from_parts), name: name(text), is_new };
        db.open_script_edit(&new, &admin(), at(20)).await.map(|present| (new.id, present))
    };
    let (edit, present) = open("map.sh", false).await.unwrap();
    let (present, text) = present.unwrap();
    assert_eq!((present.version.number, text), (1, contents("one")));
    let edited = |body: &str, based_on| NewContents { edit: Some(edit), ..change(body, based_on) };
    // Several times in one edit; but only that script, that author, and while it lasts.
    assert!(save(&db, "Map.sh", &edited("two", 1)).await.unwrap().changed);
    assert!(save(&db, "Map.sh", &edited("three", 2)).await.unwrap().changed);
    let other = save(&db, "Other.sh", &edited("two", 1)).await;
    assert!(matches!(other, Err(DbError::EditOver { .. })));
    let stranger = xylem_db::Actor::new("token:other");
    let new = edited("four", 3);
    let late = at(20).plus(EDIT_LASTS);
    for (actor, now) in [(&stranger, at(21)), (&admin(), late)] {
        let refused = db.change_script_contents(&name("Map.sh"), &new, actor, now).await;
        assert!(matches!(refused, Err(DbError::EditOver { .. })), "{actor:?}");
    }
    assert_eq!(db.expire_script_edits(late.minus(Duration::from_millis(1))).await.unwrap(), 0);

    let (made, present) = open("New.sh", true).await.unwrap();
    assert!(present.is_none());
    let wrong = NewScript { edit: Some(edit), ..script("New.sh", "new") };
    let wrong = db.add_script(&wrong, &admin(), at(22)).await;
    assert!(matches!(wrong, Err(DbError::EditOver { .. })));
    let new = NewScript { edit: Some(made), ..script("New.sh", "new") };
    db.add_script(&new, &admin(), at(22)).await.unwrap();
    assert!(matches!(open("new.sh", true).await, Err(DbError::Conflict { .. })));
    assert!(matches!(open("Never.sh", false).await, Err(DbError::NotFound { .. })));

    // A further edit ends the oldest of the same person.
    for _ in 0..MAX_EDITS {
        open("Other.sh", false).await.unwrap();
    }
    let ended = save(&db, "Map.sh", &edited("four", 3)).await;
    assert!(matches!(ended, Err(DbError::EditOver { .. })));
    assert_eq!(db.expire_script_edits(late).await.unwrap(), MAX_EDITS);
}

pub(crate) async fn scripts_raise_no_generation_and_no_record_holds_their_text(bench: Bench) {
    let db = bench.open().await;
    let before = db.stamp().await.unwrap();
    let secret = "swordfish";
    let script = NewScript { notes: secret.into(), ..script("Map.sh", secret) };
    db.add_script(&script, &admin(), at(10)).await.unwrap();
    save(&db, "Map.sh", &change(&format!("{secret} 2"), 1)).await.unwrap();
    let notes = ScriptChange { info: Some(secret.into()), ..ScriptChange::default() };
    db.change_script(&script.name, 1, &notes, &admin(), at(30)).await.unwrap();
    db.delete_script(&script.name, &admin(), at(31)).await.unwrap();
    db.undelete_script(&script.name, &admin(), at(32)).await.unwrap();
    assert_eq!(db.stamp().await.unwrap(), before);
    let records = db.audit_records(None, 9).await.unwrap();
    let actions: Vec<&str> = records.iter().rev().map(|it| &*it.action).collect();
    assert_eq!(
        actions,
        ["script.add", "script.contents", "script.change", "script.delete", "script.undelete"]
    );
    assert!(records.iter().all(|it| it.object == "Map.sh" && it.actor == "token:admin"));
    assert!(records.iter().all(|it| !it.detail.to_string().contains(secret)));
    assert_eq!(records[3].detail["version"], 2);
}
