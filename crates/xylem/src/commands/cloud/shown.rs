//! What is set and what a test found, as text.

use serde_json::Value;
use xylem_api::cloud::{CloudPoint, CloudPolicy, CloudState, CloudTest, CloudVerify};
use xylem_api::cloud_files::{CloudBroken, CloudFileCount, CloudFileState, CloudProgress};
use xylem_model::ByteSize;

use super::leaving;
use crate::commands::selection::rule_text;
use crate::output::{facts, table};

/// Everything that is set.
pub(super) fn state(state: &CloudState) -> String {
    let Some(set) = &state.point else {
        let mut text = "No cloud distribution point is set.\n".to_owned();
        text += &left(state);
        return text;
    };
    let mut text = point(set);
    if let Some(found) = &state.progress {
        text += "\n";
        text += &progress(found);
    }
    if state.former.is_some() {
        text += "\n";
        text += &left(state);
    }
    if let Some(found) = &set.last_test {
        text += "\n";
        text += &test(found);
    }
    text
}

/// The point that is being left, where there is one.
fn left(state: &CloudState) -> String {
    let Some(former) = &state.former else { return String::new() };
    let head = format!("The one before, {}, is being left.\n", place(&former.storage));
    head + &state.leaving.as_ref().map(leaving::text).unwrap_or_default()
}

/// One point.
pub(super) fn point(point: &CloudPoint) -> String {
    let tested = match &point.last_test {
        None => "never".to_owned(),
        Some(test) if test.passed => format!("passed, {}", test.at),
        Some(test) => format!("failed, {}", test.at),
    };
    let mut rows = vec![("Cloud", place(&point.storage))];
    if let Some(fields) = point.storage.as_object() {
        let others = fields.iter().filter(|(name, value)| *name != "provider" && !value.is_null());
        rows.extend(others.map(|(name, value)| (name.as_str(), written(value))));
        if fields.get("public") == Some(&Value::Bool(true)) {
            let told = "everything in the container is given out to whoever learns an address";
            rows.push(("Public", told.to_owned()));
        }
    }
    let authority = match &point.ca_pem {
        Some(_) => "the one that was given",
        None => "those that the management server's machine believes",
    };
    let principal = if point.is_principal { "yes: every new file is there first" } else { "no" };
    rows.extend([
        ("Principal", principal.to_owned()),
        ("Authority", authority.to_owned()),
        ("Addresses live", format!("{} s", point.url_lifetime_seconds)),
        ("Offered", point.offer.to_string()),
        ("Read back", read_back(point)),
        ("Keys", format!("set {}", point.keys_set_at)),
        ("Changed", format!("{} by {}", point.changed_at, point.changed_by)),
        ("Test", tested),
    ]);
    facts(&rows)
}

fn read_back(point: &CloudPoint) -> String {
    match point.verify {
        CloudVerify::All => format!("everything, every {} days", point.verify_days),
        CloudVerify::Sample => "both ends of a file that was sent".to_owned(),
    }
}

/// How far a point is, and why it stands still if it does.
pub(super) fn progress(progress: &CloudProgress) -> String {
    let mut rows: Vec<(&str, String)> = match &progress.selection {
        None => vec![("Holds", "everything".to_owned())],
        Some(rules) if rules.is_empty() => vec![("Holds", "nothing".to_owned())],
        Some(rules) => {
            let numbered = rules.iter().enumerate();
            let text = |(at, rule)| format!("{}. {}", at + 1, rule_text(rule));
            numbered.map(|one| ("Holds", text(one))).collect()
        }
    };
    rows.push(("Files", counts(&progress.counts)));
    if progress.paused {
        rows.push(("Paused", "nothing is sent or deleted until `xylem cloud resume`".to_owned()));
    }
    if let Some(CloudBroken { message, since, next_try }) = &progress.broken {
        rows.push(("Stands still", format!("since {since}, next try {next_try}: {message}")));
    }
    if let Some(bytes) = progress.month_ceiling_bytes {
        let until = progress.ceiling_until;
        let until = until.map(|it| format!(", reached: nothing is sent until {it}; clients go on"));
        let ceiling = ByteSize(bytes);
        rows.push(("Month's ceiling", format!("{ceiling}{}", until.unwrap_or_default())));
    }
    let inventory = progress.last_inventory;
    rows.push(("Inventory", inventory.map_or_else(|| "never".to_owned(), |it| it.to_string())));
    facts(&rows)
}

