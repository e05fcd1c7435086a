//! The parts of one content: which are to be begun, which are under way, what was answered.
//!
//! A part is under way while it has a [`Slot`]: from the reading for its digests until the provider
//! has answered. What is to be sent once more waits without one, and no more of those are let wait
//! than may be under way: so memory does not grow with the number of parts.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use xylem_api::control_cloud::{
    AnsweredPart, HandedOn, MAX_PARTS_TOLD, PartDigests, PieceRequest, SignedPieces, TellCloudParts,
};
use xylem_blobs::BlobError;
use xylem_client::CloudClient;
use xylem_cloud::Part;
use xylem_runtime::Backoff;

use super::lacking::Lacking;
use super::link::Stop;
use super::piece;
use super::send::{Unsent, Whole, send};
use super::slots::{MAX_AT_ONCE, Slot};
use crate::node::Node;

/// First and longest wait before a part is sent again that got no answer.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5 * 60));

/// How often a part is sent without getting an answer before the content is given up: that takes
/// some two minutes.
const MAX_UNANSWERED: u32 = 8;

/// The longest that a part waits because the management server says so. Then it is asked for anew.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// All parts of one content.
pub(super) struct Parts {
    node: Arc<Node>,
    client: CloudClient,
    whole: Whole,
    lacking: Lacking,
    under_way: JoinSet<Event>,
    /// What is read, and waits for a request.
    ready: Vec<(Slot, ReadPart)>,
    answered: Vec<(ReadPart, HandedOn)>,
    /// What is to be sent once more, and when.
    again: Vec<(Instant, ReadPart)>,
}

/// A part whose digests are known.
#[derive(Debug, Clone)]
pub(super) struct ReadPart {
    part: Part,
    digests: PartDigests,
    /// Counts how often it got no answer.
    backoff: Backoff,
}

/// What becomes of a part.
pub(super) enum Event {
    Read(Slot, Part, Result<PartDigests, BlobError>),
    Sent(ReadPart, Result<HandedOn, Unsent>),
}

impl Parts {
    pub(super) fn new(
        node: Arc<Node>,
        client: CloudClient,
        whole: Whole,
        lacking: Lacking,
    ) -> Self {
        Self {
            node,
            client,
            whole,
            lacking,
            under_way: JoinSet::new(),
            ready: Vec::new(),
            answered: Vec::new(),
            again: Vec::new(),
        }
    }

    /// Whether all were sent, and what was answered is told.
    pub(super) fn are_over(&self) -> bool {
        self.lacking.is_empty()
            && self.under_way.is_empty()
            && self.ready.is_empty()
            && self.answered.is_empty()
            && self.again.is_empty()
    }

    /// Whether there is something to say to the management server.
    pub(super) fn has_news(&self) -> bool {
        !self.ready.is_empty() || !self.answered.is_empty()
    }

    /// Whether a part can be begun once a slot is free.
    pub(super) fn may_begin(&self, now: Instant) -> bool {
        let is_room = self.again.len() < MAX_AT_ONCE as usize;
        self.again.iter().any(|(at, _)| *at <= now) || (is_room && !self.lacking.is_empty())
    }

