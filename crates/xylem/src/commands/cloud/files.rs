//! What lies there, what an inventory finds, and what it all takes.

use std::time::Duration;

use xylem_api::cloud_files::{
    AskCloudEstimate, CloudEstimate, CloudFile, CloudFileState, CloudInventory,
    CloudInventoryFound, CloudUsageReport,
};
use xylem_model::ByteSize;

use super::given;
use crate::Failure;
use crate::access::Access;
use crate::cli::EstimateOptions;
use crate::commands::placement::{percent, span};
use crate::commands::selection;
use crate::output::{Output, facts, or_dash, table};

/// How often an inventory is asked after.
const POLL: Duration = Duration::from_secs(1);
/// As much of a content's id as tells it from others.
const ID_LETTERS: usize = 12;

/// Prints what is, was or is to be there.
pub(super) async fn list(
    state: Option<CloudFileState>,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let page = access.admin.cloud_files(state, after).await?;
        files.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    output.value(&files, |files| in_words(files))
}

fn in_words(files: &[CloudFile]) -> String {
    let rows: Vec<Vec<String>> = files.iter().map(row).collect();
    table(&["CONTENT", "NAME", "STATE", "BYTES", "%", "SINCE", "VERIFIED", "REMARK"], &rows)
}

fn row(file: &CloudFile) -> Vec<String> {
    vec![
        file.content.to_hex().chars().take(ID_LETTERS).collect(),
        file.name.to_string(),
        file.state.to_string(),
        ByteSize(file.size).to_string(),
        percent(file.arrived, file.size),
        file.since.to_string(),
        or_dash(file.verified_at.map(|at| at.to_string())),
        or_dash(remark(file)),
    ]
}

