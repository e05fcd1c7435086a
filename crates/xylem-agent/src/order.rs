//! Carrying out one order: find, fetch, verify, install, note.

use std::fs::File;

use xylem_api::agent::{FetchAttempt, OrderReport};
use xylem_api::catalogue::Sources;
use xylem_install::{InstallError, InstallReport, InstallRequest};
use xylem_model::{FileKind, FileName, OrderId, Timestamp};
use xylem_runtime::Shutdown;
use xylem_telemetry::chain;
use xylem_trust::{Descriptor, DescriptorId, Order, OrderAction, TrustStore};

use crate::agent::Agent;
use crate::cache::VerifiedFile;
use crate::check_in::OrderOutcome;
use crate::folder::FolderError;
use crate::ledger::{self, Record};
use crate::progress::{Progress, ProgressSink};
use crate::session::Session;
use crate::target::Target;

/// Lines of the installer's log, and warnings, that a report carries.
const MAX_REPORT_LINES: usize = 200;

/// What every order of one check-in needs.
pub(crate) struct OrderRun<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) session: &'a Session,
    pub(crate) trust: &'a TrustStore,
    pub(crate) target: &'a Target,
    pub(crate) sources: &'a [Sources],
    pub(crate) progress: &'a ProgressSink,
    pub(crate) shutdown: &'a Shutdown,
}

/// Why an order ends before anything was fetched.
struct Refusal {
    result: &'static str,
    message: String,
}

impl OrderRun<'_> {
    /// Carries an order out, unless it was before. `None` when there was nothing to do, or the
    /// program was told to stop: then the order goes on next time.
    pub(crate) async fn carry_out(
        &self,
        order: &Order,
    ) -> Result<Option<OrderOutcome>, FolderError> {
        let id = order.id;
        let known = self.session.run(move |fs, folder| ledger::load(fs, folder)).await?;
        match known.orders.get(&id) {
            Some(record @ Record::Finished { .. }) => {
                self.report_again(id, record.clone()).await?;
                Ok(None)
            }
            Some(Record::Installing { since }) if !self.target.is_repeatable() => {
                let message = format!(
                    "the agent was stopped while installing on {since}; whether the package was \
                     installed is not known. Look at the receipts and give the order again if \
                     needed"
                );
                let refusal = Refusal { result: "unknown", message };
                self.refuse(id, None, refusal, *since).await.map(Some)
            }
            _ => self.work(order).await,
        }
    }

    async fn work(&self, order: &Order) -> Result<Option<OrderOutcome>, FolderError> {
        let started_at = self.now();
        let (descriptor, offered) = match self.find(order) {
            Ok(found) => found,
            Err(refusal) => {
                return self.refuse(order.id, None, refusal, started_at).await.map(Some);
            }
        };
        // How large the installed package is only the package itself tells; it will hardly be
        // smaller than its packed form.
        let shared = self.target.shares_disk_with(&self.agent.folder().cache());
        let room_after = if shared { descriptor.size } else { 0 };
        let fetcher = self.agent.fetcher(self.session, self.progress);
        let (fetched, attempts) = tokio::select! {
            done = fetcher.fetch(&descriptor, offered, room_after) => done,
            () = self.shutdown.begun() => return Ok(None),
        };
        let job = Job { order: order.id, name: descriptor.name, started_at, attempts };
        match fetched {
            Ok(file) => self.install(job, file).await.map(Some),
            Err(error) => {
                let message = chain(&error).to_string();
                let refusal = Refusal { result: error.result_word(), message };
                self.finish(job, refusal).await.map(Some)
            }
        }
    }

    /// The signed descriptor that the order names, and where its content can be had.
    fn find(&self, order: &Order) -> Result<(Descriptor, Sources), Refusal> {
        let OrderAction::Install = order.action;
        let untrusted = |message: String| Refusal { result: "untrusted", message };
        let sources = self
            .sources
            .iter()
            .find(|sources| DescriptorId::of(&sources.descriptor) == order.descriptor)
            .ok_or_else(|| {
                untrusted(format!(
                    "the description of the package that the order names ({}) did not come with it",
                    order.descriptor
                ))
            })?;
        let descriptor: Descriptor =
            self.trust.open(&sources.descriptor, self.now()).map_err(|error| {
                untrusted(format!("the package's description is not believed: {}", chain(&error)))
            })?;
        if descriptor.kind != FileKind::Package {
            let message = format!("{} is no package and cannot be installed", descriptor.name);
            return Err(Refusal { result: "refused", message });
        }
        Ok((descriptor, sources.clone()))
    }

    /// Hands the verified file to the installer. What comes of it is written down in the same
    /// piece of work, so that it is also when nobody waits for it any more.
    async fn install(&self, job: Job, file: VerifiedFile) -> Result<OrderOutcome, FolderError> {
        (self.progress)(Progress::Installing { package: job.name.clone() });
        let target = self.target.clone();
        let clock = self.agent.environment().clock.clone();
        let work = self.session.run(move |fs, folder| {
            ledger::begin_install(fs, folder, job.order, clock.now())?;
            let installed = hand_over(&file, &job.name).and_then(|package| {
                target.installer().install(&InstallRequest {
                    package,
                    package_path: Some(file.path.clone()),
                    package_name: job.name.clone(),
                    target_root: target.root().to_owned(),
                    work_dir: folder.work(),
                    now: clock.now(),
                    set_owner: None,
                    host: target.host(),
                })
            });
            let report = match &installed {
                Ok(installed) => job.installed(installed, clock.now()),
                Err(error) => job.failed(error, clock.now()),
            };
            ledger::finish(fs, folder, job.order, &report)?;
            Ok(OrderOutcome::new(job.order, Some(job.name), &report, installed.ok().as_ref()))
        });
        work.await
    }

    /// Ends an order that never came as far as a package.
    async fn refuse(
        &self,
        order: OrderId,
        package: Option<FileName>,
        refusal: Refusal,
        started_at: Timestamp,
    ) -> Result<OrderOutcome, FolderError> {
        let report = OrderReport {
            result: refusal.result.to_owned(),
            message: refusal.message,
            attempts: Vec::new(),
            install: serde_json::Value::Null,
            started_at,
            finished_at: self.now(),
        };
        self.note(order, package, report).await
    }

    async fn finish(&self, job: Job, refusal: Refusal) -> Result<OrderOutcome, FolderError> {
        let report =
            job.report(refusal.result, refusal.message, serde_json::Value::Null, self.now());
        self.note(job.order, Some(job.name), report).await
    }

    async fn note(
        &self,
        order: OrderId,
        package: Option<FileName>,
        report: OrderReport,
    ) -> Result<OrderOutcome, FolderError> {
        let work = self.session.run(move |fs, folder| {
            ledger::finish(fs, folder, order, &report)?;
            Ok(OrderOutcome::new(order, package, &report, None))
        });
        work.await
    }

    /// The management server asks for something that is over: it lost the report, so it gets what
    /// is remembered of it.
    async fn report_again(&self, order: OrderId, record: Record) -> Result<(), FolderError> {
        let Record::Finished { result, message, started_at, finished_at } = record else {
            return Ok(());
        };
        let report = OrderReport {
            result,
            message,
            attempts: Vec::new(),
            install: serde_json::Value::Null,
            started_at,
            finished_at,
        };
        let work = self.session.run(move |fs, folder| {
            // The whole report may still be there.
            match ledger::read_report(fs, folder, order)? {
                Some(_) => Ok(()),
                None => ledger::post(fs, folder, order, &report),
            }
        });
        work.await
    }

    fn now(&self) -> Timestamp {
        self.agent.environment().clock.now()
    }
}

