//! How the fields of a record are called, and how their values are written.

use std::path::Path;

use serde_json::{Map, Value, json};
use xylem_model::MAX_MANIFEST_BYTES;
use xylem_runtime::{RealFs, read_bounded};

use crate::Failure;
use crate::commands::{set_twice, setting};

/// How each field is called on the command line and in the API, and how its value is written, in
/// the order in which they are shown.
pub(super) const FIELDS: [(&str, &str, Written); 30] = [
    ("display-name", "display_name", Written::Text),
    ("category", "category", Written::Text),
    ("info", "info", Written::Text),
    ("notes", "notes", Written::Text),
    ("priority", "priority", Written::Number),
    ("reboot", "reboot_required", Written::YesNo),
    ("fill-user-template", "fill_user_template", Written::YesNo),
    ("fill-existing-homes", "fill_existing_homes", Written::YesNo),
    ("boot-volume", "boot_volume_required", Written::YesNo),
    ("uninstall", "allow_uninstall", Written::YesNo),
    ("os", "os_requirement", Written::Text),
    ("processor", "required_processor", Written::Text),
    ("switch-with", "switch_with_package", Written::Text),
    ("if-reported", "install_if_reported_available", Written::YesNo),
    ("reinstall", "reinstall_option", Written::Text),
    ("trigger-files", "triggering_files", Written::List),
    ("notify", "send_notification", Written::YesNo),
    ("adobe.serial", "adobe_serial_number", Written::Text),
    ("adobe.no-updates", "adobe_suppress_updates", Written::YesNo),
    ("adobe.ignore-conflicts", "adobe_ignore_conflicting_processes", Written::YesNo),
    ("adobe.no-dock", "adobe_suppress_from_dock", Written::YesNo),
    ("adobe.no-eula", "adobe_suppress_eula", Written::YesNo),
    ("adobe.no-registration", "adobe_suppress_registration", Written::YesNo),
    ("adobe.language", "adobe_language", Written::Text),
    ("adobe.parent", "adobe_parent_package", Written::Text),
    ("adobe.base-path", "adobe_base_path", Written::Text),
    ("os-install", "os_install", Written::YesNo),
    ("os-version", "os_installer_version", Written::Text),
    ("manifest", "manifest", Written::File),
    ("manifest-name", "manifest_file_name", Written::Text),
];

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
    /// The path of a file that holds it.
    File,
    /// With commas in between.
    List,
    Number,
    Text,
    YesNo,
}

/// Whether settings are for a file's record, and not for who gets the file. A category may come
/// with either.
pub(in crate::commands) fn are_meant(settings: &[String]) -> bool {
    let keys = || settings.iter().map(|text| text.split('=').next().unwrap_or_default());
    !keys().any(says_who) || keys().any(|key| key != "category" && field(key).is_some())
}

/// Whether a key says who gets a file.
fn says_who(key: &str) -> bool {
    matches!(key, "site" | "for-sites")
}

/// What `KEY=VALUE` settings ask for.
pub(super) fn change(settings: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut fields = Map::new();
    for text in settings {
        let (key, value) = setting(text)?;
        let Some((_, name, written)) = field(key) else {
            let keys: Vec<&str> = FIELDS.iter().map(|(key, ..)| *key).collect();
            let told = match says_who(key) {
                true => format!(
                    "`{key}` says who gets the file: set it in a call of its own, and without \
                     --revision, which is for records only"
                ),
                false => format!("`{key}` cannot be set for a file: use {}", keys.join(", ")),
            };
            return Err(Failure::configuration(told));
        };
        if fields.insert(name.to_owned(), read(written, key, value)?).is_some() {
            return Err(set_twice(key));
        }
    }
    Ok(fields)
}

/// The field that a key sets. Its name in the API is a key too: errors of the server tell that one.
pub(super) fn field(key: &str) -> Option<(&'static str, &'static str, Written)> {
    FIELDS.into_iter().find(|(own, name, _)| *own == key || *name == key)
}

