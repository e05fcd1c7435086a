//! Scripts: history, two editors at once, who may do what, and what never leaves the server.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use xylem_api::error::ErrorCode;
use xylem_api::scripts::{
    ChangeScript, ChangeScriptSettings, EditScript, GivenContents, NewScript, RestoreVersion,
    SetContents,
};
use xylem_api::server::Scope;
use xylem_client::{AdminClient, NamedKind};
use xylem_model::{ContentsThrough, ScriptPriority, Stamp};

use crate::harness::{Harness, refusal};

fn text(body: &str) -> GivenContents {
    GivenContents::Text(format!("#!/bin/sh\n{body}\n"))
}

fn new(name: &str, contents: GivenContents) -> NewScript {
    NewScript {
        name: name.to_owned(),
        category: None,
        info: String::new(),
        notes: String::new(),
        priority: ScriptPriority::After,
        labels: BTreeMap::new(),
        os_requirement: String::new(),
        contents,
        comment: String::new(),
        edit: None,
    }
}

fn set(body: &str, based_on: u64) -> SetContents {
    SetContents { contents: text(body), based_on, comment: String::new(), edit: None }
}

async fn decide(admin: &AdminClient, decision: ChangeScriptSettings) {
    admin.change_script_settings(decision).await.unwrap();
}

#[tokio::test]
async fn twenty_edits_are_kept_any_two_compared_and_any_one_restored() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    admin.add_script(&new("Map drives.sh", text("echo edit 1"))).await.unwrap();
    for number in 2..=20 {
        let body = format!("echo edit {number}");
        let saved = admin.set_script_contents("map DRIVES.sh", &set(&body, number - 1)).await;
        assert_eq!(saved.unwrap().script.current.version, number);
    }
    let name = "Map drives.sh";
    for from in 0..=20 {
        for to in 1..=20 {
            let diff = admin.diff_script(name, Some(from), Some(to)).await.unwrap();
            let lines: Vec<&str> = diff.unified.lines().collect();
            if from == to {
                assert!(lines.is_empty(), "{lines:?}");
                continue;
            }
            assert_eq!(lines[0], format!("--- Map drives.sh version {from}"));
            assert_eq!(lines[1], format!("+++ Map drives.sh version {to}"));
            assert!(lines.contains(&&*format!("+echo edit {to}")), "{lines:?}");
            assert_eq!(lines.contains(&&*format!("-echo edit {from}")), from > 0, "{lines:?}");
        }
    }
    let newest = admin.diff_script(name, None, None).await.unwrap();
    assert_eq!((newest.from, newest.to), (19, 20));
    assert_eq!(refusal(admin.diff_script(name, Some(1), Some(21)).await).0, ErrorCode::NotFound);

    for (n, version) in (1..=20).rev().enumerate() {
        let based_on = 20 + n as u64 - u64::from(n > 0);
        let asked = RestoreVersion { version, based_on, edit: None };
        let restored = admin.restore_script(name, &asked).await.unwrap();
        let current = &restored.script.current;
        // The newest restored is the newest, and no further version.
        assert_eq!(restored.changed, n > 0, "{version}");
        assert_eq!(current.restores, (n > 0).then_some(version));
        let now = admin.script_contents(name, None).await.unwrap();
        assert_eq!(now.contents, format!("#!/bin/sh\necho edit {version}\n"));
        let then = admin.script_contents(name, Some(version)).await.unwrap();
        assert_eq!((then.contents, then.version.version), (now.contents, version));
    }
    let history = admin.script_versions(name, None).await.unwrap();
    assert_eq!((history.items.len(), history.next), (39, None));
    assert!(history.items.iter().all(|it| it.author == "token:first administrator"));
    let older = admin.script_versions(name, Some(3)).await.unwrap();
    assert_eq!(older.items.iter().map(|it| it.version).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn of_two_editors_the_second_gets_a_conflict_and_overwrites_nothing() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    let other = harness.with_token(&harness.token_for(&[Scope::Scripts]).await);
    admin.add_script(&new("Map.sh", text("echo one"))).await.unwrap();
    let first = admin.edit_script("Map.sh", EditScript::default()).await.unwrap();
    let second = other.edit_script("Map.sh", EditScript::default()).await.unwrap();
    assert_eq!((&first.contents, first.version), (&second.contents, 1));
    let asked = SetContents { edit: Some(second.edit), ..set("echo theirs", second.version) };
    other.set_script_contents("Map.sh", &asked).await.unwrap();
    let asked = SetContents { edit: Some(first.edit), ..set("echo mine", first.version) };
    let (code, told) = refusal(admin.set_script_contents("Map.sh", &asked).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("version 2 by token:ci") && told.contains("version 1"), "{told}");
    let now = admin.script_contents("Map.sh", None).await.unwrap();
    assert_eq!(now.contents, "#!/bin/sh\necho theirs\n");
    let asked = RestoreVersion { version: 1, based_on: 1, edit: None };
    assert_eq!(refusal(admin.restore_script("Map.sh", &asked).await).0, ErrorCode::Conflict);

    // The same for what is said of it, which has its own count.
    let info = |text: &str, revision| ChangeScript {
        revision,
        info: Some(text.to_owned()),
        ..ChangeScript::default()
    };
    other.change_script("Map.sh", &info("theirs", 1)).await.unwrap();
    let (code, told) = refusal(admin.change_script("Map.sh", &info("mine", 1)).await);
    assert!(code == ErrorCode::Conflict && told.contains("revision 2"), "{told}");
    assert_eq!(admin.script("Map.sh").await.unwrap().info, "theirs");
}

