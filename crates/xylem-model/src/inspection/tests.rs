//! What is said of two versions, and what they are found by.

use serde_json::{Value, json};

use super::*;
use crate::{ContentId, Timestamp};

const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const NOW_SECONDS: i64 = 1_790_000_000;
const DAY_SECONDS: i64 = 24 * 60 * 60;
const NOTHING: [(Severity, &str); 0] = [];

/// A flat package with these parts of its content in the place of the ordinary ones.
fn package(changes: Value) -> Value {
    let mut content = json!({
        "format": "flat_package", "identifier": "org.example.tool", "version": "2.0",
        "minimum_os": "12.0", "host_architectures": ["arm64", "x86_64"], "restart": "none",
        "license_present": false, "ticket_present": true,
        "signature": {
            "rsa": "matches", "cms": "matches", "team": "ABCDE12345",
            "signer": "Developer ID Installer: Example (ABCDE12345)",
            "signer_kind": "developer_id_installer", "chain_to_apple_root": true,
            "valid_until_unix_seconds": NOW_SECONDS + 1, "valid_when_signed": true,
        },
        "components": [{
            "identifier": "org.example.tool.core", "version": "2.0", "script_files": 1,
            "scripts": [{ "name": "postinstall", "sha256": "aa" }], "bundle_count": 1,
            "bundles": [{ "identifier": "org.example.app", "path": "Tool.app" }],
        }],
    });
    merge(&mut content, changes);
    json!({ "display_name": "Tool", "version": content["version"], "content": content,
        "warnings": [] })
}

/// A JSON merge patch (RFC 7396), but for `null`, which stays.
fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value,
    }
}

fn version<'a>(content: &[u8], size: u64, inspection: &'a Value) -> InspectedVersion<'a> {
    InspectedVersion { content: ContentId::of(content), size, inspection }
}

/// Severity and word of each finding, for versions of 100 bytes.
fn codes(old: &Value, new: &Value) -> Vec<(Severity, &'static str)> {
    let (old, new) = (version(b"old", 100, old), version(b"new", 100, new));
    let found = compare_inspections(Some(old), new, NOW);
    found.into_iter().map(|finding| (finding.severity, finding.code)).collect()
}

/// What is said of the next version with these changes.
fn of_change(changes: Value) -> Vec<(Severity, &'static str)> {
    let mut next = json!({ "version": "2.1" });
    merge(&mut next, changes);
    codes(&package(json!({})), &package(next))
}

#[test]
fn an_ordinary_next_version_is_not_spoken_of() {
    assert_eq!(of_change(json!({})), NOTHING);
}

#[test]
fn who_signed_it_is_told_first_whatever_else_changed() {
    let other = json!({ "identifier": "org.evil.tool",
        "signature": { "team": "EVIL000000", "signer": "Developer ID Installer: Evil" } });
    let said = of_change(other);
    assert_eq!(
        said,
        [(Severity::Warning, "signer-changed"), (Severity::Warning, "identifier-changed")]
    );
    // The very name, but by nobody whom Apple knows.
    let forged = json!({ "signature": { "chain_to_apple_root": false, "signer_kind": "other" } });
    assert_eq!(of_change(forged), [(Severity::Warning, "signer-untrusted")]);
    let broken = json!({ "signature": { "cms": "differs" } });
    assert_eq!(of_change(broken), [(Severity::Warning, "signature-broken")]);
    let kind = json!({ "signature": { "signer_kind": "mac_app_store_installer" } });
    assert_eq!(of_change(kind), [(Severity::Warning, "signer-kind-changed")]);
    let renamed = json!({ "signature": { "signer": "Developer ID Installer: New (ABCDE12345)" } });
    assert_eq!(of_change(renamed), [(Severity::Note, "signer-renamed")]);
    let without_team = json!({ "signature": { "team": null } });
    assert_eq!(of_change(without_team), [(Severity::Warning, "signer-changed")]);
}

