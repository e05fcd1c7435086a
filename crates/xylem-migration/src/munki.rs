//! What a Munki repository says of its packages.
//!
//! Each file in `pkgsinfo/` is a property list about one package. It is read in its XML form only,
//! which is the one that Munki writes: the binary form can name one object a thousand times over,
//! and unfold into more than any memory.

use std::collections::HashMap;
use std::io::Cursor;

use plist::{Dictionary, Value};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use xylem_model::Sha256;

use crate::path::SourcePath;

/// Longest property list; genuine ones with a picture's worth of text are far below.
pub(crate) const MAX_PKGINFO_BYTES: u64 = 4 << 20;

/// Deepest nesting; genuine ones have about six.
const MAX_DEPTH: usize = 64;

/// Longest text that is kept of one key.
const MAX_TEXT_CHARACTERS: usize = 4096;

/// What is known of a package beside its bytes: to be looked through and set by an administrator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "each is Munki's key of this name")]
pub struct Hints {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_os_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_os_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unattended_install: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unattended_uninstall: Option<bool>,
    /// Such as `testing` and `production`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catalogs: Vec<String>,
    /// Scripts inside, which are not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scripts_inside: Vec<String>,
}

/// One property list, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageInfo {
    pub(crate) hints: Hints,
    /// Below `pkgs/`, in the names' composed form.
    pub(crate) location: Option<String>,
    /// What it is removed with; a file of the repository too.
    pub(crate) uninstaller: Option<String>,
    pub(crate) sha256: Option<Sha256>,
    /// Whether there is to be no file: `nopkg`, or one that lies elsewhere.
    pub(crate) has_no_file: bool,
}

const SCRIPTS: [&str; 8] = [
    "installcheck_script",
    "postinstall_script",
    "postuninstall_script",
    "preinstall_script",
    "preuninstall_script",
    "uninstall_script",
    "uninstallcheck_script",
    "version_script",
];

impl PackageInfo {
    /// Reads a property list, or says why not and what to do.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.starts_with(b"bplist") {
            return Err("it is a binary property list: plutil -convert xml1 makes it text".into());
        }
        if !bytes.trim_ascii_start().starts_with(b"<") && !bytes.starts_with(b"\xef\xbb\xbf<") {
            return Err("it is no property list in XML: convert it".into());
        }
        if is_nested_too_deep(bytes) {
            return Err("it is nested deeper than any genuine one".into());
        }
        let value = Value::from_reader_xml(Cursor::new(bytes)).map_err(|error| {
            format!("it is no property list ({error}): plutil -lint shows where")
        })?;
        let dict = value.as_dictionary().ok_or("it is no dictionary of keys")?;
        Ok(Self::of(dict))
    }

    fn of(dict: &Dictionary) -> Self {
        let text = |key| text(dict.get(key)?);
        let is_nopkg = text("installer_type").as_deref() == Some("nopkg");
        let elsewhere = text("PackageCompleteURL").or_else(|| text("PackageURL")).is_some();
        let inside = SCRIPTS.iter().filter(|key| dict.contains_key(key));
        let catalogs = dict.get("catalogs").and_then(Value::as_array);
        let hints = Hints {
            name: text("name"),
            display_name: text("display_name"),
            version: text("version"),
            category: text("category"),
            developer: text("developer"),
            description: text("description"),
            notes: text("notes"),
            minimum_os_version: text("minimum_os_version"),
            maximum_os_version: text("maximum_os_version"),
            restart_action: text("RestartAction"),
            unattended_install: dict.get("unattended_install").and_then(Value::as_boolean),
            unattended_uninstall: dict.get("unattended_uninstall").and_then(Value::as_boolean),
            catalogs: catalogs.into_iter().flatten().filter_map(self::text).collect(),
            scripts_inside: inside.map(|key| (*key).to_owned()).collect(),
        };
        Self {
            hints,
            location: text("installer_item_location").map(|it| composed(&it)),
            uninstaller: text("uninstaller_item_location").map(|it| composed(&it)),
            sha256: text("installer_item_hash").and_then(|hash| hash.trim().parse().ok()),
            has_no_file: is_nopkg || elsewhere,
        }
    }
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // Versions are written as numbers by mistake often enough.
        Value::Real(number) => number.to_string(),
        Value::Integer(number) => number.to_string(),
        _ => return None,
    };
    let text: String = text.trim().chars().take(MAX_TEXT_CHARACTERS).collect();
    (!text.is_empty()).then_some(text)
}

fn composed(location: &str) -> String {
    let names = location.split('/').filter(|name| !name.is_empty());
    names.collect::<Vec<_>>().join("/").nfc().collect()
}

