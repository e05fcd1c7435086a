//! One check-in: say what this computer is, hear what to do, do it.

use std::time::Duration;

use serde::Serialize;
use xylem_api::agent::{CheckIn, CheckInAnswer, OrderReport};
use xylem_api::catalogue::Sources;
use xylem_client::believing;
use xylem_install::InstallReport;
use xylem_model::{FileName, OrderId};
use xylem_runtime::Shutdown;
use xylem_trust::{Document, Envelope, Orders, TrustDocument, TrustStore};

use crate::agent::Agent;
use crate::error::AgentError;
use crate::folder::{FolderError, require_json, write_json};
use crate::order::OrderRun;
use crate::progress::ProgressSink;
use crate::session::Session;
use crate::target::Target;
use crate::{cache, facts, ledger, outbox};

/// Most orders carried out in one check-in; the rest waits for the next one.
const MAX_ORDERS: usize = 256;

/// Bounds of how soon the management server may call the agent back.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a check-in brought.
#[derive(Debug, Clone, Serialize)]
pub struct CheckInOutcome {
    /// Orders carried out now, oldest first.
    pub orders: Vec<OrderOutcome>,
    /// Reports that the management server has not taken yet.
    pub reports_waiting: usize,
    /// When the management server wants to hear from this computer again.
    #[serde(rename = "next_check_in_seconds", serialize_with = "as_seconds")]
    pub next_check_in: Duration,
}

impl CheckInOutcome {
    const fn nothing(next_check_in: Duration) -> Self {
        Self { orders: Vec::new(), reports_waiting: 0, next_check_in }
    }
}

/// An answer of the management server that may be followed.
struct Asked {
    trust: TrustStore,
    orders: Orders,
    sources: Vec<Sources>,
    next_check_in: Duration,
}

/// What came of one order.
#[derive(Debug, Clone, Serialize)]
pub struct OrderOutcome {
    /// The order.
    pub order: OrderId,
    /// The package; unknown when its description was not believed.
    pub package: Option<FileName>,
    /// The result word, such as `installed` or `hash-mismatch`.
    pub result: String,
    /// A sentence for a person.
    pub message: String,
    /// Files put in place.
    pub files: u64,
    /// Bytes that were received over the network.
    pub bytes: u64,
    /// The distribution server that sent the last of them; none when they were there already.
    pub source: Option<String>,
    /// Scripts that the package carries and that were not run.
    pub scripts_not_run: Vec<String>,
    /// What the administrator should know although the installation succeeded.
    pub warnings: Vec<String>,
}

impl OrderOutcome {
    pub(crate) fn new(
        order: OrderId,
        package: Option<FileName>,
        report: &OrderReport,
        installed: Option<&InstallReport>,
    ) -> Self {
        let components = installed.map(|report| report.components.as_slice()).unwrap_or_default();
        Self {
            order,
            package,
            result: report.result.clone(),
            message: report.message.clone(),
            files: components.iter().map(|component| component.files).sum(),
            bytes: report.attempts.iter().map(|attempt| attempt.bytes).sum(),
            source: report.attempts.last().map(|attempt| attempt.source.clone()),
            scripts_not_run: components
                .iter()
                .flat_map(|component| component.scripts_not_run.iter().cloned())
                .collect(),
            warnings: installed.map(|report| report.warnings.clone()).unwrap_or_default(),
        }
    }

    /// Whether the package is in place.
    pub fn is_success(&self) -> bool {
        self.result == "installed"
    }
}

fn as_seconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(span.as_secs())
}

impl Agent {
    /// Checks in and carries out what is ordered. Orders that fail are reported and told in the
    /// outcome; they do not stop the others.
    ///
    /// May be dropped at any await, and the process killed at any point.
    ///
    /// # Errors
    /// When the management server is out of reach or not believed, or the data folder cannot be
    /// used. Nothing of its answer was followed then.
    pub async fn check_in(
        &self,
        target: &Target,
        progress: &ProgressSink,
    ) -> Result<CheckInOutcome, AgentError> {
        self.check_in_until(target, progress, &Shutdown::new()).await
    }

    /// Like [`check_in`](Self::check_in), but begins nothing new once `shutdown` has begun. An
    /// installation under way is waited for.
    pub(crate) async fn check_in_until(
        &self,
        target: &Target,
        progress: &ProgressSink,
        shutdown: &Shutdown,
    ) -> Result<CheckInOutcome, AgentError> {
        let session = self.begin_session().await?;
        // Nothing up to here changes the target, so it may be dropped anywhere.
        let asked = tokio::select! {
            asked = self.ask(&session, target) => asked?,
            () = shutdown.begun() => return Ok(CheckInOutcome::nothing(SOONEST)),
        };
        let run = OrderRun {
            agent: self,
            session: &session,
            trust: &asked.trust,
            target,
            sources: &asked.sources,
            progress,
            shutdown,
        };
        let mut outcome = CheckInOutcome::nothing(asked.next_check_in);
        for order in asked.orders.orders.iter().take(MAX_ORDERS) {
            if shutdown.has_begun() {
                break;
            }
            if let Some(done) = run.carry_out(order).await? {
                log_outcome(&done);
                outcome.orders.push(done);
                self.deliver(&session, shutdown).await?;
            }
        }
        outcome.reports_waiting = self.deliver(&session, shutdown).await?;
        let now = self.environment().clock.now();
        session.run(move |fs, folder| cache::prune(fs, folder, cache::KEPT_BYTES, now)).await?;
        Ok(outcome)
    }