#[test]
fn a_signature_that_is_gone_is_warned_of_and_a_new_one_is_noted() {
    let unsigned = package(json!({ "signature": null, "ticket_present": false, "version": "2.1" }));
    let signed = package(json!({}));
    let gone = [(Severity::Warning, "signature-gone"), (Severity::Warning, "ticket-gone")];
    assert_eq!(codes(&signed, &unsigned), gone);
    let newer = package(json!({ "version": "2.2" }));
    assert_eq!(codes(&unsigned, &newer), [(Severity::Note, "signature-new")]);
    let image = |cms: bool| {
        json!({ "content": { "format": "disk_image",
            "signature": { "team": "ABCDE12345", "cms": cms } } })
    };
    let ad_hoc = [(Severity::Warning, "signature-gone")];
    assert_eq!(codes(&image(true), &image(false)), ad_hoc, "an ad-hoc one is by nobody");
    let zipped = |sealed: bool| json!({ "content": { "format": "zipped_app", "sealed": sealed } });
    assert_eq!(codes(&zipped(true), &zipped(false)), [(Severity::Warning, "seal-gone")]);
    assert_eq!(codes(&zipped(false), &zipped(true)), NOTHING);
}

#[test]
fn certificates_and_profiles_that_are_over_are_told_of_a_first_version_too() {
    let alone = |inspection: &Value| {
        let found = compare_inspections(None, version(b"new", 1, inspection), NOW);
        found.into_iter().map(|it| (it.severity, it.code)).collect::<Vec<_>>()
    };
    let until = |seconds: i64, stamped: Value| {
        package(json!({ "signature": {
            "valid_until_unix_seconds": NOW_SECONDS + seconds, "valid_when_signed": stamped } }))
    };
    assert_eq!(alone(&until(1, json!(null))), NOTHING);
    let expired = "certificate-expired";
    assert_eq!(alone(&until(0, json!(null))), [(Severity::Warning, expired)]);
    assert_eq!(alone(&until(0, json!(true))), [(Severity::Note, expired)]);
    let never = [(Severity::Warning, "certificate-invalid-when-signed")];
    assert_eq!(alone(&until(1, json!(false))), never);
    let app = |expires: i64| {
        json!({ "content": { "format": "mobile_app", "identifier": "org.example.depot",
            "profile": { "team": "ABCDE12345", "expires_unix_seconds": NOW_SECONDS + expires } } })
    };
    assert_eq!(alone(&app(30 * DAY_SECONDS + 1)), NOTHING);
    assert_eq!(alone(&app(30 * DAY_SECONDS)), [(Severity::Warning, "profile-expires-soon")]);
    assert_eq!(alone(&app(0)), [(Severity::Warning, "profile-expired")]);
    assert_eq!(alone(&app(i64::MAX - NOW_SECONDS)), NOTHING, "any number may stand there");
}

#[test]
fn sizes_are_spoken_of_beyond_half_and_double() {
    let (old, new) = (package(json!({})), package(json!({ "version": "2.1" })));
    let said = |before: u64, after: u64| {
        let (old, new) = (version(b"old", before, &old), version(b"new", after, &new));
        compare_inspections(Some(old), new, NOW).first().map(|it| (it.severity, it.code))
    };
    assert_eq!(said(100, 50), None);
    assert_eq!(said(100, 49), Some((Severity::Warning, "size-halved")));
    assert_eq!(said(100, 200), None);
    assert_eq!(said(100, 201), Some((Severity::Note, "size-doubled")));
    assert_eq!(said(u64::MAX, u64::MAX), None);
}

#[test]
fn versions_that_do_not_rise_are_told() {
    for (number, expected) in [
        ("2.0.0", Some((Severity::Note, "version-same"))),
        ("1.10", Some((Severity::Warning, "version-lower"))),
        ("2.0.1", None),
        ("10", None),
        // What follows what with letters in it nobody knows.
        ("2.0b1", None),
    ] {
        let said = codes(&package(json!({})), &package(json!({ "version": number })));
        assert_eq!(said.first().copied(), expected, "{number}");
    }
}

