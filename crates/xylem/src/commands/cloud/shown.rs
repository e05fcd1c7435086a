//! What is set and what a test found, as text.

use serde_json::Value;
use xylem_api::cloud::{CloudPoint, CloudPolicy, CloudState, CloudTest};

use crate::output::{facts, table};

/// Everything that is set.
pub(super) fn state(state: &CloudState) -> String {
    let Some(set) = &state.point else {
        let mut text = "No cloud distribution point is set.\n".to_owned();
        if let Some(former) = &state.former {
            text += &left(former);
        }
        return text;
    };
    let mut text = point(set);
    if let Some(former) = &state.former {
        text += "\n";
        text += &left(former);
    }
    if let Some(found) = &set.last_test {
        text += "\n";
        text += &test(found);
    }
    text
}

fn left(former: &CloudPoint) -> String {
    format!(
        "The one before, {}, is being left: `xylem cloud remove --former` forgets it.\n",
        place(&former.storage)
    )
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
    }
    let authority = match &point.ca_pem {
        Some(_) => "the one that was given",
        None => "those that the management server's machine believes",
    };
    rows.extend([
        ("Authority", authority.to_owned()),
        ("Addresses live", format!("{} s", point.url_lifetime_seconds)),
        ("Offered", point.offer.to_string()),
        ("Keys", format!("set {}", point.keys_set_at)),
        ("Changed", format!("{} by {}", point.changed_at, point.changed_by)),
        ("Test", tested),
        ("Files", "none: this version fills no cloud yet".to_owned()),
    ]);
    facts(&rows)
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
    fn places_are_told_by_their_provider() {
        assert_eq!(place(&json!({ "provider": "s3", "bucket": "b" })), "s3 b");
        assert_eq!(place(&json!({ "provider": "rackspace", "container": "c" })), "rackspace c");
    }
}
