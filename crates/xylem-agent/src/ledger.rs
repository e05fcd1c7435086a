//! What became of each order, written down so that a power cut cannot make it happen twice.
//!
//! For each order, in this sequence, each step on the disk before the next begins:
//!
//! 1. `installing` goes into `state.json`; then the installer starts;
//! 2. the report goes into `reports/ORDER.json`; from here on the order is finished;
//! 3. `finished` goes into `state.json`;
//! 4. the management server takes the report; the file goes.
//!
//! A crash between 1 and 2 leaves an outcome that nobody knows. An installer that changes all or
//! nothing and runs no scripts may repeat it; otherwise it is reported as unknown and left alone.
//! A crash between 2 and 3 is mended by [`settle`]. The results stay after 4, because a restored
//! management server may ask for something that was done long ago.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use xylem_api::agent::OrderReport;
use xylem_model::{OrderId, Stamp, Timestamp};
use xylem_runtime::Fs;

use crate::folder::{DataFolder, FolderError, failed, read_json, require_json, write_json};

/// Most orders whose results are remembered; the oldest finished ones are forgotten first.
const MAX_RECORDS: usize = 4096;

/// Everything that must survive. Kept apart from the cache, which may be thrown away.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The newest signed orders seen: older ones are refused.
    pub(crate) orders_seen: Option<Stamp>,
    /// By order; ids sort by age.
    pub(crate) orders: BTreeMap<OrderId, Record>,
}

/// What is known of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The installer was started, and did not come back as far as anybody knows.
    Installing {
        /// When it was started.
        since: Timestamp,
    },
    /// Over, well or badly.
    Finished { result: String, message: String, started_at: Timestamp, finished_at: Timestamp },
}

impl Record {
    fn of(report: &OrderReport) -> Self {
        Self::Finished {
            result: report.result.clone(),
            message: report.message.clone(),
            started_at: report.started_at,
            finished_at: report.finished_at,
        }
    }
}

/// Begins an empty ledger.
pub(crate) fn create(fs: &dyn Fs, folder: &DataFolder) -> Result<(), FolderError> {
    write_json(fs, &folder.state(), &State::default())
}

/// Reads the ledger. Without it nothing may be done: it is what refuses old orders.
pub(crate) fn load(fs: &dyn Fs, folder: &DataFolder) -> Result<State, FolderError> {
    require_json(fs, &folder.state())
}

fn change(
    fs: &dyn Fs,
    folder: &DataFolder,
    change: impl FnOnce(&mut State),
) -> Result<(), FolderError> {
    let mut state = load(fs, folder)?;
    change(&mut state);
    while state.orders.len() > MAX_RECORDS {
        let oldest = state
            .orders
            .iter()
            .find(|(_, record)| matches!(record, Record::Finished { .. }))
            .map(|(order, _)| *order);
        match oldest {
            Some(order) => state.orders.remove(&order),
            None => break,
        };
    }
    write_json(fs, &folder.state(), &state)
}

/// Notes how new the orders are that are about to be followed.
pub(crate) fn note_orders_seen(
    fs: &dyn Fs,
    folder: &DataFolder,
    stamp: Stamp,
) -> Result<(), FolderError> {
    change(fs, folder, |state| state.orders_seen = state.orders_seen.max(Some(stamp)))
}

/// Notes that the installer is about to start.
pub(crate) fn begin_install(
    fs: &dyn Fs,
    folder: &DataFolder,
    order: OrderId,
    now: Timestamp,
) -> Result<(), FolderError> {
    change(fs, folder, |state| {
        state.orders.insert(order, Record::Installing { since: now });
    })
}

/// Notes that an order is over, and puts its report among those to be delivered.
pub(crate) fn finish(
    fs: &dyn Fs,
    folder: &DataFolder,
    order: OrderId,
    report: &OrderReport,
) -> Result<(), FolderError> {
    post(fs, folder, order, report)?;
    change(fs, folder, |state| {
        state.orders.insert(order, Record::of(report));
    })
}

/// Puts a report among those to be delivered.
pub(crate) fn post(
    fs: &dyn Fs,
    folder: &DataFolder,
    order: OrderId,
    report: &OrderReport,
) -> Result<(), FolderError> {
    write_json(fs, &report_path(folder, order), report)
}