/// A value as the API has it. Nothing at all brings back the first one.
fn read(written: Written, key: &str, value: &str) -> Result<Value, Failure> {
    let refused = |told: &str| {
        Err(Failure::configuration(format!("`{value}` cannot be set for {key}: {told}")))
    };
    match (written, value) {
        (_, "") => Ok(Value::Null),
        (Written::YesNo, "yes") => Ok(json!(true)),
        (Written::YesNo, "no") => Ok(json!(false)),
        (Written::YesNo, _) => refused("write yes or no"),
        // Which numbers there are is the server's to say.
        (Written::Number, _) => match value.parse::<i64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => refused("write a number"),
        },
        (Written::List, _) => {
            let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(json!(parts.collect::<Vec<_>>()))
        }
        (Written::Text, _) => Ok(json!(value)),
        (Written::File, _) => {
            let bytes = read_bounded(&RealFs, Path::new(value), MAX_MANIFEST_BYTES as u64)
                .map_err(|error| {
                    Failure::configuration(format!("cannot read the {key} {value}: {error}"))
                })?;
            match String::from_utf8(bytes) {
                Ok(text) if text.is_empty() => refused(&format!(
                    "it is empty or no plain file; write `{key}=` to take the {key} away"
                )),
                Ok(text) => Ok(json!(text)),
                Err(_) => refused("it is no text in UTF-8"),
            }
        }
    }
}

/// The key of a field, as people set it.
pub(super) fn key(name: &str) -> &str {
    FIELDS.iter().find(|(_, field, _)| *field == name).map_or(name, |(key, ..)| key)
}

#[cfg(test)]
mod tests {
    use xylem_model::PackageRecord;

    use super::*;

    fn asked(settings: &[&str]) -> Result<Map<String, Value>, String> {
        let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
        change(&settings).map_err(|failure| failure.into_error().to_string())
    }

    fn refused(setting: &str) -> String {
        asked(&[setting]).unwrap_err()
    }

    #[test]
    fn every_field_of_a_record_has_a_key_and_no_other_has() {
        let mut fields: Vec<String> =
            PackageRecord::default().fields().into_iter().map(|it| it.0).collect();
        let mut named: Vec<&str> = FIELDS.iter().map(|(_, name, _)| *name).collect();
        fields.sort();
        named.sort_unstable();
        assert_eq!(named, fields);
    }

    #[test]
    fn what_is_written_is_a_change_that_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("manifest.plist");
        std::fs::write(&manifest, "<plist/>").unwrap();
        let file = format!("manifest={}", manifest.display());
        let fields = asked(&[
            "priority=3",
            "reboot=yes",
            "os=10.6.x, >=10.13",
            "processor=arm64",
            "info=",
            "trigger-files=/a, /b,",
            "notify=no",
            &file,
        ])
        .unwrap();
        let expected = json!({
            "priority": 3, "reboot_required": true, "os_requirement": "10.6.x, >=10.13",
            "required_processor": "arm64", "info": null, "triggering_files": ["/a", "/b"],
            "send_notification": false, "manifest": "<plist/>",
        });
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn settings_are_for_the_record_unless_they_say_who_gets_the_file() {
        let meant = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
            are_meant(&settings)
        };
        for settings in [&["category=x"][..], &["category=x", "os=13"], &["os_requirement=13"]] {
            assert!(meant(settings), "{settings:?}");
        }
        // Refused by the record, which tells what can be set.
        assert!(meant(&["colour=red"]) && meant(&["site=y", "reboot_required=yes"]));
        for settings in [&["site=y"][..], &["category=x", "site=y"], &["for-sites="]] {
            assert!(!meant(settings), "{settings:?}");
        }
    }

    #[test]
    fn a_field_has_its_name_in_the_api_as_well_and_is_set_once() {
        let fields = asked(&["reboot_required=yes", "os_requirement=13", "switch-with=B.pkg"]);
        let expected = json!({
            "reboot_required": true, "os_requirement": "13", "switch_with_package": "B.pkg",
        });
        assert_eq!(Value::Object(fields.unwrap()), expected);
        for twice in [["notes=a", "notes=a"], ["reboot=yes", "reboot_required=no"]] {
            assert!(asked(&twice).unwrap_err().contains("set twice"), "{twice:?}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_what_can() {
        assert!(refused("colour=red").contains("display-name, category, info"));
        assert!(refused("reboot=maybe").contains("yes or no"));
        assert!(refused("priority=high").contains("write a number"));
        let who = refused("site=Lisbon");
        assert!(who.contains("a call of its own") && who.contains("--revision"), "{who}");
        assert!(refused("os").contains("KEY=VALUE"));
        assert!(refused("manifest=/no/such/file").contains("/no/such/file"));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let told = refused(&format!("manifest={}", empty.path().display()));
        assert!(told.contains("empty or no plain file; write `manifest=`"), "{told}");
    }
}
