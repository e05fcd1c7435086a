//! Records as people read of them.

use serde_json::{Value, json};
use xylem_api::records::{FileRecord, RecordDiff, RecordRevision, RecordSaved};

use super::fields::{FIELDS, Written, field, key};
use crate::output::{facts, table};

/// Longest part of a value that a table shows, in characters.
const SHOWN_CHARS: usize = 48;

/// What came of a change.
pub(in crate::commands) fn saved(it: &RecordSaved) -> String {
    match it.changed {
        true => about(&it.record),
        false => format!("Nothing is different from what is said of {} already.", it.record.name),
    }
}

/// What is said of a file.
pub(in crate::commands) fn about(it: &FileRecord) -> String {
    let fields = json!(it.record);
    let rows: Vec<(&str, String)> = FIELDS
        .into_iter()
        .filter(|(key, ..)| !matches!(*key, "info" | "notes"))
        .filter_map(|(key, name, written)| Some((key, text(fields.get(name)?, written))))
        .collect();
    let RecordRevision { revision, author, created_at, .. } = &it.revision;
    let mut text = facts(&[
        ("Shown as", it.shown_as.clone()),
        ("Revision", format!("{revision}, {created_at} by {author}")),
    ]);
    text += &facts(&rows);
    for (head, body) in [("info", &it.record.info), ("notes", &it.record.notes)] {
        if !body.is_empty() {
            text += &format!("\n{head}:\n{}\n", body.trim_end());
        }
    }
    text
}

/// A value as it is written.
fn text(value: &Value, written: Written) -> String {
    match (value, written) {
        (Value::String(text), Written::File) if !text.is_empty() => {
            format!("{} bytes", text.len())
        }
        (Value::String(text), _) if !text.is_empty() => text.clone(),
        (Value::Bool(yes), _) => if *yes { "yes" } else { "no" }.to_owned(),
        (Value::Number(number), _) => number.to_string(),
        (Value::Array(parts), _) if !parts.is_empty() => {
            parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        _ => "-".to_owned(),
    }
}

pub(in crate::commands) fn revisions(all: &[RecordRevision]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|it| {
            let changed: Vec<&str> = it.changed.iter().map(|name| key(name)).collect();
            let what = match it.restores {
                Some(earlier) => format!("revision {earlier} again"),
                None if it.revision == 0 => "what a file begins with".to_owned(),
                None => changed.join(", "),
            };
            vec![it.revision.to_string(), it.created_at.to_string(), it.author.clone(), what]
        })
        .collect();
    table(&["REVISION", "WRITTEN", "AUTHOR", "CHANGED"], &rows)
}

pub(in crate::commands) fn difference(it: &RecordDiff) -> String {
    let RecordDiff { name, from, to, fields } = it;
    if fields.is_empty() {
        return format!("Nothing differs between revisions {from} and {to} of {name}.");
    }
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|it| {
            let key = key(&it.field);
            let written = field(key).map_or(Written::Text, |(_, _, written)| written);
            let cell = |value: &Value| first_line(&text(value, written));
            vec![key.to_owned(), cell(&it.from), cell(&it.to)]
        })
        .collect();
    table(&["FIELD", &format!("REVISION {from}"), &format!("REVISION {to}")], &rows)
}

/// The beginning of a text; the rest is for `--json`.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.trim_end().len() {
        shown.push('\u{2026}');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_the_keys_and_in_one_line_each() {
        let differs = |field: &str, from: Value, to: Value| xylem_api::records::FieldDifference {
            field: field.to_owned(),
            from,
            to,
        };
        let mut diff = RecordDiff {
            name: xylem_model::FileName::new("A.pkg").unwrap(),
            from: 1,
            to: 4,
            fields: vec![
                differs("reboot_required", json!(false), json!(true)),
                differs("notes", json!(""), json!("one\ntwo")),
                differs("manifest", json!("<plist/>"), json!("")),
            ],
        };
        let told = difference(&diff);
        let words: Vec<Vec<&str>> =
            told.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        let expected = [
            vec!["reboot", "no", "yes"],
            vec!["notes", "-", "one\u{2026}"],
            vec!["manifest", "8", "bytes", "-"],
        ];
        assert_eq!(words, expected, "{told}");
        diff.fields.clear();
        assert!(difference(&diff).contains("Nothing differs"));
    }
}
