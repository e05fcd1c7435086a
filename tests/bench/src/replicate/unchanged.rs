//! What it costs that nothing has changed: questions asked in a minute, which holds one slow poll.
//!
//! Events make everything happen that happens; the slow poll is what finds a change whose event
//! was lost, so it is the one moment at which wish and reality are compared without need. A report
//! that a server is still alive is no question, and is printed apart.

use std::time::Duration;

use xylem_model::ContentId;

use super::many_files::settle;
use super::{CHILD, ROOT};
use crate::fleet::Fleet;
use crate::rows::{Goal, judge_value};

/// How long is counted: the time between two slow polls.
const WINDOW: Duration = Duration::from_secs(60);

/// After the last file: reports on all of them have left, and nothing moves any more.
const SETTLING: Duration = Duration::from_secs(10);

/// The request that reads what was counted is counted after it was answered, so the first of two
/// readings shows in the second.
const OWN_REQUESTS: f64 = 1.0;

pub(super) async fn run(fleet: &mut Fleet, contents: &[ContentId]) -> anyhow::Result<bool> {
    settle(fleet, contents).await?;
    tokio::time::sleep(SETTLING).await;
    let answers = "xylem_distribution_answers_total";
    let before = fleet.counted_by(ROOT)?.sum(answers);
    tokio::time::sleep(WINDOW).await;
    let content = fleet.counted_by(ROOT)?.sum(answers) - before - OWN_REQUESTS;
    // The root has a control link too. Without it, all that is counted is the child's.
    fleet.down(ROOT).await?;
    tokio::time::sleep(SETTLING).await;
    let (get, post) =
        ("xylem_http_requests_total{method=\"GET\"", "xylem_http_requests_total{method=\"POST\"");
    let before = fleet.counted_by_server()?;
    tokio::time::sleep(WINDOW).await;
    let after = fleet.counted_by_server()?;
    let asked = after.sum(get) - before.sum(get) - OWN_REQUESTS;
    let reports = after.sum(post) - before.sum(post);
    println!(
        "ROUND replicate/unchanged files={} seconds={} content_link={content} control_link={asked} \
         reports={reports}",
        contents.len(),
        WINDOW.as_secs()
    );
    fleet.down(CHILD).await?;
    Ok(judge_value(
        "replicate/unchanged",
        content + asked,
        Goal { must: 2.0, aim: 0.0 },
        " requests",
    ))
}
