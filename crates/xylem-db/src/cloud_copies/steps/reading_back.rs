//! What is *present* is read back whole now and then, and once more where somebody found other bytes:
//! nobody is believed who says so.

use xylem_model::{DistributionServerId, Timestamp};

use super::CloudStep;
use crate::cloud_copies::record::{CloudCopy, CloudCopyState as State, CloudLease, CloudReadBack};
use crate::convert::clip;

impl CloudCopy {
    /// Somebody found other bytes there. Nobody is heard before as long has passed since the last time,
    /// or since it was read back, as lies between `heard_before` and now.
    pub fn doubt(&mut self, heard_before: Timestamp, now: Timestamp) -> CloudStep {
        let is_recent = self.doubted.max(self.read_back).is_some_and(|last| last >= heard_before);
        if self.state != State::Present || is_recent {
            return CloudStep::Refused;
        }
        self.doubted = Some(now);
        self.next_try = None;
        CloudStep::Done
    }

    /// Whether somebody found other bytes there since it was last read back.
    pub fn is_doubted(&self) -> bool {
        self.doubted.is_some_and(|doubted| self.read_back.is_none_or(|read| read < doubted))
    }

    /// When it was last found right by all of its bytes, since it is there as it is.
    pub fn verified(&self) -> Option<Timestamp> {
        let is_since = |read: &Timestamp| self.state == State::Present && *read >= self.since;
        self.read_back.filter(is_since)
    }

    /// Its place among what is to be read back: what is doubted first, then what never was read, then
    /// what was so for longest. None where it is not to be: not doubted, and neither there nor read
    /// back since before `read_before`, if that is given.
    pub fn place_in_reading_back(&self, read_before: Option<Timestamp>) -> Option<(u8, Timestamp)> {
        if self.is_doubted() {
            return Some((0, self.doubted?));
        }
        let before = read_before?;
        match self.read_back {
            _ if self.since >= before => None,
            None => Some((1, self.since)),
            Some(read) => (read < before).then_some((2, read)),
        }
    }

    /// A server reads it back: where it is *present* and wanted, and no other one does.
    pub fn take_to_read_back(
        &mut self,
        server: DistributionServerId,
        now: Timestamp,
        until: Timestamp,
    ) -> CloudStep {
        let is_free = self.lease.is_none_or(|lease| lease.server == server || lease.until <= now);
        let is_due = self.next_try.is_none_or(|next_try| next_try <= now);
        if self.state != State::Present || self.unwanted.is_some() || !is_free || !is_due {
            return CloudStep::Refused;
        }
        self.lease = Some(CloudLease { server, until });
        CloudStep::Done
    }

    /// A server goes on reading it back.
    pub fn keep_reading_back(
        &mut self,
        server: DistributionServerId,
        until: Timestamp,
    ) -> CloudStep {
        if !self.is_read_back_by(server) {
            return CloudStep::Refused;
        }
        self.lease = Some(CloudLease { server, until });
        CloudStep::Done
    }

    /// It was read back, or not.
    pub fn end_reading_back(
        &mut self,
        server: DistributionServerId,
        found: CloudReadBack<'_>,
        now: Timestamp,
    ) -> CloudStep {
        if !self.is_read_back_by(server) {
            return CloudStep::Refused;
        }
        self.lease = None;
        match found {
            CloudReadBack::Right => {
                (self.read_back, self.looked_at) = (Some(now), Some(now));
                (self.reason, self.next_try) = (None, None);
            }
            CloudReadBack::Wrong(reason) => {
                self.read_back = Some(now);
                return self.withdraw(reason, now);
            }
            CloudReadBack::Unread(reason, next_try) => {
                (self.reason, self.next_try) = (Some(clip(reason)), Some(next_try));
            }
            CloudReadBack::Left => {}
        }
        CloudStep::Done
    }

    fn is_read_back_by(&self, server: DistributionServerId) -> bool {
        self.state == State::Present
            && self.unwanted.is_none()
            && self.lease.is_some_and(|lease| lease.server == server)
    }
}
