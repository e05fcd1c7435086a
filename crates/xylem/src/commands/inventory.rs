//! What the machines of distribution servers are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use xylem_api::inventory::Inventory;
use xylem_api::tree::DistributionServer;
use xylem_model::ByteSize;

use crate::output::{or_dash, table};

/// A clock that is off by more than this is spoken of: certificates and documents go by it.
const CLOCK_LIMIT_MS: i64 = 60_000;

/// One row for each machine, then what they have in common.
pub(super) fn all(servers: &[DistributionServer]) -> String {
    let rows: Vec<Vec<String>> = servers.iter().map(row).collect();
    let names = ["NAME", "HOST", "SYSTEM", "VERSION", "CORES", "MEMORY", "DISK", "UP", "CLOCK"];
    let mut text = table(&names, &rows);
    text.push('\n');
    rolled_up(&mut text, "version", servers, |server| server.program_version.clone());
    rolled_up(&mut text, "system", servers, |server| system(server.inventory.as_ref()?));
    for server in servers {
        let ahead = server.inventory.as_ref().and_then(|found| found.clock_ahead_ms);
        if let Some(ms) = ahead.filter(|ms| ms.unsigned_abs() > CLOCK_LIMIT_MS.unsigned_abs()) {
            let _ = writeln!(text, "The clock of {} is {}: set it right.", server.name, clock(ms));
        }
    }
    text
}

/// What is said of one machine among other things.
pub(super) fn shown(server: &DistributionServer) -> Vec<(&'static str, String)> {
    let Some(found) = &server.inventory else { return Vec::new() };
    let addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
    vec![
        ("Host", or_dash(found.host_name.as_ref())),
        ("Addresses", or_dash(Some(addresses.join(", ")).filter(|text| !text.is_empty()))),
        ("System", or_dash(system(found))),
        ("Cores", or_dash(found.cores)),
        ("Memory", or_dash(found.memory_bytes.map(ByteSize))),
        ("Disk", or_dash(found.disk_bytes.map(ByteSize))),
        ("Up for", or_dash(found.uptime_seconds.map(up))),
        ("Running since", or_dash(found.started)),
        ("Clock", or_dash(found.clock_ahead_ms.map(clock))),
    ]
}

fn row(server: &DistributionServer) -> Vec<String> {
    let found = server.inventory.clone().unwrap_or_default();
    vec![
        server.name.clone(),
        or_dash(found.host_name.as_ref()),
        or_dash(system(&found)),
        or_dash(server.program_version.as_ref()),
        or_dash(found.cores),
        or_dash(found.memory_bytes.map(ByteSize)),
        or_dash(found.disk_bytes.map(ByteSize)),
        or_dash(found.uptime_seconds.map(up)),
        or_dash(found.clock_ahead_ms.map(clock)),
    ]
}

fn system(found: &Inventory) -> Option<String> {
    let words = [found.os.as_deref(), found.os_version.as_deref(), found.architecture.as_deref()];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn up(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn clock(ahead_ms: i64) -> String {
    let off = Duration::from_millis(ahead_ms.unsigned_abs());
    let side = if ahead_ms < 0 { "behind" } else { "ahead" };
    format!("{:.1} s {side}", off.as_secs_f64())
}

/// On how many of all each value is, the most frequent first; who has another is named.
fn rolled_up(
    text: &mut String,
    what: &str,
    servers: &[DistributionServer],
    of: impl Fn(&DistributionServer) -> Option<String>,
) {
    let mut by_value: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for server in servers {
        let value = of(server).unwrap_or_else(|| "unknown".to_owned());
        by_value.entry(value).or_default().push(&server.name);
    }
    let mut counted: Vec<(String, Vec<&str>)> = by_value.into_iter().collect();
    counted.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    for (place, (value, names)) in counted.iter().enumerate() {
        let named = if place == 0 { String::new() } else { format!(": {}", names.join(", ")) };
        let _ =
            writeln!(text, "{what} {value} on {} of {} servers{named}", names.len(), servers.len());
    }
}
