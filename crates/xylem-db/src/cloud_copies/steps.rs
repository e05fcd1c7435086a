//! How a content goes from one state to the next (`docs/design/cloud.md`, "States of one content").
//!
//! Pure: the database does these steps on a row that it has locked, its twin in memory on what it
//! keeps, so both decide alike. Each step names the states that it begins in and changes nothing
//! elsewhere.
//!
//! Here is what is wanted, kept and removed; [`sending`] is what a server does that sends it,
//! [`reading_back`] what one does that reads it back, [`deleting`] what goes before and after a deletion.

mod deleting;
mod reading_back;
mod sending;

use xylem_model::{DistributionServerId, Timestamp};
use xylem_sync::{Class, SMALL_BYTES};

use super::record::{CloudCopy, CloudCopyState as State, CloudWant};
use crate::convert::clip;

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum CloudStep {
    /// It does not begin in this state, or is another server's: nothing was changed.
    Refused,
    /// It was done.
    Done,
    /// It was done, and nothing is left to be remembered.
    Forgotten,
}

impl CloudStep {
    /// Whether it was done.
    pub fn is_done(self) -> bool {
        self != Self::Refused
    }

    fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::Refused }
    }
}

impl CloudCopy {
    /// A content that is wanted, and of which nothing is there.
    pub fn of_want(want: &CloudWant, now: Timestamp) -> Self {
        Self {
            content: want.content,
            size: want.size,
            sha256: want.sha256,
            name: want.name.clone(),
            priority: want.priority,
            state: State::Wanted,
            since: now,
            reference: None,
            part_bytes: None,
            arrived: 0,
            etag: None,
            lease: None,
            tries: 0,
            reason: None,
            next_try: None,
            unwanted: None,
            looked_at: None,
            unbound_until: None,
            upload_until: None,
            not_before: None,
            doubted: None,
            read_back: None,
        }
    }

    /// Whether it was proved, and is not about to be removed.
    pub fn is_there(&self) -> bool {
        self.state == State::Present && self.unwanted.is_none()
    }

    /// Whether an upload that is not committed wants it there.
    pub fn is_wanted_by_upload(&self, now: Timestamp) -> bool {
        self.upload_until.is_some_and(|until| until > now)
    }

    /// Whether it is at the provider as far as is known: it was proved. Not every provider tags what it
    /// has, but all of it was looked at.
    pub fn was_there(&self) -> bool {
        match self.state {
            State::Present => true,
            State::Removing => self.etag.is_some() || self.looked_at.is_some(),
            State::Wanted | State::Sending | State::Proving | State::Failed => false,
        }
    }

    /// Whether an upload of it was begun at the provider, and neither ended nor aborted.
    pub fn has_upload(&self) -> bool {
        let is_begun = self.reference.is_some() || self.part_bytes.is_some();
        is_begun && self.state != State::Wanted && !self.was_there()
    }

    /// When it goes among others.
    pub fn class(&self) -> Class {
        Class::of(self.priority, self.size)
    }

    /// Whether one at a time of its class is sent.
    pub fn is_large(&self) -> bool {
        self.size > SMALL_BYTES
    }

    /// Whether a server has the lease of it and goes on with it.
    pub fn is_worked_on_by(&self, server: DistributionServerId) -> bool {
        self.unwanted.is_none()
            && matches!(self.state, State::Sending | State::Proving)
            && self.lease.is_some_and(|lease| lease.server == server)
    }

    /// Whether a server may begin it, or go on with it: it works on it already, or nobody does.
    pub fn can_be_taken_by(&self, server: DistributionServerId, now: Timestamp) -> bool {
        let is_free = self.lease.is_none_or(|lease| lease.until <= now);
        let is_due = match self.state {
            State::Wanted | State::Sending | State::Proving => true,
            State::Failed => self.next_try.is_some_and(|next_try| next_try <= now),
            State::Present | State::Removing => false,
        };
        let is_open = self.unwanted.is_none() && is_free && is_due;
        self.may_be_written(now) && (self.is_worked_on_by(server) || is_open)
    }

    /// It is wanted, whatever it was. What is *removing* stays so until it is gone. Since the catalogue
    /// names it, it needs no upload any more that wants it.
    pub fn want(&mut self, want: &CloudWant) -> CloudStep {
        let is_news = self.unwanted.is_some()
            || self.upload_until.is_some()
            || (&self.name, self.priority) != (&want.name, want.priority);
        self.unwanted = None;
        self.upload_until = None;
        self.name.clone_from(&want.name);
        // Both follow from the content. Of what was in no row they were not known.
        (self.size, self.sha256) = (want.size, want.sha256);
        self.priority = want.priority;
        CloudStep::done_if(is_news)
    }