#[test]
fn scripts_that_are_new_are_told_from_those_that_changed_or_moved() {
    let component = |scripts: Value| {
        let files = scripts.as_array().map_or(0, Vec::len);
        json!({ "components": [{ "identifier": "org.example.tool.core", "script_files": files,
            "scripts": scripts, "bundle_count": 1,
            "bundles": [{ "identifier": "org.example.app" }] }] })
    };
    let script = |name: &str, digest: &str| json!({ "name": name, "sha256": digest });
    let said = |scripts: Value| of_change(component(scripts));
    assert_eq!(said(json!([script("postinstall", "aa")])), NOTHING);
    let moved = (Severity::Note, "scripts-moved");
    assert_eq!(said(json!([script("other/postinstall", "aa")])), [moved]);
    let changed = (Severity::Note, "scripts-changed");
    assert_eq!(said(json!([script("postinstall", "bb")])), [changed]);
    assert_eq!(said(json!([])), [(Severity::Note, "scripts-gone")]);
    let two = json!([script("postinstall", "bb"), script("preinstall", "cc")]);
    let new = (Severity::Warning, "scripts-new");
    let unlisted = (Severity::Note, "scripts-not-compared");
    assert_eq!(said(two), [new, changed]);
    let mut cut = component(json!([script("postinstall", "aa")]));
    cut["components"][0]["script_files"] = json!(900);
    assert_eq!(of_change(cut), [unlisted]);
}

/// A package whose only part declares these scripts, has these files beside them, by name and digest,
/// and this many in all.
fn scripted(declared: &[&str], listed: &[(&str, &str)], files: usize) -> Value {
    let scripts: Vec<Value> = listed
        .iter()
        .map(|(name, digest)| {
            json!({ "name": name, "sha256": digest, "declared": declared.contains(name) })
        })
        .collect();
    package(json!({ "version": "2.1", "components": [{ "identifier": "org.example.tool.core",
        "script_names": declared, "scripts": scripts, "script_files": files, "bundle_count": 1,
        "bundles": [{ "identifier": "org.example.app" }] }] }))
}

/// Severity and word of what is said of the scripts alone.
fn of_scripts(old: &Value, new: &Value) -> Vec<(Severity, &'static str)> {
    let mut said = codes(old, new);
    said.retain(|(_, code)| code.starts_with("scripts-"));
    said
}

#[test]
fn a_list_that_was_cut_hides_nothing_that_the_installer_starts() {
    let (new, gone) = ((Severity::Warning, "scripts-new"), (Severity::Note, "scripts-gone"));
    let unlisted = (Severity::Note, "scripts-not-compared");
    let both = ["preinstall", "postinstall"];
    let cut = scripted(&["postinstall"], &[("helper", "a"), ("postinstall", "b")], 900);
    let now = scripted(&both, &[("postinstall", "b"), ("preinstall", "c")], 2);
    assert_eq!(of_scripts(&cut, &now), [new, gone, unlisted]);
    // A file beside them may have been among those that were not listed.
    let beside = scripted(&["postinstall"], &[("other", "c"), ("postinstall", "b")], 2);
    assert_eq!(of_scripts(&cut, &beside), [gone, unlisted]);
    // What left such a list may be there still.
    assert_eq!(of_scripts(&beside, &cut), [new, unlisted]);

    // The gap is one of its part: in another part the same file is new.
    let mut parts = cut.clone();
    let other = json!({ "identifier": "org.example.other", "script_files": 1,
        "scripts": [{ "name": "other", "sha256": "c" }] });
    parts["content"]["components"].as_array_mut().unwrap().push(other);
    assert_eq!(of_scripts(&cut, &parts), [new, unlisted]);
    // Inspections of before do not say what is declared.
    let mut earlier = now.clone();
    for script in earlier["content"]["components"][0]["scripts"].as_array_mut().unwrap() {
        script.as_object_mut().unwrap().remove("declared");
    }
    assert_eq!(of_scripts(&cut, &earlier), [new, gone, unlisted]);
}