/// Why a file is not there, and what comes next.
pub(in crate::commands) fn remark(file: &CloudFile) -> Option<String> {
    let next = file.next_try.map(|at| format!("next try {at}"));
    let unwanted = file.unwanted_since.map(|at| format!("not wanted since {at}"));
    let doubted = file.doubted_at.map(|at| format!("a computer found other bytes {at}: read back"));
    let others = doubted.into_iter().chain(next).chain(unwanted);
    let parts: Vec<String> = file.reason.clone().into_iter().chain(others).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What it was used for.
pub(super) fn usage(report: &CloudUsageReport) -> String {
    let rows: Vec<Vec<String>> = report
        .months
        .iter()
        .map(|month| {
            vec![
                month.month.clone(),
                ByteSize(month.sent_bytes).to_string(),
                ByteSize(month.read_back_bytes).to_string(),
                ByteSize(month.told_by_agents_bytes).to_string(),
                month.write_requests.to_string(),
                month.read_requests.to_string(),
                month.list_requests.to_string(),
            ]
        })
        .collect();
    let head = ["MONTH", "SENT", "READ BACK", "BY COMPUTERS", "WRITES", "READS", "LISTS"];
    let ceiling = report
        .month_ceiling_bytes
        .map(|bytes| format!("At most {} are sent and read back in a month.\n", ByteSize(bytes)));
    table(&head, &rows) + &ceiling.unwrap_or_default()
}

/// Has everything be looked through, and prints what that found.
pub(super) async fn inventory(access: &Access, output: &Output) -> Result<(), Failure> {
    let asked = access.admin.ask_cloud_inventory().await?.asked_at;
    loop {
        let state = access.admin.cloud_inventory().await?;
        // A server that was started anew remembers nothing of what it was asked for.
        let is_forgotten = state.asked_at.is_none() && state.running_since.is_none();
        let last = state.last.filter(|last| asked.is_none_or(|asked| last.began_at >= asked));
        match last {
            Some(CloudInventory { failed: Some(why), .. }) => {
                return Err(Failure::new(format!("the inventory was given up: {why}")));
            }
            Some(last) => return output.value(&last, found_in_words),
            None if is_forgotten => {
                return Err(Failure::new(
                    "the management server was started anew meanwhile: ask for the inventory again",
                ));
            }
            None => tokio::time::sleep(POLL).await,
        }
    }
}

fn found_in_words(inventory: &CloudInventory) -> String {
    let found = inventory.found.unwrap_or_default();
    let CloudInventoryFound { objects, bytes, good, lost, changed, unknown, deleted, foreign } =
        found;
    facts(&[
        ("Objects", format!("{objects}, {}", ByteSize(bytes))),
        ("As they are to be", good.to_string()),
        ("Lost", format!("{lost}, sent again")),
        ("Changed", format!("{changed}, deleted and sent again")),
        ("Remembered nowhere", format!("{unknown}, {deleted} of them old and deleted")),
        ("Of others", format!("{foreign}, left alone")),
    ])
}

/// Prints what filling would take.
pub(super) async fn estimate(
    options: EstimateOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let EstimateOptions { devices, rate, price_per_gib, rules, provider } = options;
    let rules = match rules.is_empty() {
        true => None,
        false => Some(selection::rules(&rules)?),
    };
    let asked = AskCloudEstimate {
        storage: provider.map(given::place),
        rules,
        rate_bytes_per_second: rate,
        devices,
        price_per_gib,
    };
    output.value(&access.admin.cloud_estimate(&asked).await?, estimated)
}

fn estimated(told: &CloudEstimate) -> String {
    let mut rows = vec![
        ("Contents", told.contents.to_string()),
        ("To be sent and kept", ByteSize(told.bytes).to_string()),
        ("Largest", ByteSize(told.largest_bytes).to_string()),
        (
            "Requests",
            format!("{} that write, {} that read", told.write_requests, told.read_requests),
        ),
    ];
    if told.too_large > 0 {
        rows.push(("Too large", format!("{}, which the provider does not take", told.too_large)));
    }
    if let (Some(seconds), Some(rate)) = (told.seconds, told.rate_bytes_per_second) {
        rows.push(("Time", format!("{} at {}/s", span(seconds), ByteSize(rate))));
    }
    if let (Some(bytes), Some(devices)) = (told.egress_bytes, told.devices) {
        let text = format!("{} if {devices} computers fetch everything once", ByteSize(bytes));
        rows.push(("Fetched there", text));
    }
    if let Some(price) = told.egress_price {
        rows.push(("Price of that", format!("{price:.2}, by the price that was given")));
    }
    facts(&rows)
}

#[cfg(test)]
mod tests {
    use xylem_model::{ContentId, FileName, Timestamp};

    use super::*;

    #[test]
    fn a_file_tells_how_far_it_is_and_why_not_further() {
        let at = Timestamp::from_unix_ms(0);
        let file = CloudFile {
            content: ContentId::of(b"a"),
            name: FileName::new("A.pkg").unwrap(),
            size: 4 << 20,
            state: CloudFileState::Failed,
            arrived: 1 << 20,
            since: at,
            reason: Some("no keys".to_owned()),
            next_try: Some(at),
            unwanted_since: None,
            looked_at: None,
            verified_at: None,
            doubted_at: None,
        };
        let cells = row(&file);
        assert_eq!(cells[1..5], ["A.pkg", "failed", "4.0 MiB", "25"]);
        assert_eq!(cells[6..], ["-".to_owned(), format!("no keys; next try {at}")]);
        let there = CloudFile {
            state: CloudFileState::Present,
            reason: None,
            next_try: None,
            verified_at: Some(at),
            doubted_at: Some(at),
            ..file
        };
        let cells = row(&there);
        assert_eq!(cells[6], at.to_string());
        assert!(cells[7].contains("other bytes"), "{cells:?}");
    }

    #[test]
    fn an_estimate_tells_what_was_asked_for() {
        let told = CloudEstimate {
            contents: 2,
            bytes: 1 << 30,
            seconds: Some(95),
            rate_bytes_per_second: Some(1 << 20),
            devices: Some(10),
            egress_bytes: Some(10 << 30),
            egress_price: Some(0.5),
            ..CloudEstimate::default()
        };
        let text = estimated(&told);
        for part in ["1 min 35 s at 1.0 MiB/s", "10.0 GiB if 10 computers", "0.50"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!estimated(&CloudEstimate::default()).contains("Price"));
    }
}
