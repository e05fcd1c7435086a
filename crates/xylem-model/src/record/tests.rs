use serde_json::json;

use super::*;
use crate::{FileKind, FileName};

fn id(number: u8) -> FileId {
    FileId::from_parts(1, &[number; 10])
}

fn subject(name: &str) -> RecordSubject {
    let kind = FileKind::of_name(name).unwrap();
    RecordSubject::new(id(1), kind, &FileName::new(name).unwrap(), false)
}

fn patched(name: &str, patch: Value) -> Result<PackageRecord, RecordError> {
    let Value::Object(patch) = patch else { panic!("{patch} is no change") };
    PackageRecord::default().changed(&patch, &subject(name))
}

/// What is said where the patch breaks a rule.
fn broken(name: &str, patch: Value) -> (&'static str, &'static str) {
    match patched(name, patch) {
        Err(RecordError::Rule { field, why }) => (field, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_values_are_those_of_the_original() {
    let fields = PackageRecord::default().fields();
    let set = fields.iter().filter(|(_, value)| {
        !matches!(value, Value::Null | Value::Bool(false))
            && **value != json!("")
            && **value != json!([])
    });
    let mut set: Vec<String> = set.map(|(name, value)| format!("{name}={value}")).collect();
    set.sort();
    let words = ["priority=10", "reinstall_option=\"never\"", "required_processor=\"none\""];
    assert_eq!(set, words);
    assert_eq!(fields.len(), 30);
}

#[test]
fn a_change_leaves_the_rest_and_null_brings_back_the_first_value() {
    let first = patched(
        "A.dmg",
        json!({
            "display_name": "  A for all ", "info": "one\r\ntwo\rthree", "priority": 1,
            "reboot_required": true, "fill_user_template": true, "fill_existing_homes": true,
            "os_requirement": " 10.6.X,>= 10.13 ", "required_processor": "x86_64",
            "switch_with_package": id(2), "reinstall_option": "when-missing",
            "triggering_files": ["/Applications/A.app"],
        }),
    )
    .unwrap();
    assert_eq!(first.display_name.as_str(), "A for all");
    assert_eq!(first.info.as_str(), "one\ntwo\nthree");
    assert_eq!(first.os_requirement.to_string(), "10.6.x, >=10.13");
    assert_eq!(serde_json::from_value::<PackageRecord>(json!(first)).unwrap(), first);
    let Value::Object(patch) = json!({ "priority": null, "notes": "x" }) else { unreachable!() };
    let second = first.changed(&patch, &subject("A.dmg")).unwrap();
    assert_eq!(second.priority.number(), 10);
    assert!(second.reboot_required);
    let mut changed = first.changed_fields(&second);
    changed.sort();
    assert_eq!(changed, ["notes", "priority"]);
    assert!(first.changed_fields(&first).is_empty());
    // A record from before a field was added has its first value.
    assert_eq!(serde_json::from_str::<PackageRecord>("{}").unwrap(), PackageRecord::default());
}

#[test]
fn a_value_that_cannot_be_is_refused_by_the_name_of_its_field() {
    for (field, value, told) in [
        ("priority", json!(0), "1 (first) to 20 (last)"),
        ("priority", json!(21), "21 is not"),
        ("priority", json!(-300), "-300 is not"),
        ("priority", json!("high"), "invalid type"),
        ("reboot_required", json!("yes"), "boolean"),
        ("os_requirement", json!("10.6.y"), "10.6.y"),
        ("required_processor", json!("m1"), "unknown variant"),
        ("display_name", json!("two\nlines"), "U+000A"),
        ("display_name", json!("x".repeat(MAX_LINE_BYTES + 1)), "1025 bytes; at most 1024"),
        // What makes two names look alike, and what some programs end a line at.
        ("display_name", json!("a\u{202e}b"), "U+202E"),
        ("manifest_file_name", json!("a\u{200b}.plist"), "U+200B"),
        ("adobe_language", json!("en\u{feff}"), "U+FEFF"),
        ("adobe_base_path", json!("/a\u{2028}b"), "U+2028"),
        ("triggering_files", json!(["/a\u{2066}"]), "U+2066"),
        ("info", json!("a\u{0}b"), "U+0000"),
        ("notes", json!("x".repeat(MAX_PROSE_BYTES + 1)), "at most 16384"),
        ("manifest", json!("x".repeat(MAX_MANIFEST_BYTES + 1)), "at most 65536"),
        ("triggering_files", json!(["Applications/A.app"]), "a path such as"),
        ("triggering_files", json!(vec!["/a"; MAX_TRIGGERING_FILES + 1]), "101 files"),
        ("category", json!("Tools"), "UUID"),
    ] {
        let error = patched("A.pkg", json!({ field: value })).unwrap_err();
        assert!(matches!(&error, RecordError::Value { field: of, .. } if of == field), "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
    let long = patched("A.pkg", json!({ "priority": "x".repeat(100_000) })).unwrap_err();
    assert!(long.to_string().len() < 300, "{long}");
    let most = json!({ "info": "é\t\n".repeat(MAX_PROSE_BYTES / 4), "priority": 20 });
    assert_eq!(patched("A.pkg", most).unwrap().priority, InstallPriority::LAST);
}

#[test]
fn a_list_is_counted_before_it_is_read() {
    let counted = |patch: Value| PackageRecord::check_lists(patch.as_object().unwrap());
    let files = |count| json!({ "triggering_files": vec![7; count] });
    counted(files(MAX_TRIGGERING_FILES)).unwrap();
    let error = counted(files(MAX_TRIGGERING_FILES + 1)).unwrap_err();
    assert!(matches!(&error, RecordError::Value { field, .. } if field == "triggering_files"));
    assert!(error.to_string().contains("101 files; at most 100"), "{error}");
    // What is no list is refused for that, when it is read.
    counted(json!({ "notes": vec![7; 1_000], "colour": vec![7; 1_000] })).unwrap();
}

#[test]
fn the_packages_that_are_referred_to_are_told_by_their_fields() {
    let whole = json!({
        "adobe_parent_package": id(2), "switch_with_package": id(3), "required_processor": "ppc",
    });
    let record = patched("A.pkg", whole).unwrap();
    for (field, package) in record.packages() {
        assert_eq!(record.fields()[field], json!(package), "{field}");
        assert!(package.is_some(), "{field}");
    }
}

#[test]
fn every_processor_and_reinstall_option_is_written_as_its_word() {
    for word in ["none", "arm64", "ppc", "universal", "x86", "x86_64"] {
        let record = patched("A.pkg", json!({ "required_processor": word })).unwrap();
        assert_eq!(record.required_processor.as_str(), word);
        assert_eq!(record.fields()["required_processor"], word);
    }
    for option in ReinstallOption::ALL {
        assert_eq!(json!(option), option.as_str());
    }
}

#[test]
fn apps_and_books_have_what_every_file_has_and_nothing_else() {
    for (name, kind) in [("A.ipa", "app"), ("B.epub", "ebook")] {
        let of_all = json!({ "display_name": "A", "info": "i", "notes": "n", "category": null });
        assert_eq!(patched(name, of_all).unwrap().display_name.as_str(), "A");
        // Not even its first value.
        for patch in [json!({ "reboot_required": false }), json!({ "priority": null })] {
            let error = patched(name, patch).unwrap_err();
            assert!(matches!(error, RecordError::NotOfKind { .. }), "{error}");
            let told = error.to_string();
            assert!(told.contains(kind) && told.contains("display_name, info, notes"), "{told}");
        }
        let unknown = patched(name, json!({ "colour": "red" })).unwrap_err().to_string();
        assert!(unknown.contains("colour") && !unknown.contains("reboot"), "{unknown}");
    }
    let unknown = patched("A.pkg", json!({ "c".repeat(1_000): 1 })).unwrap_err().to_string();
    assert!(unknown.contains("reboot_required") && unknown.len() < 1_000, "{unknown}");
}

#[test]
fn home_folders_are_filled_from_disk_images_alone() {
    for field in ["fill_user_template", "fill_existing_homes"] {
        assert!(patched("A.DMG", json!({ field: true })).is_ok());
        for name in ["A.pkg", "A.pkg.zip", "A.zip"] {
            assert_eq!(broken(name, json!({ field: true })).0, field);
        }
    }
}

#[test]
fn an_update_that_macos_reports_is_an_installer_package() {
    let patch = json!({ "install_if_reported_available": true });
    for name in ["A.pkg", "A.MPKG", "A.pkg.zip", "A.Mpkg.Zip"] {
        assert!(patched(name, patch.clone()).is_ok(), "{name}");
    }
    for name in ["A.dmg", "A.zip"] {
        assert_eq!(broken(name, patch.clone()).0, "install_if_reported_available", "{name}");
    }
}

#[test]
fn what_has_no_index_cannot_be_taken_away() {
    let patch = json!({ "allow_uninstall": true });
    let (field, why) = broken("A.pkg", patch.clone());
    assert!(field == "allow_uninstall" && why.contains("no index"), "{field}: {why}");
    let Value::Object(patch) = patch else { unreachable!() };
    let indexed = RecordSubject { has_index: true, ..subject("A.pkg") };
    let record = PackageRecord::default().changed(&patch, &indexed).unwrap();
    assert!(record.allow_uninstall);

    // The next version came without an index.
    let Value::Object(other) = json!({ "notes": "n" }) else { unreachable!() };
    assert!(record.changed(&other, &subject("A.pkg")).unwrap().allow_uninstall);
    assert!(record.changed(&patch, &subject("A.pkg")).is_ok(), "it is so already");
    let Value::Object(no) = json!({ "allow_uninstall": false }) else { unreachable!() };
    let without = record.changed(&no, &subject("A.pkg")).unwrap();
    assert!(without.changed(&patch, &subject("A.pkg")).is_err());
}

#[test]
fn another_package_takes_its_place_only_where_a_processor_is_required() {
    let other = json!({ "switch_with_package": id(2) });
    assert!(broken("A.pkg", other).1.contains("required_processor too"));
    let with = |number| json!({ "switch_with_package": id(number), "required_processor": "ppc" });
    let record = patched("A.pkg", with(2)).unwrap();
    assert!(broken("A.pkg", with(1)).1.contains("itself"));
    let Value::Object(patch) = json!({ "required_processor": "none" }) else { unreachable!() };
    assert!(record.changed(&patch, &subject("A.pkg")).is_err(), "the other would stay behind");
}

#[test]
fn what_says_more_of_another_field_needs_that_field() {
    for (patch, field) in [
        (json!({ "reinstall_option": "when-changed" }), "reinstall_option"),
        (json!({ "adobe_base_path": "/Volumes/CS4" }), "adobe_base_path"),
        (json!({ "adobe_parent_package": id(1) }), "adobe_parent_package"),
        (json!({ "manifest_file_name": "a.plist" }), "manifest_file_name"),
    ] {
        assert_eq!(broken("A.pkg", patch).0, field);
    }
    let whole = json!({
        "adobe_base_path": "/Volumes/CS4", "adobe_parent_package": id(2),
        "manifest_file_name": "a.plist", "manifest": "<plist/>",
    });
    assert!(patched("A.pkg", whole).is_ok());
}
