//! Getting a content from the nearest place that has it.
//!
//! The places have their turn in the order in which the management server named them; what one has
//! sent stays when the next one goes on in the middle of the file (`Range` with `If-Range`: the
//! entity tag is the content id, the same everywhere). After a round over all of them comes a wait
//! that doubles, drawn at random. Everything is bounded: places, tries, waits, silence, size.
//!
//! The cloud distribution point is one place more, and is asked otherwise (`cloud`). Tickets and its
//! address end; fresh ones are asked for (`renew`).
//!
//! Only the digests over the whole file decide. When they disagree, the bytes are dropped, and a
//! place that sent all of them is not asked for this content again. When several had a hand in it,
//! nobody can tell who lied: from then on no place goes on with another's bytes, so that each is
//! judged by its own.

mod cloud;
mod error;
mod partial;
mod policy;
mod renew;
mod source;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_api::agent::{FetchAttempt, WRONG_BYTES};
use xylem_api::catalogue::Sources as Offered;
use xylem_client::{AgentClient, ClientError, ContentAnswer, ContentClient, ContentUrl};
use xylem_runtime::{Backoff, Environment};
use xylem_telemetry::chain;
use xylem_trust::Descriptor;

use crate::cache::{self, VerifiedFile};
use crate::content::Expected;
use crate::folder::{FolderError, failed};
use crate::progress::{Progress, ProgressSink};
use crate::session::Session;

pub use self::error::FetchError;
use self::error::Trouble;
use self::partial::Partial;
pub use self::policy::FetchPolicy;
use self::source::{Next, Sources, Way, retry_after};

/// What is always left free on the disk, in bytes: 100 MiB, so that the computer stays usable.
const RESERVE_BYTES: u64 = 100 << 20;

/// A source that sends less than this between two stall limits counts as stalled, in bytes: one
/// byte now and then must not keep an agent busy for days.
const LEAST_BYTES_PER_STALL: u64 = 64 << 10;

/// What a fetch works with.
pub(crate) struct Fetcher<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) session: &'a Session,
    pub(crate) content: &'a ContentClient,
    pub(crate) management: &'a AgentClient,
    pub(crate) policy: &'a FetchPolicy,
    pub(crate) progress: &'a ProgressSink,
}

impl Fetcher<'_> {
    /// Gets a content, and tells each try. `room_after` is how many bytes must be free beside it.
    pub(crate) async fn fetch(
        &self,
        descriptor: &Descriptor,
        offered: Offered,
        room_after: u64,
    ) -> (Result<VerifiedFile, FetchError>, Vec<FetchAttempt>) {
        let policy = self.policy;
        let mut run = Run {
            fetcher: self,
            descriptor,
            expected: Expected::from(descriptor),
            sources: Sources::new(offered, policy.tries_per_source, policy.tries),
            attempts: Vec::new(),
            suspects: Vec::new(),
            may_mix: true,
            renewals: 0,
            cloud_renewed: false,
        };
        let result = run.run(room_after).await;
        (result, run.attempts)
    }
}

/// One fetch.
struct Run<'a> {
    fetcher: &'a Fetcher<'a>,
    descriptor: &'a Descriptor,
    expected: Expected,
    sources: Sources,
    attempts: Vec<FetchAttempt>,
    /// Names of sources that had a hand in wrong bytes.
    suspects: Vec<String>,
    /// Whether a source may go on with the bytes of another.
    may_mix: bool,
    /// How often fresh tickets were had since the last bytes came.
    renewals: u32,
    /// Whether a fresh address of the cloud was, since then.
    cloud_renewed: bool,
}

