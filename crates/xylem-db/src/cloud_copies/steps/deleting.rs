//! Deletions at a provider. One that gets no answer may still arrive for a while, and nothing is
//! written under its key in that time: so it is noted before it is asked for, and forgotten once it is
//! answered.

use std::time::Duration;

use xylem_model::{
    ContentId, DistributionServerId, FileName, FileNameError, Priority, Sha256, Timestamp,
};

use super::CloudStep;
use crate::cloud_copies::record::{CloudCopy, CloudCopyState as State, CloudDeletion, CloudWant};

/// What tells two deletions of one moment from each other.
const TICK: Duration = Duration::from_millis(1);

impl CloudCopy {
    /// A content that lies there, was in no row, and is to go. It is *removing*, and wanted by nobody.
    ///
    /// # Errors
    /// None that comes about: a content's id is a name that a file may have.
    pub fn condemned(content: ContentId, size: u64, now: Timestamp) -> Result<Self, FileNameError> {
        // What only a descriptor tells is not known, and nobody asks: before anything of it is sent it
        // is wanted, and then it is said.
        let (name, sha256) = (FileName::new(&content.to_hex())?, Sha256::from_bytes([0; 32]));
        let want = CloudWant { content, size, sha256, name, priority: Priority::Bulk };
        let unwanted = Some(now);
        Ok(Self { state: State::Removing, unwanted, ..Self::of_want(&want, now) })
    }

    /// Whether something may be written under its key: no deletion may still arrive.
    pub fn may_be_written(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= now)
    }

    /// The deletion that would be asked for next, which may arrive until then. Each has an end of its
    /// own, so that the answer to one is not taken for that to another.
    pub fn next_deletion(&self, until: Timestamp) -> CloudDeletion {
        let before = self.not_before;
        let until = before.map_or(until, |before| until.max(before.plus(TICK)));
        CloudDeletion { until, before }
    }

    /// It is about to be asked for: by the server that works on it, or, where none does, of what is
    /// *removing*. What is *present* is withdrawn first.
    pub fn delete(
        &mut self,
        by: Option<DistributionServerId>,
        deletion: CloudDeletion,
    ) -> CloudStep {
        let may = match by {
            Some(server) => self.is_worked_on_by(server),
            None => self.state == State::Removing,
        };
        if !may || self.not_before != deletion.before {
            return CloudStep::Refused;
        }
        self.not_before = Some(deletion.until);
        CloudStep::Done
    }

    /// It was answered: it arrives no more. Where another one was asked for since, that one counts.
    pub fn end_deletion(&mut self, deletion: CloudDeletion) -> CloudStep {
        if self.not_before != Some(deletion.until) {
            return CloudStep::Refused;
        }
        self.not_before = deletion.before;
        CloudStep::Done
    }
}