/// Finishes what a crash interrupted: orders with a report are over.
pub(crate) fn settle(fs: &dyn Fs, folder: &DataFolder) -> Result<(), FolderError> {
    let state = load(fs, folder)?;
    for order in waiting(fs, folder)? {
        if matches!(state.orders.get(&order), Some(Record::Finished { .. })) {
            continue;
        }
        if let Some(report) = read_report(fs, folder, order)? {
            change(fs, folder, |state| {
                state.orders.insert(order, Record::of(&report));
            })?;
        }
    }
    Ok(())
}

/// Orders whose reports wait to be delivered, oldest first.
pub(crate) fn waiting(fs: &dyn Fs, folder: &DataFolder) -> Result<Vec<OrderId>, FolderError> {
    let reports = folder.reports();
    let entries = fs.list(&reports).map_err(failed("look into", &reports))?;
    let mut orders: Vec<OrderId> =
        entries.iter().filter_map(|entry| entry.name.strip_suffix(".json")?.parse().ok()).collect();
    orders.sort_unstable();
    Ok(orders)
}

/// A report that waits.
pub(crate) fn read_report(
    fs: &dyn Fs,
    folder: &DataFolder,
    order: OrderId,
) -> Result<Option<OrderReport>, FolderError> {
    read_json(fs, &report_path(folder, order))
}

/// Forgets a report that was taken.
pub(crate) fn remove_report(
    fs: &dyn Fs,
    folder: &DataFolder,
    order: OrderId,
) -> Result<(), FolderError> {
    let path = report_path(folder, order);
    match fs.remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

fn report_path(folder: &DataFolder, order: OrderId) -> std::path::PathBuf {
    folder.reports().join(format!("{order}.json"))
}

#[cfg(test)]
mod tests {
    use xylem_runtime::RealFs;

    use super::*;

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path().join("data"));
        folder.create(&RealFs).unwrap();
        create(&RealFs, &folder).unwrap();
        (parent, folder)
    }

    fn report(result: &str) -> OrderReport {
        OrderReport {
            result: result.into(),
            message: String::new(),
            attempts: Vec::new(),
            install: serde_json::Value::Null,
            started_at: Timestamp::from_unix_ms(1),
            finished_at: Timestamp::from_unix_ms(2),
        }
    }

    fn order(number: u64) -> OrderId {
        OrderId::from_parts(number, &[0; 10])
    }

    #[test]
    fn a_report_without_a_record_makes_the_order_finished() {
        let (_parent, folder) = folder();
        begin_install(&RealFs, &folder, order(1), Timestamp::from_unix_ms(1)).unwrap();
        post(&RealFs, &folder, order(1), &report("installed")).unwrap();
        settle(&RealFs, &folder).unwrap();
        let state = load(&RealFs, &folder).unwrap();
        assert_eq!(state.orders[&order(1)], Record::of(&report("installed")));
        assert_eq!(waiting(&RealFs, &folder).unwrap(), [order(1)]);
    }

    #[test]
    fn orders_seen_never_go_back() {
        let (_parent, folder) = folder();
        for stamp in [Stamp::new(1, 5), Stamp::new(1, 3)] {
            note_orders_seen(&RealFs, &folder, stamp).unwrap();
        }
        assert_eq!(load(&RealFs, &folder).unwrap().orders_seen, Some(Stamp::new(1, 5)));
    }

    #[test]
    fn the_oldest_finished_orders_are_forgotten_first() {
        let (_parent, folder) = folder();
        let mut state = State::default();
        state.orders.insert(order(0), Record::Installing { since: Timestamp::default() });
        for number in 1..=MAX_RECORDS as u64 {
            state.orders.insert(order(number), Record::of(&report("installed")));
        }
        write_json(&RealFs, &folder.state(), &state).unwrap();
        note_orders_seen(&RealFs, &folder, Stamp::new(1, 1)).unwrap();
        let state = load(&RealFs, &folder).unwrap();
        assert_eq!(state.orders.len(), MAX_RECORDS);
        assert!(state.orders.contains_key(&order(0)));
        assert!(!state.orders.contains_key(&order(1)));
    }

    #[test]
    fn without_a_ledger_nothing_is_done() {
        let (_parent, folder) = folder();
        std::fs::remove_file(folder.state()).unwrap();
        let error = settle(&RealFs, &folder).unwrap_err().to_string();
        assert!(error.contains("state.json"), "{error}");
        std::fs::write(folder.state(), "{").unwrap();
        assert!(matches!(settle(&RealFs, &folder), Err(FolderError::Damaged { .. })));
    }
}