impl Run<'_> {
    async fn run(&mut self, room_after: u64) -> Result<VerifiedFile, FetchError> {
        if let Some(file) = self.cached().await? {
            return Ok(file);
        }
        if self.sources.is_empty() {
            return Err(FetchError::NoSource);
        }
        let mut partial = Partial::open(self.fetcher.session, self.expected).await?;
        self.require_space(partial.len(), room_after).await?;
        let policy = self.fetcher.policy;
        let mut backoff = Backoff::new(policy.first_wait, policy.longest_wait);
        let mut asked_to_wait = Duration::ZERO;
        loop {
            if partial.is_complete() {
                if partial.is_right() {
                    return partial.keep().await?.ok_or(FetchError::FaultyDisk);
                }
                self.note_wrong_bytes(&partial)?;
                partial.restart().await?;
            }
            let index = match self.sources.next() {
                Next::Try(index) => index,
                Next::WaitThenTry(index) => {
                    let wait = backoff.next_wait(&*self.fetcher.environment.rng);
                    sleep(wait.max(asked_to_wait).min(policy.longest_wait)).await;
                    asked_to_wait = Duration::ZERO;
                    index
                }
                Next::NeedTickets if self.may_renew() && self.renew().await => continue,
                Next::NeedTickets | Next::Exhausted => return Err(self.verdict()),
            };
            let wait = self.attempt(index, &mut partial).await?;
            asked_to_wait = asked_to_wait.max(wait);
        }
    }

    async fn cached(&self) -> Result<Option<VerifiedFile>, FolderError> {
        let expected = self.expected;
        let now = self.fetcher.environment.clock.now();
        self.fetcher
            .session
            .run(move |fs, folder| {
                cache::note_use(fs, folder, expected.content, now)?;
                cache::open_verified(fs, folder, &expected)
            })
            .await
    }

    /// Size less what is there, plus the installation, plus the reserve.
    async fn require_space(&self, have: u64, room_after: u64) -> Result<(), FetchError> {
        let missing = self.expected.size.saturating_sub(have);
        let needed_bytes = missing.saturating_add(room_after).saturating_add(RESERVE_BYTES);
        let available_bytes = self
            .fetcher
            .session
            .run(|fs, folder| {
                let cache = folder.cache();
                fs.free_space(&cache).map_err(failed("measure the free space of", &cache))
            })
            .await?;
        if available_bytes < needed_bytes {
            return Err(FetchError::NoSpace { needed_bytes, available_bytes });
        }
        Ok(())
    }

    /// Tries one source. Returns how long it asks to stay away.
    async fn attempt(
        &mut self,
        index: usize,
        partial: &mut Partial,
    ) -> Result<Duration, FetchError> {
        if !self.may_mix && !partial.is_only_from(index) {
            partial.restart().await?;
        }
        self.renew_what_is_over(index).await;
        let began = Instant::now();
        let mut attempt = FetchAttempt {
            source: self.sources.name(index),
            from: partial.len(),
            bytes: 0,
            took_ms: 0,
            failure: None,
        };
        let outcome = self.transfer(index, partial, &mut attempt).await;
        // Whatever came is kept, also when the connection broke.
        partial.flush().await?;
        if attempt.bytes > 0 {
            (self.renewals, self.cloud_renewed) = (0, false);
        }
        attempt.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut wait = Duration::ZERO;
        if let Err(trouble) = outcome? {
            attempt.failure = Some(chain(&trouble).to_string());
            tracing::info!(
                dp.name = %attempt.source,
                package.name = %self.descriptor.name,
                size_bytes = attempt.bytes,
                reason = attempt.failure,
                "a source failed"
            );
            if let Trouble::Client(error) = &trouble {
                wait = retry_after(error).unwrap_or_default();
            }
            self.note_trouble(index, &trouble);
            self.renew_what_was_refused(index).await;
        }
        self.attempts.push(attempt);
        Ok(wait)
    }

    fn note_trouble(&mut self, index: usize, trouble: &Trouble) {
        let name = self.sources.name(index);
        let Some(source) = self.sources.get_mut(index) else { return };
        match trouble {
            Trouble::Client(error) => source.note_failure(error),
            Trouble::TooSlow(_) => {}
            Trouble::Roots(_) | Trouble::Tls(_) => source.give_up(),
            Trouble::OtherSize(_) | Trouble::Excess => {
                source.give_up();
                self.suspects.push(name);
            }
        }
    }

    /// Moves bytes until the end of the file or the first trouble. The outer error is our own
    /// disk's.
    async fn transfer(
        &mut self,
        index: usize,
        partial: &mut Partial,
        attempt: &mut FetchAttempt,
    ) -> Result<Result<(), Trouble>, FolderError> {
        let mut body = match self.open(index, partial.len()).await {
            Ok(answer) if answer.size != self.expected.size => {
                return Ok(Err(Trouble::OtherSize(answer.size)));
            }
            Ok(answer) => {
                if answer.offset != partial.len() {
                    // It sends the whole: `If-Range` did not hold, or it knows no ranges.
                    partial.restart().await?;
                    attempt.from = 0;
                }
                answer.body
            }
            Err(trouble) => return Ok(Err(trouble)),
        };
        let stall = self.fetcher.policy.stall;
        let (mut window, mut window_bytes) = (Instant::now(), 0_u64);
        loop {
            let piece = match body.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error.into())),
            };
            attempt.bytes = attempt.bytes.saturating_add(piece.len() as u64);
            if !partial.append(&piece, index).await? {
                return Ok(Err(Trouble::Excess));
            }
            (self.fetcher.progress)(Progress::Fetching {
                package: self.descriptor.name.clone(),
                source: attempt.source.clone(),
                bytes: partial.len(),
                total: self.expected.size,
            });
            window_bytes = window_bytes.saturating_add(piece.len() as u64);
            if window.elapsed() >= stall {
                if window_bytes < LEAST_BYTES_PER_STALL {
                    return Ok(Err(Trouble::TooSlow(stall)));
                }
                (window, window_bytes) = (Instant::now(), 0);
            }
        }
    }

    async fn open(&mut self, index: usize, offset: u64) -> Result<ContentAnswer, Trouble> {
        let Expected { content, size, .. } = self.expected;
        let fetcher = self.fetcher;
        let Some(source) = self.sources.get_mut(index) else {
            // The list of sources never shrinks.
            return Err(Trouble::TooSlow(Duration::ZERO));
        };
        match &mut source.way {
            Way::Server { address, auth } => {
                let ContentUrl { server, path } = address.clone().map_err(ClientError::Address)?;
                Ok(fetcher.content.fetch(&server, &path, &content, offset, auth).await?)
            }
            Way::Cloud(cloud) => cloud.open(fetcher, size, offset).await,
        }
    }

    /// All bytes are there, and they are wrong.
    fn note_wrong_bytes(&mut self, partial: &Partial) -> Result<(), FetchError> {
        if let Some(last) = self.attempts.last_mut() {
            last.failure = Some(format!("{WRONG_BYTES}: digests disagree"));
        }
        let senders = partial.senders().iter().map(|index| self.sources.name(*index));
        self.suspects.extend(senders);
        tracing::warn!(
            package.name = %self.descriptor.name,
            package.digest = %self.expected.content,
            dp.name = %self.suspects.join(", "),
            "wrong bytes were received and dropped"
        );
        match partial.only_sender() {
            Some(index) => {
                if let Some(source) = self.sources.get_mut(index) {
                    source.give_up();
                }
            }
            None => self.may_mix = false,
        }
        // An empty file that should not be: no source can mend that.
        if self.expected.size == 0 { Err(self.verdict()) } else { Ok(()) }
    }

    fn verdict(&mut self) -> FetchError {
        let mut sources = std::mem::take(&mut self.suspects);
        sources.sort();
        sources.dedup();
        if !sources.is_empty() {
            return FetchError::WrongBytes { sources };
        }
        match self.attempts.iter().rev().find_map(|attempt| {
            let failure = attempt.failure.as_ref()?;
            Some(format!("{}: {failure}", attempt.source))
        }) {
            Some(last) => FetchError::AllFailed { tries: self.attempts.len(), last },
            None => FetchError::NoSource,
        }
    }
}
