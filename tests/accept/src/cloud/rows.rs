//! What `xylem cloud files` tells.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use xylem_bench::fleet::Fleet;
use xylem_model::ContentId;

/// How often it is asked: each time costs a program and an answer.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// The state of what is there, proved, and offered.
pub(super) const PRESENT: &str = "present";

/// One content.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) content: ContentId,
    pub(super) size: u64,
    pub(super) state: String,
    #[serde(default)]
    pub(super) arrived: u64,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// Every content that is, was or is to be in the cloud.
pub(super) async fn rows(fleet: &Fleet) -> anyhow::Result<Vec<Row>> {
    let told = fleet.xylem(&["cloud", "files", "--json"]).await?;
    let told: Value = serde_json::from_str(&told)?;
    let list = match told {
        Value::Array(list) => list,
        Value::Object(fields) => {
            let mut lists = fields.into_iter().map(|(_, value)| value).filter(Value::is_array);
            match lists.next() {
                Some(Value::Array(list)) => list,
                _ => bail!("`cloud files` tells no list"),
            }
        }
        other => bail!("`cloud files` tells {other}"),
    };
    list.into_iter().map(|row| serde_json::from_value(row).context("a row of files")).collect()
}

/// Waits until all of these are present; gives the moment at which it was known.
pub(super) async fn present(
    fleet: &Fleet,
    wanted: &[ContentId],
    limit: Duration,
) -> anyhow::Result<Instant> {
    let end = Instant::now() + limit;
    loop {
        // The management server may have been killed a moment ago.
        let told = rows(fleet).await;
        let now = Instant::now();
        let told = match told {
            Ok(told) => told,
            Err(error) => {
                ensure!(now < end, "`cloud files` fails: {error:#}");
                sleep(ASK_EVERY).await;
                continue;
            }
        };
        let by_id: BTreeMap<ContentId, &Row> = told.iter().map(|row| (row.content, row)).collect();
        let lacking: Vec<&ContentId> = wanted
            .iter()
            .filter(|id| by_id.get(id).is_none_or(|row| row.state != PRESENT))
            .collect();
        let Some(first) = lacking.first() else { return Ok(now) };
        let (row, all) = (by_id.get(*first), wanted.len());
        let name = row.map_or("nothing is told of it", |row| row.name.as_str());
        ensure!(now < end, "{} of {all} are not there; {name}: {row:?}", lacking.len());
        sleep(ASK_EVERY).await;
    }
}