#[test]
fn scripts_that_nobody_looked_into_are_compared_by_what_is_declared() {
    let passed_over = |declared: &[&str]| {
        let mut inspection = scripted(declared, &[], 0);
        inspection["warnings"] = json!([{ "code": "unlisted_scripts", "message": "Too large" }]);
        inspection
    };
    let (one, two) = (["postinstall"], ["preinstall", "postinstall"]);
    let new = (Severity::Warning, "scripts-new");
    let unlisted = (Severity::Note, "scripts-not-compared");
    let listed = scripted(&one, &[("postinstall", "a")], 1);
    let more = scripted(&two, &[("postinstall", "a"), ("preinstall", "b")], 2);
    assert_eq!(of_scripts(&passed_over(&one), &listed), [unlisted]);
    assert_eq!(of_scripts(&passed_over(&one), &more), [new, unlisted]);
    assert_eq!(of_scripts(&listed, &passed_over(&one)), [unlisted]);
    assert_eq!(of_scripts(&listed, &passed_over(&two)), [new, unlisted]);
    assert_eq!(of_scripts(&passed_over(&one), &passed_over(&two)), [new, unlisted]);
}

#[test]
fn a_link_that_the_installer_starts_is_told_though_it_has_no_content() {
    let file = scripted(&["postinstall"], &[("postinstall", "a")], 900);
    let link = scripted(&["postinstall"], &[("helper", "a")], 900);
    let linked = scripted(&["preinstall", "postinstall"], &[("postinstall", "a")], 900);
    let unlisted = (Severity::Note, "scripts-not-compared");
    assert_eq!(of_scripts(&file, &linked), [(Severity::Warning, "scripts-new"), unlisted]);
    assert_eq!(of_scripts(&link, &link.clone()), [unlisted]);
}

#[test]
fn parts_of_one_name_hide_no_scripts_of_each_other() {
    let with = |digests: &[&str]| {
        let part = |digest: &&str| {
            json!({ "identifier": "a", "script_files": 1,
                "scripts": [{ "name": "postinstall", "sha256": digest }] })
        };
        package(json!({ "components": digests.iter().map(part).collect::<Vec<_>>() }))
    };
    let new = [(Severity::Warning, "scripts-new"), (Severity::Note, "scripts-changed")];
    assert_eq!(of_scripts(&with(&["aa"]), &with(&["bb", "cc"])), new);
}

#[test]
fn what_it_asks_for_and_what_is_inside_are_compared() {
    for (change, expected) in [
        (json!({ "minimum_os": "13" }), (Severity::Warning, "minimum-os-raised")),
        (json!({ "host_architectures": ["arm64"] }), (Severity::Warning, "architectures-dropped")),
        (json!({ "restart": "restart" }), (Severity::Warning, "restart-new")),
        (json!({ "license_present": true }), (Severity::Note, "license-new")),
        (
            json!({ "format": "disk_image", "signature": { "cms": true } }),
            (Severity::Warning, "format-changed"),
        ),
    ] {
        assert!(of_change(change.clone()).contains(&expected), "{change}");
    }
    for change in [
        json!({ "minimum_os": "11" }),
        json!({ "minimum_os": null }),
        json!({ "host_architectures": [] }),
        json!({ "restart": null }),
    ] {
        assert_eq!(of_change(change.clone()), NOTHING, "{change}");
    }
    let other_part = json!({ "components": [{ "identifier": "org.example.other",
        "scripts": [{ "name": "postinstall", "sha256": "aa" }],
        "bundles": [{ "identifier": "org.example.new" }] }] });
    let notes = ["scripts-moved", "parts-new", "parts-gone", "apps-new", "apps-gone"];
    assert_eq!(of_change(other_part), notes.map(|code| (Severity::Note, code)));
    let mut old = package(json!({ "restart": "logout" }));
    let mut new = package(json!({ "version": "3" }));
    assert_eq!(codes(&old, &new), NOTHING, "less than before");
    new["warnings"] = json!([{ "code": "untrusted_signer", "message": "It leads nowhere" },
        { "code": "relocatable", "message": "It may move" }]);
    let word = "inspection-warning";
    assert_eq!(codes(&old, &new), [(Severity::Warning, word), (Severity::Note, word)]);
    old["warnings"] = new["warnings"].clone();
    assert_eq!(codes(&old, &new), NOTHING, "known before");
}