pub(super) fn counts(counts: &[CloudFileCount]) -> String {
    let text = |count: &CloudFileCount| {
        let CloudFileCount { state, contents, bytes, arrived } = *count;
        let bytes = ByteSize(bytes);
        match state {
            CloudFileState::Transferring | CloudFileState::Failed => {
                format!("{contents} {state} ({} of {bytes})", ByteSize(arrived))
            }
            _ => format!("{contents} {state} ({bytes})"),
        }
    };
    match counts {
        [] => "none yet".to_owned(),
        counts => counts.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

/// The provider, and the first of what tells one place from another.
fn place(storage: &Value) -> String {
    let field = |name: &str| storage.get(name).and_then(Value::as_str);
    let provider = field("provider").unwrap_or("?");
    match field("bucket").or_else(|| field("container")).or_else(|| field("upload_host")) {
        Some(place) => format!("{provider} {place}"),
        None => provider.to_owned(),
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The steps of a test.
pub(super) fn test(test: &CloudTest) -> String {
    let rows: Vec<Vec<String>> = test
        .steps
        .iter()
        .map(|step| {
            let message = step.message.clone().unwrap_or_default();
            vec![step.name.clone(), step.outcome.to_string(), step.took_ms.to_string(), message]
        })
        .collect();
    let verdict = if test.passed { "Passed" } else { "Failed" };
    format!("{}{verdict}, {}.\n", table(&["STEP", "OUTCOME", "MS", ""], &rows), test.at)
}

/// The least rights.
pub(super) fn policy(policy: &CloudPolicy) -> String {
    match &policy.lifecycle {
        None => policy.policy.clone(),
        Some(lifecycle) => format!(
            "Policy of the keys:\n{}\n\nRule of the bucket's lifecycle, as a second net:\n{lifecycle}\n",
            policy.policy.trim_end()
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use xylem_api::cloud::{CloudStepOutcome, CloudTestStep};
    use xylem_model::Timestamp;

    use super::*;

    #[test]
    fn each_step_has_a_line_of_its_own() {
        let step = |name: &str, outcome, message: Option<&str>| CloudTestStep {
            name: name.to_owned(),
            outcome,
            took_ms: 5,
            message: message.map(str::to_owned),
        };
        let found = CloudTest {
            at: Timestamp::from_unix_ms(0),
            passed: false,
            steps: vec![
                step("write", CloudStepOutcome::Passed, None),
                step("read", CloudStepOutcome::Failed, Some("no")),
            ],
        };
        let text = test(&found);
        assert!(text.contains("\nread   failed   5   no\nFailed, 1970"), "{text}");
    }

    #[test]
    fn what_stands_still_says_why_and_until_when() {
        let at = Timestamp::from_unix_ms(0);
        let count = |state, bytes| CloudFileCount { state, contents: 2, bytes, arrived: 1 << 20 };
        let found = CloudProgress {
            selection: Some(vec![]),
            counts: vec![
                count(CloudFileState::Transferring, 4 << 20),
                count(CloudFileState::Present, 1 << 20),
            ],
            paused: true,
            broken: Some(CloudBroken { message: "no keys".to_owned(), since: at, next_try: at }),
            month_ceiling_bytes: Some(1 << 30),
            ceiling_until: Some(at),
            last_inventory: None,
        };
        let text = progress(&found);
        for part in [
            "2 transferring (1.0 MiB of 4.0 MiB), 2 present (1.0 MiB)",
            "cloud resume",
            "no keys",
            "1.0 GiB, reached: nothing is sent until 1970",
            "never",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn places_are_told_by_their_provider() {
        assert_eq!(place(&json!({ "provider": "s3", "bucket": "b" })), "s3 b");
        assert_eq!(place(&json!({ "provider": "rackspace", "container": "c" })), "rackspace c");
    }
}
