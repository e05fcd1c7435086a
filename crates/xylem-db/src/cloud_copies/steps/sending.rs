//! What a server does that sends a content: it has a lease, and without it nothing is done.

use std::num::NonZeroU64;

use xylem_model::{DistributionServerId, Timestamp};

use super::CloudStep;
use crate::cloud_copies::record::{CloudCopy, CloudCopyState as State, CloudLease};
use crate::convert::clip;

impl CloudCopy {
    /// A server begins it or goes on with it: from *wanted* and *failed* to *sending*.
    pub fn take(
        &mut self,
        server: DistributionServerId,
        now: Timestamp,
        until: Timestamp,
    ) -> CloudStep {
        if !self.can_be_taken_by(server, now) {
            return CloudStep::Refused;
        }
        if matches!(self.state, State::Wanted | State::Failed) {
            self.enter(State::Sending, now);
            self.next_try = None;
        }
        self.lease = Some(CloudLease { server, until });
        CloudStep::Done
    }

    /// A server goes on with what it works on.
    pub fn keep(&mut self, server: DistributionServerId, until: Timestamp) -> CloudStep {
        if !self.is_worked_on_by(server) {
            return CloudStep::Refused;
        }
        self.lease = Some(CloudLease { server, until });
        CloudStep::Done
    }

    /// It was begun at the provider. The caller has seen that no part arrived.
    pub fn begin(
        &mut self,
        server: DistributionServerId,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> CloudStep {
        if !self.is_sent_by(server) {
            return CloudStep::Refused;
        }
        self.part_bytes = part_bytes;
        self.reference = reference.map(str::to_owned);
        CloudStep::Done
    }

    /// Requests were signed that can write other bytes there until then.
    pub fn sign(&mut self, server: DistributionServerId, until: Timestamp) -> CloudStep {
        if !self.is_sent_by(server) {
            return CloudStep::Refused;
        }
        self.unbound_until = self.unbound_until.max(Some(until));
        CloudStep::Done
    }

    /// Parts of it arrived, in the place of others that had so many bytes.
    pub fn arrive(
        &mut self,
        server: DistributionServerId,
        bytes: u64,
        replaced_bytes: u64,
    ) -> CloudStep {
        if !self.is_sent_by(server) {
            return CloudStep::Refused;
        }
        self.arrived = self.arrived.saturating_sub(replaced_bytes).saturating_add(bytes);
        CloudStep::Done
    }

    /// All of it arrived: from *sending* to *proving*, where it may be already.
    pub fn prove(&mut self, server: DistributionServerId) -> CloudStep {
        if self.is_sent_by(server) {
            self.state = State::Proving;
        }
        CloudStep::done_if(self.is_worked_on_by(server))
    }

    /// It is there and proved: from *proving* to *present*. Its parts are to be forgotten.
    pub fn finish(
        &mut self,
        server: DistributionServerId,
        etag: Option<&str>,
        now: Timestamp,
    ) -> CloudStep {
        if !self.is_worked_on_by(server) || self.state != State::Proving {
            return CloudStep::Refused;
        }
        self.enter(State::Present, now);
        self.etag = etag.map(str::to_owned);
        self.arrived = self.size;
        self.lease = None;
        self.tries = 0;
        self.reason = None;
        self.looked_at = Some(now);
        CloudStep::Done
    }

    /// It did not succeed: from *sending* or *proving* to *failed*. Where it is begun `anew`, its
    /// parts are to be forgotten.
    pub fn fail(
        &mut self,
        server: DistributionServerId,
        reason: &str,
        anew: bool,
        now: Timestamp,
        next_try: Option<Timestamp>,
    ) -> CloudStep {
        if !self.is_worked_on_by(server) {
            return CloudStep::Refused;
        }
        self.enter(State::Failed, now);
        self.lease = None;
        self.tries = self.tries.saturating_add(1);
        self.reason = Some(clip(reason));
        self.next_try = next_try;
        if anew {
            self.forget_upload();
        }
        CloudStep::Done
    }

    /// A server does not go on with it.
    pub fn release(&mut self, server: DistributionServerId) -> CloudStep {
        if !self.is_worked_on_by(server) {
            return CloudStep::Refused;
        }
        self.lease = None;
        CloudStep::Done
    }

    fn is_sent_by(&self, server: DistributionServerId) -> bool {
        self.is_worked_on_by(server) && self.state == State::Sending
    }
}