#[tokio::test]
async fn what_is_said_of_a_script_is_kept_and_changed_in_part() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    admin.add_name(NamedKind::Category, "Tools").await.unwrap();
    let asked = NewScript {
        category: Some("tools".into()),
        info: "Maps drives".into(),
        priority: ScriptPriority::Before,
        labels: BTreeMap::from([(4, "Server".to_owned()), (5, "Share".to_owned())]),
        os_requirement: "10.6.X,>= 10.13".into(),
        comment: "as it was on paper".into(),
        ..new("Map.sh", text("map"))
    };
    let made = admin.add_script(&asked).await.unwrap().script;
    assert_eq!(made.category.as_deref(), Some("Tools"));
    assert_eq!(made.os_requirement, "10.6.x, >=10.13");
    assert_eq!(made.current.comment, "as it was on paper");
    let change = ChangeScript {
        revision: made.revision,
        name: Some("Map drives.sh".into()),
        category: Some(String::new()),
        labels: BTreeMap::from([(5, String::new()), (11, "User".to_owned())]),
        ..ChangeScript::default()
    };
    let changed = admin.change_script("MAP.sh", &change).await.unwrap();
    let labels: Vec<(u8, &str)> = changed.labels.iter().collect();
    assert_eq!(labels, [(4, "Server"), (11, "User")]);
    assert_eq!((changed.category, changed.info.as_str()), (None, "Maps drives"));
    assert_eq!((changed.priority, changed.revision), (ScriptPriority::Before, 2));

    for (asked, code) in [
        (
            NewScript { labels: BTreeMap::from([(3, "x".into())]), ..asked.clone() },
            ErrorCode::BadRequest,
        ),
        (NewScript { os_requirement: "ten".into(), ..asked.clone() }, ErrorCode::BadRequest),
        (NewScript { category: Some("none".into()), ..asked.clone() }, ErrorCode::NotFound),
        (NewScript { name: "Greet.scpt".into(), ..asked.clone() }, ErrorCode::NameRefused),
        (NewScript { name: "a/b".into(), ..asked.clone() }, ErrorCode::NameRefused),
        (NewScript { name: "MAP DRIVES.sh".into(), ..asked.clone() }, ErrorCode::Conflict),
    ] {
        assert_eq!(refusal(admin.add_script(&asked).await).0, code, "{asked:?}");
    }
    let names: Vec<String> = admin
        .scripts(None)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|it| it.name.to_string())
        .collect();
    assert_eq!(names, ["Map drives.sh"]);
    assert!(admin.scripts(Some("Map drives.sh")).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn contents_are_brought_to_one_form_with_a_report_or_refused_with_a_reason() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    let bytes = GivenContents::Base64(STANDARD.encode(b"#!/bin/sh\recho caf\x8e"));
    let saved = admin.add_script(&new("Old.sh", bytes)).await.unwrap();
    let told: Vec<&str> = saved.normalised.iter().map(|it| &*it.what).collect();
    assert_eq!(told, ["mac-roman", "line-endings", "final-newline"]);
    let contents = admin.script_contents("Old.sh", None).await.unwrap().contents;
    assert_eq!(contents, "#!/bin/sh\necho café\n");

    let osascript = GivenContents::Text("#!/usr/bin/env osascript\nbeep\n".into());
    let compiled = GivenContents::Base64(STANDARD.encode(b"FasdUAS 1.101.10\0"));
    for (contents, code, reason) in [
        (compiled, ErrorCode::Refused, "compiled AppleScript"),
        (
            GivenContents::Text("tell application \"Finder\"".into()),
            ErrorCode::Refused,
            "AppleScript",
        ),
        (GivenContents::Text("echo\n".into()), ErrorCode::Refused, "#!/bin/sh"),
        (GivenContents::Base64("?".into()), ErrorCode::BadRequest, "base64"),
        (text(&"x".repeat(1 << 20)), ErrorCode::TooLarge, "1048576"),
        (osascript.clone(), ErrorCode::Refused, "allow-osascript"),
    ] {
        let (found, told) = refusal(admin.add_script(&new("New.sh", contents)).await);
        assert!(found == code && told.contains(reason), "{told}");
    }
    let allow = |yes| ChangeScriptSettings { allow_osascript: Some(yes), change_contents: None };
    decide(&admin, allow(true)).await;
    admin.add_script(&new("Beep", osascript)).await.unwrap();
    admin.set_script_contents("Beep", &set("printf '\\a'", 1)).await.unwrap();
    // What was taken then is not brought back once it is forbidden.
    decide(&admin, allow(false)).await;
    let asked = RestoreVersion { version: 1, based_on: 2, edit: None };
    assert_eq!(refusal(admin.restore_script("Beep", &asked).await).0, ErrorCode::Refused);
}