    /// When the next part is due that waits.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.again.iter().map(|(at, _)| *at).filter(|at| *at > now).min()
    }

    /// Begins a part: one that waited, or else the next one.
    pub(super) fn begin(&mut self, slot: Slot, now: Instant) {
        if let Some(due) = self.again.iter().position(|(at, _)| *at <= now) {
            let (_, read) = self.again.swap_remove(due);
            self.ready.push((slot, read));
            return;
        }
        let Some(part) = self.lacking.next() else { return };
        let (node, content) = (Arc::clone(&self.node), self.whole.content);
        self.under_way.spawn(async move {
            let digests = piece::digests(&node.repository, &node.frames, content, part).await;
            Event::Read(slot, part, digests)
        });
    }

    /// What happens next; none where nothing is under way.
    pub(super) async fn event(&mut self) -> Option<Result<Event, Stop>> {
        let event = self.under_way.join_next().await?;
        Some(event.map_err(|error| {
            tracing::error!(%error, "a part on its way into the cloud was lost");
            Stop::Stale
        }))
    }

    /// Notes what happened.
    ///
    /// # Errors
    /// When the copy cannot be read, or the provider does not answer.
    pub(super) fn note(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Read(slot, part, digests) => {
                let digests = digests.map_err(Stop::Copy)?;
                let backoff = Backoff::new(AGAIN.0, AGAIN.1);
                self.ready.push((slot, ReadPart { part, digests, backoff }));
                Ok(())
            }
            Event::Sent(mut read, Ok(answer)) => {
                read.backoff.reset();
                self.answered.push((read, answer));
                Ok(())
            }
            Event::Sent(_, Err(Unsent::Copy(error))) => Err(Stop::Copy(error)),
            Event::Sent(read, Err(Unsent::Line { why, may_pass })) => {
                self.unanswered(read, why, may_pass)
            }
        }
    }

    fn unanswered(&mut self, mut read: ReadPart, why: String, may_pass: bool) -> Result<(), Stop> {
        let wait = read.backoff.next_wait(&*self.node.environment.rng).max(AGAIN.0);
        if !may_pass || read.backoff.failures() >= MAX_UNANSWERED {
            return Err(Stop::Line(why));
        }
        tracing::debug!(
            package.digest = %self.whole.content, part = read.part.number, error = %why,
            "a part on its way into the cloud got no answer"
        );
        self.again.push((Instant::now() + wait, read));
        Ok(())
    }

    /// What there is to say. It stays to be said until [`accept`](Self::accept).
    pub(super) fn told(&self) -> TellCloudParts {
        let answered = self
            .answered
            .iter()
            .take(MAX_PARTS_TOLD)
            .map(|(read, answer)| AnsweredPart { part: read.digests, answer: answer.clone() });
        let next = self.ready.iter().take(MAX_PARTS_TOLD).map(|(_, read)| read.digests);
        let (point, content) = (self.whole.point, self.whole.content);
        TellCloudParts { point, content, answered: answered.collect(), next: next.collect() }
    }

    /// Takes the answer to what was told: sends what is signed, and lets wait what is to be sent
    /// once more. What is neither has arrived.
    pub(super) fn accept(&mut self, told: &TellCloudParts, signed: SignedPieces) {
        let now = Instant::now();
        for (read, _) in self.answered.drain(..told.answered.len()) {
            let number = read.part.number;
            if let Some(again) = signed.again.iter().find(|again| again.number == number) {
                let wait = Duration::from_millis(again.after_ms).min(LONGEST_WAIT);
                self.again.push((now + wait, read));
            }
        }
        let mut asked: Vec<_> = self.ready.drain(..told.next.len()).collect();
        for piece in signed.pieces {
            if let Some(at) = asked.iter().position(|(_, it)| it.part.number == piece.number) {
                let (slot, read) = asked.swap_remove(at);
                self.send(slot, read, piece.request);
            }
        }
    }

    /// Lets what the provider turned down be sent once more, after it was told and got no answer that
    /// counts. Told twice, it might count twice towards giving the content up. What arrived stays to
    /// be said.
    pub(super) fn retract_refusals(&mut self, told: &TellCloudParts) {
        let again_at = Instant::now() + AGAIN.0;
        let untold = self.answered.split_off(told.answered.len());
        for (read, answer) in std::mem::replace(&mut self.answered, untold) {
            if (200..300).contains(&answer.status) {
                self.answered.push((read, answer));
            } else {
                self.again.push((again_at, read));
            }
        }
    }

    fn send(&mut self, slot: Slot, read: ReadPart, request: PieceRequest) {
        let (node, client, whole) = (Arc::clone(&self.node), self.client.clone(), self.whole);
        self.under_way.spawn(async move {
            let sent = send(&node, &client, whole, read.part, request).await;
            drop(slot);
            Event::Sent(read, sent)
        });
    }

    /// Ends all that is under way. What is read and not looked at yet goes too: it has a slot, which
    /// others wait for.
    pub(super) fn abandon(&mut self) {
        self.under_way = JoinSet::new();
        self.ready.clear();
    }
}
