//! Scripts as people read of them.

use xylem_api::scripts::{Normalisation, Script, ScriptSettings, ScriptVersion};
use xylem_model::ByteSize;

use crate::output::{facts, or_dash, table};

pub(super) fn list(scripts: &[Script]) -> String {
    let rows: Vec<Vec<String>> = scripts
        .iter()
        .map(|script| {
            vec![
                script.name.to_string(),
                script.current.version.to_string(),
                ByteSize(script.current.size).to_string(),
                script.priority.to_string(),
                or_dash(script.category.as_ref()),
                script.current.author.clone(),
                script.current.created_at.to_string(),
                or_dash(script.deleted_at),
            ]
        })
        .collect();
    table(
        &["NAME", "VERSION", "SIZE", "PRIORITY", "CATEGORY", "AUTHOR", "WRITTEN", "DELETED"],
        &rows,
    )
}

pub(super) fn about(script: &Script) -> String {
    let requirement = Some(&script.os_requirement).filter(|text| !text.is_empty());
    let mut text = facts(&[
        ("Name", script.name.to_string()),
        ("Id", script.id.to_string()),
        ("Category", or_dash(script.category.as_ref())),
        ("Priority", script.priority.to_string()),
        ("For macOS", or_dash(requirement)),
        ("Version", script.current.version.to_string()),
        ("Size", ByteSize(script.current.size).to_string()),
        ("BLAKE3", script.current.blake3.to_string()),
        ("Written", by(&script.current.author, &script.current.created_at.to_string())),
        ("Changed", by(&script.changed_by, &script.changed_at.to_string())),
    ]);
    let labels: Vec<Vec<String>> = script
        .labels
        .iter()
        .map(|(number, label)| vec![number.to_string(), label.to_owned()])
        .collect();
    if !labels.is_empty() {
        text += &format!("\n{}", table(&["PARAMETER", "LABEL"], &labels));
    }
    for (head, body) in [("Info", &script.info), ("Notes", &script.notes)] {
        if !body.is_empty() {
            text += &format!("\n{head}:\n{}\n", body.trim_end());
        }
    }
    text
}

fn by(who: &str, when: &str) -> String {
    format!("{when} by {who}")
}

pub(super) fn history(versions: &[ScriptVersion]) -> String {
    let rows: Vec<Vec<String>> = versions
        .iter()
        .map(|it| {
            let comment = match it.restores {
                Some(earlier) => format!("version {earlier} again"),
                None => it.comment.lines().next().unwrap_or_default().to_owned(),
            };
            vec![
                it.version.to_string(),
                it.created_at.to_string(),
                it.author.clone(),
                ByteSize(it.size).to_string(),
                comment,
            ]
        })
        .collect();
    table(&["VERSION", "WRITTEN", "AUTHOR", "SIZE", "COMMENT"], &rows)
}

pub(super) fn settings(settings: &ScriptSettings) -> String {
    let allowed = if settings.allow_osascript { "yes" } else { "no" };
    facts(&[
        ("change-contents", settings.change_contents.to_string()),
        ("allow-osascript", allowed.to_owned()),
    ])
}

/// What was changed of contents, a line for each.
pub(super) fn normalised(report: &[Normalisation]) -> String {
    report.iter().map(|it| format!("  {}\n", it.message)).collect()
}
