//! In which order programs are upgraded.

use serde::Serialize;
use xylem_api::tree::DistributionServer;

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// A version number: `major.minor.patch`, and whether it is the release or what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u64, u64, u64, bool);

/// What is to be done, in order.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Plan {
    /// The version that everybody is to run.
    to: String,
    /// Steps; those of one step may be done at the same time.
    steps: Vec<Step>,
    /// What has to be thought of.
    warnings: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Step {
    /// What they are.
    what: &'static str,
    /// Their names, each with the version it runs.
    who: Vec<String>,
}

/// `xylem ds upgrade-plan`.
pub(super) async fn plan(
    to: Option<String>,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let to = to.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    let wanted = version(&to).ok_or_else(|| {
        Failure::configuration(format!("`{to}` is no version of a release, such as 1.2.0"))
    })?;
    let status = access.admin.status().await?;
    let servers = access.admin.distribution_servers().await?;
    let plan = made(&to, wanted, &status.program_version, &servers);
    output.value(&plan, text)
}

/// The management server understands older distribution servers, and parents serve older children:
/// so from the top down.
fn made(to: &str, wanted: Version, server: &str, servers: &[DistributionServer]) -> Plan {
    let mut plan = Plan { to: to.to_owned(), steps: Vec::new(), warnings: Vec::new() };
    let is_behind = |running: Option<&str>| running.and_then(version).is_none_or(|it| it < wanted);
    if is_behind(Some(server)) {
        let who = vec![format!("management server ({server})")];
        plan.steps.push(Step { what: "back up, then the management server", who });
    }
    plan.warnings.extend(leap("the management server", version(server), wanted));
    let depth = servers.iter().map(|server| server.depth).max().unwrap_or(0);
    for level in 0..=depth {
        let there = servers.iter().filter(|server| server.depth == level);
        let behind = there.filter(|server| is_behind(server.program_version.as_deref()));
        let who: Vec<String> = behind
            .map(|server| {
                let runs = server.program_version.as_deref().unwrap_or("never seen");
                format!("{} ({runs})", server.name)
            })
            .collect();
        if !who.is_empty() {
            let what = if level == 0 { "the root" } else { "distribution servers, one at a time" };
            plan.steps.push(Step { what, who });
        }
    }
    for server in servers {
        let running = server.program_version.as_deref().and_then(version);
        plan.warnings.extend(leap(&server.name, running, wanted));
        if running.is_some_and(|running| running > wanted) {
            plan.warnings.push(format!("{} is newer than {to} already", server.name));
        }
        if server.set_aside.is_some() {
            plan.warnings.push(format!("{} is set aside: see to that first", server.name));
        }
    }
    plan
}

/// Only neighbouring minor versions are tested with each other.
fn leap(who: &str, running: Option<Version>, wanted: Version) -> Option<String> {
    let running = running?;
    let is_near = running.0 == wanted.0 && wanted.1.saturating_sub(running.1) <= 1;
    (!is_near && running < wanted).then(|| match running.0 == wanted.0 {
        true => format!(
            "{who} is more than one minor version behind: go by way of {}.{}",
            running.0,
            running.1 + 1
        ),
        false => {
            format!("{who} is of another major version: read the notes of every release in between")
        }
    })
}

fn version(text: &str) -> Option<Version> {
    let text = text.split('+').next()?;
    let (numbers, is_release) = match text.split_once('-') {
        Some((numbers, _)) => (numbers, false),
        None => (text, true),
    };
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    let found = Version(parts.next()??, parts.next()??, parts.next()??, is_release);
    parts.next().is_none().then_some(found)
}

fn text(plan: &Plan) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        lines.push(format!("{}. {}: {}", number + 1, step.what, step.who.join(", ")));
    }
    match plan.steps.is_empty() {
        true => lines.push(format!("All servers run {} already.", plan.to)),
        false => lines.push(format!("{}. agents, whenever it suits", plan.steps.len() + 1)),
    }
    lines.extend(plan.warnings.iter().map(|warning| format!("Note: {warning}.")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(name: &str, depth: u64, version: Option<&str>) -> DistributionServer {
        serde_json::from_value(json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": name, "site": null,
            "public_url": "https://files.example.org", "parent": null, "depth": depth,
            "is_root": depth == 0, "is_principal": depth == 0,
            "enrolled_at": "2026-11-27T00:00:00Z", "last_seen": null,
            "program_version": version, "free_bytes": null, "used_bytes": null, "applied": null,
            "files_present": 0, "files_wanted": 0,
        }))
        .unwrap()
    }

    #[test]
    fn it_goes_from_the_top_down_and_past_who_is_there_already() {
        let servers = [
            server("hut", 2, Some("1.2.0")),
            server("root", 0, Some("1.2.0")),
            server("north", 1, Some("1.3.0")),
            server("new", 2, None),
        ];
        let plan = made("1.3.0", version("1.3.0").unwrap(), "1.2.0", &servers);
        let steps: Vec<&[String]> = plan.steps.iter().map(|step| &*step.who).collect();
        assert_eq!(
            steps,
            [
                &["management server (1.2.0)".to_owned()][..],
                &["root (1.2.0)".to_owned()],
                &["hut (1.2.0)".to_owned(), "new (never seen)".to_owned()],
            ]
        );
        assert_eq!(plan.warnings, [""; 0]);
        assert!(text(&plan).ends_with("4. agents, whenever it suits\n"), "{}", text(&plan));
        let done = made("1.2.0", version("1.2.0").unwrap(), "1.2.0", &servers[..2]);
        assert_eq!(text(&done), "All servers run 1.2.0 already.\n");
    }

    #[test]
    fn leaps_over_a_minor_version_are_spoken_of() {
        let servers = [server("root", 0, Some("1.0.4")), server("odd", 1, Some("2.0.0"))];
        let plan = made("1.3.0", version("1.3.0").unwrap(), "1.2.9", &servers);
        assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
        assert!(plan.warnings[0].contains("root is more than one minor version behind"));
        assert!(plan.warnings[0].ends_with("by way of 1.1"));
        assert!(plan.warnings[1].contains("newer than 1.3.0"));
    }

    #[test]
    fn other_texts_are_no_versions() {
        assert_eq!(version("1.2.3-rc.1"), Some(Version(1, 2, 3, false)));
        assert!(version("1.2.3-rc.1") < version("1.2.3"));
        assert!(version("1.2.2") < version("1.2.3-rc.1"));
        for text in ["", "1", "1.2", "1.2.3.4", "a.b.c", "v1.2.3"] {
            assert_eq!(version(text), None, "{text}");
        }
    }
}
