//! Where copies are, and how far the others have come.

use xylem_api::catalogue::{Placement, PlacementState, ServerPlacement};
use xylem_api::cloud_files::CloudFile;
use xylem_model::{ByteSize, FileKind};

use super::cloud::remark as remark_in_cloud;
use super::follow::Changes;
use crate::Failure;
use crate::access::Access;
use crate::output::{Output, table};

/// Prints where copies are; again with each change, where that is wanted, until it is interrupted.
pub(super) async fn show(
    kind: FileKind,
    name: &str,
    watch: bool,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let mut changes = Changes::of(&access.admin, kind, name);
    let mut shown = String::new();
    loop {
        let placement = access.admin.placement(kind, name).await?;
        let text = in_words(&placement);
        if text != shown {
            output.value(&placement, |_| format!("{text}\n"))?;
            shown = text;
        }
        if !watch {
            return Ok(());
        }
        changes.next().await;
    }
}

/// A table with a row for each server.
pub(super) fn in_words(placement: &Placement) -> String {
    let servers = placement.servers.iter().map(|server| row(server, placement.size));
    let rows: Vec<Vec<String>> = servers.chain(placement.cloud.iter().map(cloud_row)).collect();
    let head = format!(
        "{}, version {}, {}: on {} of {} distribution servers\n\n",
        placement.name,
        placement.version,
        ByteSize(placement.size),
        placement.present,
        placement.wanted
    );
    head + &table(&["SERVER", "STATE", "BYTES", "%", "RATE", "LEFT", "REMARK"], &rows)
}

fn row(server: &ServerPlacement, size: u64) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        server.server.clone(),
        state_word(server.state).to_owned(),
        ByteSize(server.bytes).to_string(),
        percent(server.bytes, size),
        or_dash(server.rate.map(rate)),
        or_dash(server.seconds_left.map(span)),
        or_dash(remark(server)),
    ]
}

/// The row of the cloud distribution point, which is no server.
fn cloud_row(file: &CloudFile) -> Vec<String> {
    let none = || "-".to_owned();
    vec![
        "(cloud)".to_owned(),
        file.state.to_string(),
        ByteSize(file.arrived).to_string(),
        percent(file.arrived, file.size),
        none(),
        none(),
        remark_in_cloud(file).unwrap_or_else(none),
    ]
}

/// How a copy is, in a few words: what stands beside its progress bar.
pub(super) fn in_short(server: &ServerPlacement) -> String {
    let mut text = state_word(server.state).to_owned();
    if let Some(bytes) = server.rate {
        text += &format!(", {}", rate(bytes));
    }
    if let Some(seconds) = server.seconds_left {
        text += &format!(", {} left", span(seconds));
    }
    match (&server.reason, server.state) {
        (Some(_), PlacementState::Failed) => {
            format!("{text}: {}", remark(server).unwrap_or_default())
        }
        _ => text,
    }
}

/// The word for a copy's state.
pub(super) const fn state_word(state: PlacementState) -> &'static str {
    match state {
        PlacementState::Failed => "failed",
        PlacementState::Present => "present",
        PlacementState::Queued => "queued",
        PlacementState::Transferring => "transferring",
        PlacementState::Verifying => "verifying",
        PlacementState::Wanted => "wanted",
    }
}

fn remark(server: &ServerPlacement) -> Option<String> {
    match (&server.reason, server.next_try, server.verified_at) {
        (Some(reason), Some(next), _) => Some(format!("{reason}; next try {next}")),
        (Some(reason), None, _) => Some(reason.clone()),
        (None, _, Some(at)) => Some(format!("verified {at}")),
        (None, _, None) => None,
    }
}

/// Rounded down: only the whole is 100.
pub(super) fn percent(bytes: u64, size: u64) -> String {
    let hundredths = u128::from(bytes) * 100;
    hundredths.checked_div(u128::from(size)).map_or_else(|| "-".to_owned(), |it| it.to_string())
}

fn rate(bytes: u64) -> String {
    format!("{}/s", ByteSize(bytes))
}

/// A span of time in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min {} s", seconds / MINUTE, seconds % MINUTE),
        _ => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(state: PlacementState) -> ServerPlacement {
        ServerPlacement {
            server: "north".to_owned(),
            state,
            bytes: 3 << 20,
            rate: None,
            seconds_left: None,
            verified_at: None,
            reason: None,
            next_try: None,
        }
    }

    #[test]
    fn a_moving_copy_tells_how_far_how_fast_and_how_long() {
        let moving = ServerPlacement {
            rate: Some(1 << 20),
            seconds_left: Some(95),
            ..server(PlacementState::Transferring)
        };
        let cells = row(&moving, 8 << 20);
        assert_eq!(cells[1..], ["transferring", "3.0 MiB", "37", "1.0 MiB/s", "1 min 35 s", "-"]);
        assert_eq!(in_short(&moving), "transferring, 1.0 MiB/s, 1 min 35 s left");
    }

    #[test]
    fn a_failed_copy_tells_why_and_when_it_is_tried_again() {
        let at = xylem_model::Timestamp::from_unix_ms(0);
        let failed = ServerPlacement {
            reason: Some("no space".to_owned()),
            next_try: Some(at),
            ..server(PlacementState::Failed)
        };
        let expected = format!("no space; next try {at}");
        assert_eq!(row(&failed, 8 << 20)[6], expected);
        assert_eq!(in_short(&failed), format!("failed: {expected}"));
    }

    #[test]
    fn only_the_whole_is_a_hundred_percent() {
        assert_eq!(percent((1 << 30) - 1, 1 << 30), "99");
        assert_eq!(percent(1 << 30, 1 << 30), "100");
        assert_eq!(percent(u64::MAX, u64::MAX), "100");
        assert_eq!(percent(0, 0), "-");
        assert_eq!(span(2 * 3600 + 5 * 60 + 3), "2 h 5 min");
    }
}