#[test]
fn the_devices_and_the_profile_of_an_app_are_compared() {
    let app = |version: &str, devices: Value, kind: &str, expires: i64| {
        json!({ "version": version, "content": { "format": "mobile_app",
            "identifier": "org.example.depot", "device_families": devices,
            "profile": { "team": "ABCDE12345", "distribution": kind,
                "expires_unix_seconds": NOW_SECONDS + expires * DAY_SECONDS } } })
    };
    let old = app("1", json!(["phone", "pad"]), "in_house", 100);
    let new = app("2", json!(["phone"]), "ad_hoc", 50);
    let said = [
        (Severity::Warning, "devices-dropped"),
        (Severity::Warning, "profile-changed"),
        (Severity::Note, "profile-expires-earlier"),
    ];
    assert_eq!(codes(&old, &new), said);
    let without = json!({ "version": "3", "content": { "format": "mobile_app",
        "identifier": "org.example.depot", "profile": null } });
    assert_eq!(codes(&old, &without), [(Severity::Warning, "signature-gone")]);
}

#[test]
fn an_image_of_one_application_is_compared_as_that_application() {
    let app = |identifier: &str, minimum: &str| json!({ "file_name": "Tool.app", "identifier": identifier, "minimum_os": minimum });
    let image = |version: &str, apps: Value| {
        json!({ "version": version, "content": { "format": "disk_image",
            "root": { "applications": apps } } })
    };
    let old = image("1", json!([app("org.example.tool", "12")]));
    let other = image("2", json!([app("org.example.other", "13")]));
    let said = [
        (Severity::Warning, "identifier-changed"),
        (Severity::Warning, "minimum-os-raised"),
        (Severity::Note, "apps-new"),
        (Severity::Note, "apps-gone"),
    ];
    assert_eq!(codes(&old, &other), said);
    let two = json!([app("org.example.tool", "12"), app("org.example.more", "12")]);
    assert_eq!(codes(&old, &image("2", two)), [(Severity::Note, "apps-new")]);
}

#[test]
fn the_same_content_under_another_name_differs_in_nothing() {
    let (old, new) = (package(json!({})), package(json!({ "signature": null })));
    let same = compare_inspections(Some(version(b"a", 1, &old)), version(b"a", 9, &new), NOW);
    assert_eq!(same, []);
}

#[test]
fn what_cannot_be_read_is_not_known_and_nothing_is_made_of_it() {
    let odd = [
        json!(null),
        json!("text"),
        json!({ "content": [1, 2], "warnings": "none" }),
        json!({ "content": { "format": "flat_package", "signature": 7, "components": [null, 3] } }),
        json!({ "content": { "format": "later_form", "identifier": { "a": 1 } } }),
    ];
    assert_eq!(codes(&odd[0], &odd[4]), [(Severity::Warning, "not-compared")]);
    // Of what is not known nothing is new, and nothing is gone.
    let ordinary = package(json!({ "version": "2", "minimum_os": "10.15",
        "components": [{ "identifier": "a", "scripts": [{ "name": "preinstall", "sha256": "1" }] }] }));
    assert_eq!(codes(&odd[0], &ordinary), [(Severity::Warning, "not-compared")]);
    assert_eq!(codes(&ordinary, &odd[0]), [(Severity::Warning, "not-compared")]);
    for one in &odd {
        search_terms(one);
        for other in &odd {
            let said = codes(one, other);
            let is_honest =
                |it: &(Severity, &str)| ["format-changed", "not-compared"].contains(&it.1);
            assert!(said.iter().all(is_honest), "{one} {other}: {said:?}");
        }
    }
}

