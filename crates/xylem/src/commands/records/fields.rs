//! How the fields of a record are called, and how their values are written.

use std::path::Path;

use serde_json::{Map, Value, json};
use xylem_model::MAX_MANIFEST_BYTES;
use xylem_runtime::{RealFs, read_bounded};

use crate::Failure;
use crate::commands::setting;

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

/// Whether settings say something of a file that is more than what it is sorted into.
pub(in crate::commands) fn are_meant(settings: &[String]) -> bool {
    let key = |text: &String| text.split('=').next().unwrap_or_default().to_owned();
    settings.iter().map(key).any(|key| key != "category" && field(&key).is_some())
}

/// What `KEY=VALUE` settings ask for.
pub(super) fn change(settings: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut fields = Map::new();
    for text in settings {
        let (key, value) = setting(text)?;
        let Some((_, name, written)) = field(key) else {
            let keys: Vec<&str> = FIELDS.iter().map(|(key, ..)| *key).collect();
            let sorted = matches!(key, "site" | "for-sites");
            let told = match sorted {
                true => format!("`{key}` says who gets the file: set it in a call of its own"),
                false => format!("`{key}` cannot be set for a file: use {}", keys.join(", ")),
            };
            return Err(Failure::configuration(told));
        };
        fields.insert(name.to_owned(), read(written, key, value)?);
    }
    Ok(fields)
}

pub(super) fn field(key: &str) -> Option<(&'static str, &'static str, Written)> {
    FIELDS.into_iter().find(|(name, ..)| *name == key)
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
        assert!(are_meant(&["category=x".into(), "os=13".into()]));
        assert!(!are_meant(&["category=x".into(), "site=y".into()]));
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_what_can() {
        assert!(refused("colour=red").contains("display-name, category, info"));
        assert!(refused("reboot=maybe").contains("yes or no"));
        assert!(refused("priority=high").contains("write a number"));
        assert!(refused("site=Lisbon").contains("a call of its own"));
        assert!(refused("os").contains("KEY=VALUE"));
        assert!(refused("manifest=/no/such/file").contains("/no/such/file"));
    }
}
