//! How far the passes are, in memory and on the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use xylem_model::{ScrubPass, ScrubReport, Timestamp};
use xylem_runtime::Fs;

use super::pass::Pass;
use crate::data::{DataError, DataFolder, read_json, write_json};

/// What `state/scrub.json` holds.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// The pass under way.
    current: Option<Pass>,
    /// The last one that ended.
    last: Option<ScrubPass>,
    /// The newest moment at which one was asked for and begun.
    heard: Option<Timestamp>,
}

/// The passes of one server.
#[derive(Debug, Default)]
pub(crate) struct Scrubs {
    record: Mutex<Record>,
    /// When an administrator last asked for a pass.
    wanted: Mutex<Option<Timestamp>>,
    asking: Notify,
}

impl Scrubs {
    /// Reads how far they are. What cannot be read is begun anew.
    pub(crate) fn open(fs: &dyn Fs, folder: &DataFolder) -> Self {
        let record = read_json(fs, &folder.scrub()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the scrub begins anew");
            None
        });
        Self { record: Mutex::new(record.unwrap_or_default()), ..Self::default() }
    }

    /// Writes it down. Blocks.
    pub(crate) fn keep(&self, fs: &dyn Fs, folder: &DataFolder) -> Result<(), DataError> {
        let record = self.record().clone();
        write_json(fs, &folder.scrub(), &record)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An administrator asked for a pass at that time. The same time again changes nothing.
    pub(crate) fn ask(&self, at: Option<Timestamp>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if *wanted < at {
            *wanted = at;
            drop(wanted);
            self.asking.notify_one();
        }
    }

    /// When a pass was asked for that is to begin now: one that was asked for before is brought to
    /// its end first, or nobody who asks often would ever see the end of one.
    fn due(&self) -> Option<Timestamp> {
        let wanted = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.record();
        let is_busy = record.current.as_ref().is_some_and(|pass| pass.asked.is_some());
        wanted.filter(|_| !is_busy && wanted > record.heard)
    }

    /// Returns once a pass is asked for that has not begun. Only one waits.
    pub(crate) async fn asked(&self) {
        while self.due().is_none() {
            self.asking.notified().await;
        }
    }

    /// Begins the pass that is due, or goes on with the one under way. One that is asked for takes
    /// the place of whatever is under way: it looks at the same.
    pub(crate) fn begin(&self, now: Timestamp) {
        let asked = self.due();
        let mut record = self.record();
        if asked.is_none()
            && let Some(pass) = &mut record.current
        {
            pass.keep_to_clock(now);
            return;
        }
        // What the one before has found is still told.
        record.last = record.current.take().map(|pass| pass.leave_off(now)).or(record.last);
        record.current = Some(Pass::begin(now, asked));
        record.heard = asked.or(record.heard);
    }

    /// Takes note of what time it is.
    pub(crate) fn keep_to_clock(&self, now: Timestamp) {
        self.change(|pass| pass.keep_to_clock(now));
    }

    /// The pass under way has seen everything.
    pub(crate) fn end(&self, now: Timestamp) {
        let mut record = self.record();
        if let Some(pass) = record.current.take() {
            record.last = Some(pass.end(now));
        }
    }

    pub(crate) fn current(&self) -> Option<Pass> {
        self.record().current.clone()
    }

    /// What the management server is told.
    pub(crate) fn report(&self) -> ScrubReport {
        let record = self.record();
        let current = record.current.as_ref().map(Pass::report);
        ScrubReport { current, last: record.last, heard: record.heard }
    }

    /// Changes the pass under way.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Pass)) {
        if let Some(pass) = &mut self.record().current {
            change(pass);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_pass_is_gone_on_with_until_its_end() {
        let scrubs = Scrubs::default();
        scrubs.begin(NOW);
        scrubs.change(|pass| pass.found.files = 3);
        scrubs.begin(NOW.plus(HOUR));
        assert_eq!(scrubs.current().unwrap().begun, NOW);
        scrubs.end(NOW.plus(2 * HOUR));
        let last = scrubs.report().last.unwrap();
        assert_eq!((last.begun, last.ended, last.found.files), (NOW, Some(NOW.plus(2 * HOUR)), 3));
        scrubs.begin(NOW.plus(2 * HOUR));
        assert_eq!(scrubs.current().unwrap().found.files, 0);
    }

    #[tokio::test]
    async fn what_is_asked_for_begins_once() {
        let scrubs = Scrubs::default();
        scrubs.ask(None);
        scrubs.begin(NOW);
        scrubs.ask(Some(NOW.plus(HOUR)));
        scrubs.asked().await;
        scrubs.begin(NOW.plus(HOUR));
        assert_eq!(scrubs.current().unwrap().asked, Some(NOW.plus(HOUR)));
        scrubs.ask(Some(NOW.plus(HOUR)));
        assert_eq!(scrubs.due(), None, "the same again");
        scrubs.ask(Some(NOW.plus(3 * HOUR)));
        assert_eq!(scrubs.due(), None, "not before that one has ended");
        scrubs.end(NOW.plus(2 * HOUR));
        assert_eq!(scrubs.due(), Some(NOW.plus(3 * HOUR)));
        scrubs.begin(NOW.plus(3 * HOUR));
        scrubs.end(NOW.plus(4 * HOUR));
        scrubs.begin(NOW.plus(4 * HOUR));
        scrubs.end(NOW.plus(5 * HOUR));
        assert_eq!(scrubs.due(), None, "nor after a pass by itself");
        scrubs.ask(Some(NOW));
        assert_eq!(scrubs.due(), None, "older");
    }

    #[test]
    fn what_a_pass_has_found_is_told_also_where_another_takes_its_place() {
        let scrubs = Scrubs::default();
        scrubs.begin(NOW);
        scrubs.change(|pass| pass.found.damaged = 3);
        scrubs.ask(Some(NOW.plus(HOUR)));
        scrubs.begin(NOW.plus(HOUR));
        let last = scrubs.report().last.unwrap();
        assert_eq!((last.found.damaged, last.ended), (3, Some(NOW.plus(HOUR))));
        assert!(last.thousandths < 1000);
    }

    #[test]
    fn what_is_written_down_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        data.prepare(&xylem_runtime::RealFs).unwrap();
        let scrubs = Scrubs::open(&xylem_runtime::RealFs, &data);
        scrubs.begin(NOW);
        scrubs.change(|pass| pass.found.damaged = 1);
        scrubs.keep(&xylem_runtime::RealFs, &data).unwrap();
        let again = Scrubs::open(&xylem_runtime::RealFs, &data);
        assert_eq!(again.current(), scrubs.current());
        std::fs::write(data.scrub(), "{").unwrap();
        assert_eq!(Scrubs::open(&xylem_runtime::RealFs, &data).current(), None);
    }
}