#[tokio::test]
async fn the_editor_alone_changes_contents_where_it_has_to() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    admin.add_script(&new("Map.sh", text("one"))).await.unwrap();
    let only = ChangeScriptSettings {
        change_contents: Some(ContentsThrough::EditorOnly),
        allow_osascript: None,
    };
    decide(&admin, only).await;
    let (code, told) = refusal(admin.set_script_contents("Map.sh", &set("two", 1)).await);
    assert!(code == ErrorCode::Forbidden && told.contains("scripts.change-contents"), "{told}");
    assert_eq!(refusal(admin.add_script(&new("New.sh", text("x"))).await).0, ErrorCode::Forbidden);
    let asked = RestoreVersion { version: 1, based_on: 1, edit: None };
    assert_eq!(refusal(admin.restore_script("Map.sh", &asked).await).0, ErrorCode::Forbidden);
    // Everything else of it is changed as before.
    let change = ChangeScript { revision: 1, info: Some("x".into()), ..ChangeScript::default() };
    admin.change_script("Map.sh", &change).await.unwrap();

    let opened = admin.edit_script("Map.sh", EditScript::default()).await.unwrap();
    let edited = SetContents { edit: Some(opened.edit), ..set("two", opened.version) };
    let other = harness.with_token(&harness.token_for(&[Scope::Scripts]).await);
    let (code, told) = refusal(other.set_script_contents("Map.sh", &edited).await);
    assert!(code == ErrorCode::Forbidden && told.contains("somebody else's"), "{told}");
    assert!(admin.set_script_contents("Map.sh", &edited).await.unwrap().changed);
    let made = admin.edit_script("New.sh", EditScript { new: true }).await.unwrap();
    assert_eq!((made.version, made.contents.as_str()), (0, ""));
    let asked = NewScript { edit: Some(made.edit), ..new("New.sh", text("x")) };
    admin.add_script(&asked).await.unwrap();
    harness.clock.advance(Duration::from_secs(12 * 60 * 60));
    let late = SetContents { edit: Some(opened.edit), ..set("three", 2) };
    assert_eq!(refusal(admin.set_script_contents("Map.sh", &late).await).0, ErrorCode::Forbidden);
    let audit = admin.audit(None).await.unwrap().items;
    let decided = audit.iter().find(|it| it.action == "script.settings").unwrap();
    assert_eq!(
        (&*decided.object, &decided.detail["set"]),
        ("scripts.change-contents", &"editor-only".into())
    );
}

