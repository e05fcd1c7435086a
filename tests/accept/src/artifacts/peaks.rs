//! The most memory that each process of an upload takes.

use std::fs;
use std::process::Child;

use anyhow::Context as _;
use xylem_bench::fleet::Fleet;
use xylem_bench::peak::peak_kib;

use crate::pair::ROOT;

/// Peaks of resident memory so far, in KiB.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    pub(super) sender: u64,
    pub(super) ingest: u64,
    /// What the ingest server starts to look into the file.
    pub(super) inspector: u64,
    pub(super) management: u64,
}

impl Peaks {
    /// Looks at all of them. One that ended in the meantime keeps what it had before.
    pub(super) fn look(&mut self, fleet: &Fleet, sender: &Child) -> anyhow::Result<()> {
        let ingest = fleet.pid(ROOT)?;
        let management = fleet.server_pid().context("the management server has ended")?;
        self.sender = self.sender.max(peak_kib(sender.id()).unwrap_or(0));
        self.ingest = self.ingest.max(peak_kib(ingest).unwrap_or(0));
        self.management = self.management.max(peak_kib(management).unwrap_or(0));
        for child in children(ingest) {
            self.inspector = self.inspector.max(peak_kib(child).unwrap_or(0));
        }
        Ok(())
    }
}

/// The processes that each thread of a process started and that have not ended.
fn children(of: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = |text: String| text.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    texts.flat_map(|text| -> Vec<u32> { ids(text) }).collect()
}
