//! Records as people read of them.

use serde_json::{Value, json};
use xylem_api::records::{FileRecord, RecordDiff, RecordRevision, RecordSaved};
use xylem_model::ContentId;

use super::fields::{FIELDS, Written, field, key};
use crate::output::{facts, table};

/// Longest part of a value that a table shows, in characters.
const SHOWN_CHARS: usize = 48;
/// How much is shown in front of the place where two values begin to differ, in characters.
const NEARBY_CHARS: usize = 16;
/// How much of a digest tells two values apart, in digits.
const DIGEST_DIGITS: usize = 12;

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
            let [from, to] = cells(&it.from, &it.to, written);
            vec![key.to_owned(), from, to]
        })
        .collect();
    table(&["FIELD", &format!("REVISION {from}"), &format!("REVISION {to}")], &rows)
}

/// Two values that differ, so that one sees it: their beginnings, or else where they begin to
/// differ, or else their digests.
fn cells(from: &Value, to: &Value, written: Written) -> [String; 2] {
    let (before, after) = (text(from, written), text(to, written));
    let start = differing(&before, &after);
    let nearby =
        |text: &str| format!("\u{2026}{}", first_line(text.get(start..).unwrap_or_default()));
    let ways = [
        [first_line(&before), first_line(&after)],
        [nearby(&before), nearby(&after)],
        [digest(from), digest(to)],
    ];
    let [.., last] = &ways;
    let seen = ways.iter().find(|[from, to]| from.trim_end() != to.trim_end());
    seen.unwrap_or(last).clone()
}

/// From which byte on two texts are shown to tell them apart: a little before they differ, and in
/// the line where they do.
fn differing(from: &str, to: &str) -> usize {
    let same = from.chars().zip(to.chars()).take_while(|(one, other)| one == other);
    let common: usize = same.map(|(c, _)| c.len_utf8()).sum();
    let line = from.get(..common).unwrap_or_default().chars().rev().take_while(|c| *c != '\n');
    let nearby: usize = line.take(NEARBY_CHARS).map(char::len_utf8).sum();
    common.saturating_sub(nearby)
}

/// A value by its length and digest.
fn digest(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let digest: String =
        ContentId::of(text.as_bytes()).to_string().chars().take(DIGEST_DIGITS).collect();
    format!("{} bytes, BLAKE3 {digest}\u{2026}", text.len())
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

    #[test]
    fn what_differs_is_seen_wherever_it_does() {
        let long = "x".repeat(SHOWN_CHARS);
        for (from, to, written, seen) in [
            (
                json!("one\ntwo"),
                json!("one\nthree"),
                Written::Text,
                ["\u{2026}two", "\u{2026}three"],
            ),
            (
                json!(format!("{long} and this")),
                json!(format!("{long} and that")),
                Written::Text,
                ["\u{2026}xxxxxxxxx and this", "\u{2026}xxxxxxxxx and that"],
            ),
            (
                json!(format!("{long}\u{e9}\nend")),
                json!(format!("{long}\u{e9}\nend\nof it")),
                Written::Text,
                ["\u{2026}end", "\u{2026}end\u{2026}"],
            ),
            (json!("a"), json!("b"), Written::Text, ["a", "b"]),
        ] {
            assert_eq!(cells(&from, &to, written), seen);
        }
        for (from, to, written) in [
            (json!("<a/>"), json!("<b/>"), Written::File),
            (json!("one"), json!("one\n"), Written::Text),
            (json!("-"), json!(""), Written::Text),
            (json!(["/a, /b"]), json!(["/a", "/b"]), Written::List),
        ] {
            let [from, to] = cells(&from, &to, written);
            assert!(from != to && from.contains("bytes, BLAKE3 "), "{from} {to}");
        }
        let other_length = cells(&json!("<a/>"), &json!("<ab/>"), Written::File);
        assert_eq!(other_length, ["4 bytes", "5 bytes"]);
    }
}