    /// Everything before the first order: mends what a crash left, renews the certificate, hands in
    /// reports, and gets orders that may be followed.
    async fn ask(&self, session: &Session, target: &Target) -> Result<Asked, AgentError> {
        let now = self.environment().clock.now();
        session
            .run(move |fs, folder| {
                ledger::settle(fs, folder)?;
                folder.sweep_work(now)
            })
            .await?;
        self.renew_certificate(session).await?;
        outbox::deliver(session, self.management()).await?;
        let mut answer = self.say_hello(target).await?;
        if let Some(told) = &answer.authorities
            && self.follow_authorities(session, told).await?
        {
            // Others wait to hear that this computer has followed.
            answer = self.say_hello(target).await?;
        }
        let trust = self.advance_trust(session, answer.trust).await?;
        let orders = self.open_orders(session, &trust, &answer.orders).await?;
        let next = Duration::from_secs(answer.next_check_in_seconds);
        Ok(Asked {
            trust,
            orders,
            sources: answer.sources,
            next_check_in: next.clamp(SOONEST, LATEST),
        })
    }

    /// Hands in reports. Returns how many are left, also when it is told to stop on the way.
    async fn deliver(&self, session: &Session, shutdown: &Shutdown) -> Result<usize, FolderError> {
        tokio::select! {
            left = outbox::deliver(session, self.management()) => left,
            () = shutdown.begun() => {
                Ok(session.run(|fs, folder| ledger::waiting(fs, folder)).await?.len())
            }
        }
    }

    async fn say_hello(&self, target: &Target) -> Result<CheckInAnswer, AgentError> {
        let facts = self.check_in_facts(target).await;
        self.management()
            .check_in(&facts)
            .await
            .map_err(|source| AgentError::CheckIn { server: self.server().clone(), source })
    }

    async fn check_in_facts(&self, target: &Target) -> CheckIn {
        let root = target.root().to_owned();
        let (anchors, identity) = (self.anchors().clone(), self.identity().clone());
        self.environment()
            .disk
            .run(move |fs| CheckIn {
                program_version: env!("CARGO_PKG_VERSION").to_owned(),
                os: facts::operating_system(Some(&root)),
                architecture: facts::architecture().to_owned(),
                free_bytes: fs.free_space(&root).unwrap_or(0),
                believing: Some(believing(&anchors, &identity)),
            })
            .await
    }

    /// The trust document on the disk.
    pub(crate) async fn load_trust(&self, session: &Session) -> Result<TrustStore, AgentError> {
        let envelope: Envelope =
            session.run(|fs, folder| require_json(fs, &folder.trust())).await?;
        TrustStore::pin(envelope)
            .map_err(|source| AgentError::Trust { what: TrustDocument::TYPE, source })
    }

    /// Takes the next trust document, where there is one, and keeps it before it counts.
    async fn advance_trust(
        &self,
        session: &Session,
        offered: Envelope,
    ) -> Result<TrustStore, AgentError> {
        let mut trust = self.load_trust(session).await?;
        let version = trust.document().version;
        trust
            .advance(offered, self.environment().clock.now())
            .map_err(|source| AgentError::Trust { what: TrustDocument::TYPE, source })?;
        if trust.document().version != version {
            let envelope = trust.envelope().clone();
            session.run(move |fs, folder| write_json(fs, &folder.trust(), &envelope)).await?;
            tracing::info!(version = trust.document().version, "trust document taken");
        }
        Ok(trust)
    }

    /// Opens the orders, and notes how new they are before the first is followed.
    async fn open_orders(
        &self,
        session: &Session,
        trust: &TrustStore,
        envelope: &Envelope,
    ) -> Result<Orders, AgentError> {
        let state = session.run(|fs, folder| ledger::load(fs, folder)).await?;
        let window = |orders: &Orders| (orders.stamp, orders.issued, orders.expires);
        let now = self.environment().clock.now();
        let orders: Orders = trust
            .open_stamped(envelope, window, state.orders_seen, now)
            .map_err(|source| AgentError::Trust { what: Orders::TYPE, source })?;
        if orders.computer != self.computer() {
            let (ours, found) = (self.computer(), orders.computer);
            return Err(AgentError::ForeignOrders { ours, found });
        }
        if state.orders_seen != Some(orders.stamp) {
            let stamp = orders.stamp;
            session.run(move |fs, folder| ledger::note_orders_seen(fs, folder, stamp)).await?;
        }
        Ok(orders)
    }
}

fn log_outcome(outcome: &OrderOutcome) {
    let package = outcome.package.as_ref().map(FileName::as_str).unwrap_or_default();
    if outcome.is_success() {
        tracing::info!(
            order.id = %outcome.order,
            package.name = package,
            dp.name = outcome.source,
            size_bytes = outcome.bytes,
            "installed"
        );
    } else {
        tracing::warn!(
            order.id = %outcome.order,
            package.name = package,
            result = outcome.result,
            "not installed: {}",
            outcome.message
        );
    }
}