#[test]
fn what_a_file_says_can_neither_hide_nor_flood() {
    let wild = format!("Evil\u{1b}[2J\u{202e}\n{}", "x".repeat(5000));
    let scripts: Vec<Value> =
        (0..900).map(|n| json!({ "name": format!("s{n:03}"), "sha256": format!("{n}") })).collect();
    let new = package(json!({ "version": "9", "signature": { "signer": wild, "team": wild },
        "components": [{ "identifier": "org.example.tool.core", "scripts": scripts }] }));
    let old = package(json!({}));
    let (old, new) = (version(b"old", 100, &old), version(b"new", 100, &new));
    let found = compare_inspections(Some(old), new, NOW);
    assert_eq!(found[0].code, "signer-changed");
    for finding in &found {
        assert!(!finding.message.contains(['\u{1b}', '\u{202e}', '\n']), "{}", finding.message);
        assert!(finding.message.len() < 2000, "{}", finding.message.len());
    }
    let scripts = found.iter().find(|it| it.code == "scripts-new").unwrap();
    assert!(scripts.message.ends_with("and 895 more"), "{}", scripts.message);
}

fn terms(inspection: &Value) -> Vec<(SearchField, String)> {
    search_terms(inspection).into_iter().map(|term| (term.field, term.text)).collect()
}

#[test]
fn a_version_is_found_by_what_its_inspection_says_and_not_by_how() {
    let found = terms(&package(json!({})));
    for (field, text) in [
        (SearchField::Identifier, "org.example.tool"),
        (SearchField::Identifier, "org.example.tool.core"),
        (SearchField::Identifier, "org.example.app"),
        (SearchField::Team, "abcde12345"),
        (SearchField::Signer, "developer id installer: example (abcde12345)"),
        (SearchField::Title, "tool"),
        (SearchField::Version, "2.0"),
        (SearchField::App, "tool.app"),
    ] {
        assert!(found.contains(&(field, text.to_owned())), "{field} {text}: {found:?}");
    }
    assert_eq!(found.iter().filter(|(_, text)| text == "2.0").count(), 1, "each once");
    assert!(!found.iter().any(|(_, text)| text.contains("flat_package") || text == "postinstall"));
    let book = json!({ "content": { "format": "book", "title": "Karten", "creators": ["É. Zola"],
        "publisher": "Presse" } });
    let expected = [
        (SearchField::Title, "karten"),
        (SearchField::Author, "é. zola"),
        (SearchField::Author, "presse"),
    ];
    assert_eq!(terms(&book), expected.map(|(field, text)| (field, text.to_owned())));
    let image = json!({ "content": { "root": { "packages": ["Install.pkg"], "applications": [
        { "file_name": "Firefox.app", "identifier": "org.mozilla.firefox" }] } } });
    assert!(terms(&image).contains(&(SearchField::Identifier, "org.mozilla.firefox".to_owned())));
    assert!(terms(&image).contains(&(SearchField::App, "install.pkg".to_owned())));
}

#[test]
fn terms_are_few_short_and_visible() {
    let bundles: Vec<Value> =
        (0..5000).map(|n| json!({ "identifier": format!("org.example.{n}") })).collect();
    let many = package(json!({ "components": [{ "bundles": bundles }] }));
    assert_eq!(search_terms(&many).len(), MAX_SEARCH_TERMS);
    let long = SearchTerm::new(SearchField::Title, &"Å".repeat(400)).unwrap();
    assert_eq!(long.text, "å".repeat(MAX_TERM_BYTES / 2));
    assert_eq!(SearchTerm::new(SearchField::Title, " a\0\u{200b}B\n ").unwrap().text, "ab");
    assert_eq!(SearchTerm::new(SearchField::Title, " \u{202e} "), None);
}

#[test]
fn what_is_searched_for_is_folded_as_terms_are_and_bounded() {
    assert_eq!(SearchText::new(" FireFox ").unwrap().as_str(), "firefox");
    for text in ["", "  ", "\u{200b}", "\0"] {
        assert_eq!(SearchText::new(text), Err(SearchTextError::Empty), "{text:?}");
    }
    assert!(SearchText::new(&"x".repeat(MAX_SEARCH_BYTES)).is_ok());
    let long = MAX_SEARCH_BYTES + 1;
    assert_eq!(SearchText::new(&"x".repeat(long)), Err(SearchTextError::TooLong(long)));
}