    /// An upload that is not committed wants it there until then. What failed is due, where no upload
    /// waited for it before.
    pub fn want_for_upload(
        &mut self,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> CloudStep {
        if self.unwanted.is_some() {
            // What the catalogue names keeps its name from there.
            let _ = self.want(want);
        }
        if self.state == State::Failed && !self.is_wanted_by_upload(now) {
            self.next_try = self.next_try.map(|next_try| next_try.min(now));
        }
        self.upload_until = self.upload_until.max(Some(until));
        CloudStep::Done
    }

    /// It is wanted no longer. What is *present* stays until its grace is over, what an upload wants
    /// until that ends.
    pub fn unwant(&mut self, now: Timestamp) -> CloudStep {
        if self.is_wanted_by_upload(now) {
            return CloudStep::Refused;
        }
        match self.state {
            State::Wanted => return CloudStep::Forgotten,
            _ if self.unwanted.is_some() => return CloudStep::Refused,
            State::Sending | State::Proving | State::Failed => self.begin_removing(now),
            State::Present | State::Removing => {}
        }
        self.upload_until = None;
        self.unwanted = Some(now);
        CloudStep::Done
    }

    /// What was *present* is not, or is not as it was: *wanted* anew. What is wanted no longer is
    /// forgotten instead.
    pub fn lose(&mut self, reason: &str, now: Timestamp) -> CloudStep {
        if self.state != State::Present {
            return CloudStep::Refused;
        }
        let step = self.begin_anew(now);
        self.reason = Some(clip(reason));
        step
    }

    /// What is *present* is another than was sent: *removing* from now on, and *wanted* anew once it
    /// is gone.
    pub fn withdraw(&mut self, reason: &str, now: Timestamp) -> CloudStep {
        if self.state != State::Present {
            return CloudStep::Refused;
        }
        self.begin_removing(now);
        self.reason = Some(clip(reason));
        CloudStep::Done
    }

    /// It is as it is to be.
    pub fn look_at(&mut self, now: Timestamp) -> CloudStep {
        if self.state != State::Present {
            return CloudStep::Refused;
        }
        self.looked_at = Some(now);
        CloudStep::Done
    }

    /// It was asked after when nothing could write other bytes there any more: it is *present*, and that
    /// moment has passed. It is as it is to be; or nothing could be concluded, and it is asked after
    /// `again` then.
    pub fn settle(&mut self, now: Timestamp, again: Option<Timestamp>) -> CloudStep {
        if !self.is_to_be_settled(now) {
            return CloudStep::Refused;
        }
        self.unbound_until = again;
        if again.is_none() {
            self.looked_at = Some(now);
        }
        CloudStep::Done
    }

    /// Whether it is *present*, and to be asked after once more.
    pub fn is_to_be_settled(&self, now: Timestamp) -> bool {
        self.state == State::Present && self.unbound_until.is_some_and(|until| until <= now)
    }

    /// Its grace is over: from *present* to *removing*, where it is unwanted since before then.
    pub fn remove(&mut self, unwanted_before: Timestamp, now: Timestamp) -> CloudStep {
        let is_over = self.unwanted.is_some_and(|since| since < unwanted_before);
        if self.state != State::Present || !is_over {
            return CloudStep::Refused;
        }
        self.begin_removing(now);
        CloudStep::Done
    }

    /// What was *removing* is gone: forgotten, or *wanted* where it is wanted again. Not while a deletion
    /// may still arrive.
    pub fn end_removing(&mut self, now: Timestamp) -> CloudStep {
        if self.state != State::Removing || !self.may_be_written(now) {
            return CloudStep::Refused;
        }
        // Why it had to go, for whoever looks at it.
        let reason = self.reason.take();
        let step = self.begin_anew(now);
        self.reason = reason;
        step
    }

    fn enter(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.since = now;
    }

    /// What the provider was told of the upload stays: it is needed to end it.
    fn begin_removing(&mut self, now: Timestamp) {
        self.enter(State::Removing, now);
        self.lease = None;
        self.next_try = None;
    }

    /// Nothing of it is there. When it was doubted and read back stays: both are done once a day.
    fn begin_anew(&mut self, now: Timestamp) -> CloudStep {
        if self.unwanted.is_some() {
            return CloudStep::Forgotten;
        }
        self.enter(State::Wanted, now);
        self.forget_upload();
        self.etag = None;
        self.lease = None;
        self.tries = 0;
        self.reason = None;
        self.next_try = None;
        self.looked_at = None;
        CloudStep::Done
    }

    fn forget_upload(&mut self) {
        self.reference = None;
        self.part_bytes = None;
        self.arrived = 0;
    }
}