#[tokio::test]
async fn readers_read_scripts_and_those_with_the_scope_change_them() {
    let harness = Harness::start().await;
    harness.admin().add_script(&new("Map.sh", text("one"))).await.unwrap();
    let with = async |scope| harness.with_token(&harness.token_for(&[scope]).await);
    let scripts = with(Scope::Scripts).await;
    scripts.set_script_contents("Map.sh", &set("two", 1)).await.unwrap();
    scripts.names(NamedKind::Category).await.unwrap();
    assert_eq!(refusal(scripts.distribution_servers().await).0, ErrorCode::Forbidden);
    let decision = ChangeScriptSettings { allow_osascript: Some(true), change_contents: None };
    let decided = scripts.change_script_settings(decision).await;
    assert_eq!(refusal(decided).0, ErrorCode::Forbidden);

    let read = with(Scope::Read).await;
    assert_eq!(read.script_contents("Map.sh", Some(1)).await.unwrap().version.version, 1);
    read.diff_script("Map.sh", None, None).await.unwrap();
    read.script_settings().await.unwrap();
    assert_eq!(refusal(read.delete_script("Map.sh").await).0, ErrorCode::Forbidden);
    let edit = read.edit_script("Map.sh", EditScript::default()).await;
    assert_eq!(refusal(edit).0, ErrorCode::Forbidden);
    let saved = read.set_script_contents("Map.sh", &set("three", 2)).await;
    assert_eq!(refusal(saved).0, ErrorCode::Forbidden);
    let files = with(Scope::Files).await;
    assert_eq!(refusal(files.script_contents("Map.sh", None).await).0, ErrorCode::Forbidden);
    assert_eq!(refusal(files.scripts(None).await).0, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_deleted_script_can_be_brought_back_for_thirty_days() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    for name in ["Map.sh", "Other.sh"] {
        admin.add_script(&new(name, text(name))).await.unwrap();
        admin.delete_script(name).await.unwrap();
    }
    assert_eq!(refusal(admin.script("Map.sh").await).0, ErrorCode::NotFound);
    assert_eq!(admin.deleted_scripts().await.unwrap().items.len(), 2);
    let back = admin.undelete_script("map.sh").await.unwrap();
    assert_eq!((back.deleted_at, back.current.version), (None, 1));
    assert_eq!(refusal(admin.undelete_script("Map.sh").await).0, ErrorCode::Conflict);
    harness.clock.advance(Duration::from_secs(30 * 24 * 60 * 60 + 1));
    let harness = harness.stop().await.start().await;
    // The job runs as the server starts.
    while !harness.admin().deleted_scripts().await.unwrap().items.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(refusal(harness.admin().undelete_script("Other.sh").await).0, ErrorCode::NotFound);
    harness.admin().script("Map.sh").await.unwrap();
}

#[tokio::test]
async fn nothing_that_a_distribution_server_is_told_holds_a_script() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let before = root.control.state().await.unwrap();
    let stamp = harness.admin().status().await.unwrap().stamp;
    harness.admin().add_script(&new("Marked-name.sh", text("marked-body"))).await.unwrap();
    harness.admin().set_script_contents("Marked-name.sh", &set("marked-body 2", 1)).await.unwrap();
    assert_eq!(harness.admin().status().await.unwrap().stamp, stamp, "there is nothing to hear of");
    harness.publish(&root, "a.pkg", b"a").await;

    let after = root.control.state().await.unwrap();
    assert_ne!(format!("{:?}", after.head), format!("{:?}", before.head));
    let pages = root.pages(Stamp::new(0, 0)).await;
    let told = format!(
        "{} {}",
        serde_json::to_string(&after).unwrap(),
        serde_json::to_string(&pages).unwrap()
    );
    let payloads = pages.iter().flat_map(|page| &page.descriptors).map(|it| it.payload.clone());
    let payloads: Vec<String> =
        payloads.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    assert!(payloads.iter().any(|text| text.contains("a.pkg")), "{payloads:?}");
    for marked in ["Marked-name", "marked-body"] {
        assert!(!told.contains(marked) && !payloads.iter().any(|text| text.contains(marked)));
    }
}