/// The operating system's file behind the verified descriptor.
fn hand_over(file: &VerifiedFile, name: &FileName) -> Result<File, InstallError> {
    let missing = || std::io::Error::from(std::io::ErrorKind::Unsupported);
    file.file.os_file().unwrap_or_else(|| Err(missing())).map_err(|source| InstallError::Target {
        doing: "handing over",
        path: name.to_string(),
        source,
    })
}

/// An order whose package is known.
struct Job {
    order: OrderId,
    name: FileName,
    started_at: Timestamp,
    attempts: Vec<FetchAttempt>,
}

impl Job {
    fn installed(&self, report: &InstallReport, now: Timestamp) -> OrderReport {
        let mut report = report.clone();
        keep_last_lines(&mut report.log);
        keep_last_lines(&mut report.warnings);
        let message = match report.warnings.len() {
            0 => format!("{} is installed", self.name),
            1 => format!("{} is installed, with one warning", self.name),
            count => format!("{} is installed, with {count} warnings", self.name),
        };
        let details = serde_json::to_value(&report).unwrap_or_default();
        self.report("installed", message, details, now)
    }

    fn failed(&self, error: &InstallError, now: Timestamp) -> OrderReport {
        let mut output = error.output().to_vec();
        keep_last_lines(&mut output);
        let details = serde_json::json!({
            "exit_code": error.installer_code(),
            "output": output,
        });
        self.report(error.result_word(), chain(error).to_string(), details, now)
    }

    fn report(
        &self,
        result: &str,
        message: String,
        install: serde_json::Value,
        finished_at: Timestamp,
    ) -> OrderReport {
        OrderReport {
            result: result.to_owned(),
            message,
            attempts: self.attempts.clone(),
            install,
            started_at: self.started_at,
            finished_at,
        }
    }
}

fn keep_last_lines(lines: &mut Vec<String>) {
    lines.drain(..lines.len().saturating_sub(MAX_REPORT_LINES));
}