/// Whether elements lie deeper within each other than is read, judged by their tags alone: whoever
/// builds the tree, or takes it apart, goes as deep as it is.
fn is_nested_too_deep(bytes: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        rest = rest.get(at..).unwrap_or_default();
        let until = |end: &[u8]| {
            let found = rest.windows(end.len()).position(|window| window == end);
            found.map_or(rest.len(), |at| at + end.len())
        };
        let skipped = match rest {
            [b'<', b'!', b'-', b'-', ..] => until(b"-->"),
            [b'<', b'!', b'[', ..] => until(b"]]>"),
            [b'<', b'?', ..] => until(b"?>"),
            [b'<', b'!', ..] => until(b">"),
            [b'<', b'/', ..] => {
                depth = depth.saturating_sub(1);
                until(b">")
            }
            _ => {
                let end = until(b">");
                let is_empty = rest.get(..end).is_some_and(|tag| tag.ends_with(b"/>"));
                depth += usize::from(!is_empty);
                end
            }
        };
        if depth > MAX_DEPTH {
            return true;
        }
        rest = rest.get(skipped..).unwrap_or_default();
    }
    false
}

/// The files of a repository by their place below `pkgs/`, composed as the lists name them.
pub(crate) fn locations<'a>(
    paths: impl IntoIterator<Item = (usize, &'a SourcePath)>,
) -> HashMap<String, usize> {
    let mut places = HashMap::new();
    for (index, path) in paths {
        let mut names = path.names().map(String::from_utf8_lossy);
        if names.next().is_some_and(|first| first.eq_ignore_ascii_case("pkgs")) {
            let below: Vec<String> = names.map(|name| name.nfc().collect()).collect();
            places.entry(below.join("/")).or_insert(index);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(body: &str) -> String {
        format!("<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict>{body}</dict></plist>")
    }

    #[test]
    fn keys_become_hints() {
        let hash = "a".repeat(64);
        let body = format!(
            "<key>name</key><string>Firefox</string><key>version</key><real>1.5</real>\
             <key>category</key><string> Browsers </string><key>catalogs</key>\
             <array><string>testing</string><string>production</string></array>\
             <key>minimum_os_version</key><string>10.13</string>\
             <key>RestartAction</key><string>RequireRestart</string>\
             <key>unattended_install</key><true/>\
             <key>postinstall_script</key><string>#!/bin/sh</string>\
             <key>installer_item_location</key><string>apps//Cafe\u{301}.dmg</string>\
             <key>installer_item_hash</key><string>{hash}</string>"
        );
        let info = PackageInfo::read(list(&body).as_bytes()).unwrap();
        let hints = &info.hints;
        assert_eq!(hints.name.as_deref(), Some("Firefox"));
        assert_eq!(hints.version.as_deref(), Some("1.5"));
        assert_eq!(hints.category.as_deref(), Some("Browsers"));
        assert_eq!(hints.catalogs, ["testing", "production"]);
        assert_eq!(hints.minimum_os_version.as_deref(), Some("10.13"));
        assert_eq!(hints.restart_action.as_deref(), Some("RequireRestart"));
        assert_eq!(hints.unattended_install, Some(true));
        assert_eq!(hints.scripts_inside, ["postinstall_script"]);
        assert_eq!(info.location.as_deref(), Some("apps/Caf\u{e9}.dmg"));
        assert_eq!(info.sha256, hash.parse().ok());
        assert!(!info.has_no_file);
    }

    #[test]
    fn packages_without_a_file_are_known() {
        for body in [
            "<key>installer_type</key><string>nopkg</string>",
            "<key>PackageCompleteURL</key><string>https://example.org/a.pkg</string>",
        ] {
            assert!(PackageInfo::read(list(body).as_bytes()).unwrap().has_no_file);
        }
    }

    #[test]
    fn what_is_no_list_or_a_trap_is_refused() {
        let deep = format!("{}{}", "<array>".repeat(100_000), "</array>".repeat(100_000));
        let hidden = "<array><!--</array>--><![CDATA[</array>]]>".repeat(100);
        for text in ["bplist00xx", "", "name: Firefox", "<plist><array/></plist>", "<html>", &deep]
        {
            assert!(PackageInfo::read(text.as_bytes()).is_err(), "{:.20}", text);
        }
        assert!(is_nested_too_deep(list(&hidden).as_bytes()));
        assert!(!is_nested_too_deep(list(&"<true/>".repeat(1000)).as_bytes()));
        assert!(!is_nested_too_deep(list(&"<key>a</key><string>b</string>".repeat(99)).as_bytes()));
    }
}
