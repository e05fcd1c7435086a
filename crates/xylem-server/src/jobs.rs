//! What the server does by itself, and how each of these jobs shows what it did.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use utoipa::ToSchema;
use xylem_db::{Actor, CheckIn, FORGOTTEN_AT_ONCE};
use xylem_model::Timestamp;
use xylem_pki::RenewalRule;
use xylem_runtime::Shutdown;
use xylem_telemetry::chain;

use crate::app::App;
use crate::cloud::Duty;
use crate::{ServerError, server, trust};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How often the database is asked for changes that another management server made: one row each
/// time, so that a file published there starts to move here within a second too.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// How often a change of authorities looks whether it can go on.
const AUTHORITY_INTERVAL: Duration = Duration::from_secs(10);

/// How often what is not wanted in the cloud any more is looked for, and what is to be asked after
/// once more: a query of the database, where there is nothing.
const CLOUD_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A deleted file or script can be restored for this long.
const DELETED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Check-ins written in one transaction at most.
const CHECK_IN_BATCH: usize = 500;

/// How long check-ins are gathered before they are written.
const CHECK_IN_PAUSE: Duration = Duration::from_secs(1);

/// What a job did last.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobStatus {
    /// Which job.
    pub(crate) name: String,
    /// When it last ran.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) last_run: Timestamp,
    /// Whether that worked.
    pub(crate) ok: bool,
    /// What it did, or what went wrong.
    pub(crate) result: String,
    /// When it runs next.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) next_run: Timestamp,
}

/// What each job did last.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<BTreeMap<&'static str, JobStatus>>);

impl Jobs {
    pub(crate) fn status(&self) -> Vec<JobStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn note(&self, name: &'static str, status: JobStatus) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, status);
    }
}

/// What the jobs need beside the app.
pub(crate) struct Household {
    pub(crate) app: App,
}

impl Household {
    /// Runs all jobs until shutdown begins.
    pub(crate) async fn run(self, check_ins: mpsc::Receiver<CheckIn>, shutdown: Shutdown) {
        let jobs = async {
            tokio::join!(
                self.every("follow", FOLLOW_INTERVAL, || self.follow()),
                self.every("expire-uploads", MINUTE, || self.expire_uploads()),
                self.every("sign-documents", HOUR, || self.sign_documents()),
                self.every("renew-certificates", HOUR, || self.renew_certificates()),
                self.every("change-authority", AUTHORITY_INTERVAL, || self.app.advance_authority()),
                self.every("watch-certificates", DAY, || self.watch_certificates()),
                self.every("renew-trust", HOUR, || self.renew_trust()),
                self.every("purge-deleted", HOUR, || self.purge_deleted()),
                self.every_or("cloud-inventory", HOUR, &self.app.upkeep.asked, || {
                    self.app.look_after_cloud(Duty::Inventory)
                }),
                self.every("cloud-remove", CLOUD_INTERVAL, || {
                    self.app.look_after_cloud(Duty::Remove)
                }),
                self.every_or("cloud-leave", MINUTE, &self.app.upkeep.leaving, || {
                    self.app.leave_cloud()
                }),
                self.every("cloud-recheck", CLOUD_INTERVAL, || {
                    self.app.look_after_cloud(Duty::Recheck)
                }),
                self.every("cloud-sweep", DAY, || self.app.look_after_cloud(Duty::Sweep)),
                // When it is time is in the database; a minute is how late it may be noticed.
                self.every("cloud-try-again", MINUTE, || self.app.try_cloud_again()),
            )
        };
        tokio::select! {
            _ = jobs => {}
            () = write_check_ins(&self.app, check_ins) => {}
            () = shutdown.begun() => {}
        }
    }

    /// Runs a job again and again; a failure is shown, logged once, and tried again next time.
    async fn every<F>(&self, name: &'static str, interval: Duration, job: impl Fn() -> F)
    where
        F: Future<Output = Result<String, ServerError>>,
    {
        self.every_or(name, interval, &Notify::new(), job).await;
    }

    /// The same, and at once whenever it is asked for.
    async fn every_or<F>(
        &self,
        name: &'static str,
        interval: Duration,
        asked: &Notify,
        job: impl Fn() -> F,
    ) where
        F: Future<Output = Result<String, ServerError>>,
    {
        let mut was_ok = true;
        loop {
            let outcome = job().await;
            let ok = outcome.is_ok();
            let result = outcome.unwrap_or_else(|error| chain(&error).to_string());
            if !ok && was_ok {
                tracing::error!(job = name, "{result}");
            }
            was_ok = ok;
            let last_run = self.app.now();
            let next_run = last_run.plus(interval);
            let status = JobStatus { name: name.to_owned(), last_run, ok, result, next_run };
            self.app.jobs.note(name, status);
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = asked.notified() => {}
            }
        }
    }

    /// Finds changes that another management server on the same database made.
    async fn follow(&self) -> Result<String, ServerError> {
        let stamp = self.app.control.refresh().await?;
        Ok(format!("at {stamp}"))
    }

    async fn expire_uploads(&self) -> Result<String, ServerError> {
        let done = self.app.database.expire_uploads(self.app.now()).await?;
        Ok(format!("{} expired, {} forgotten", done.expired, done.forgotten))
    }

    async fn sign_documents(&self) -> Result<String, ServerError> {
        self.app.control.forget_signed().await;
        self.app.control.wake();
        Ok("signed documents are made anew".to_owned())
    }

    async fn renew_certificates(&self) -> Result<String, ServerError> {
        let now = self.app.now();
        let disk = &self.app.environment.disk;
        let mut done = Vec::new();
        {
            let mut authority = self.app.authority();
            if authority.should_renew_intermediate(now) {
                authority.renew_intermediate(now)?;
                authority.save(disk.fs(), &self.app.folder.ca())?;
                done.push("a new intermediate certificate");
            }
            let rule = RenewalRule::for_party(&self.app.identity.party());
            if self.app.identity.should_renew(now, rule) {
                let (party, url) = (self.app.identity.party(), &self.app.public_url);
                let own = server::own_credentials(&authority, party, url, now)?;
                self.app
                    .identity
                    .replace(own)
                    .map_err(|error| ServerError::damaged(self.app.folder.path(), error))?;
                done.push("a new certificate of its own");
            }
        }
        self.app.database.purge_certificates(now.minus(DELETED_KEPT)).await?;
        Ok(match done.is_empty() {
            true => format!("none due; its own runs out on {}", self.app.identity.not_after()),
            false => format!("made {}", done.join(" and ")),
        })
    }

    /// Says in the log, once a day, which certificates are about to run out.
    async fn watch_certificates(&self) -> Result<String, ServerError> {
        let said = self.app.certificate_warnings().await?;
        for warning in &said {
            tracing::warn!("{warning}");
        }
        Ok(format!("{} warnings; `xylem status` shows them", said.len()))
    }

    async fn renew_trust(&self) -> Result<String, ServerError> {
        let now = self.app.now();
        let present = self.app.control.trust();
        if !trust::is_due(&present, now) {
            return Ok(format!("good until {}", present.document().expires));
        }
        let folder = self.app.folder.clone();
        let next = self.app.environment.disk.run(move |fs| {
            let next = trust::next(&present, &folder.load_keys(fs)?, now)?;
            folder.save_trust(fs, next.envelope())?;
            Ok::<_, ServerError>(next)
        });
        let next = next.await?;
        let version = next.document().version;
        self.app.control.set_trust(next);
        Ok(format!("made version {version}"))
    }

    /// Forgets edits that are over, files and scripts that were deleted long ago, and which versions
    /// were in production long ago; none but the edits while a restore is unconfirmed.
    async fn purge_deleted(&self) -> Result<String, ServerError> {
        let now = self.app.now();
        self.app.database.expire_script_edits(now).await?;
        if self.app.database.restore_unconfirmed().await? {
            return Ok("waits until the restore is confirmed".to_owned());
        }
        let (before, actor) = (now.minus(DELETED_KEPT), Actor::system());
        let files = self.app.database.purge_deleted(before, &actor, now).await?;
        let scripts = self.app.database.purge_scripts(before, &actor, now).await?;
        let mut versions = 0;
        loop {
            let forgotten = self.app.database.forget_previous(before, &actor, now).await?;
            versions += forgotten;
            if forgotten < FORGOTTEN_AT_ONCE {
                break;
            }
        }
        let (files, scripts) = (files.len(), scripts.len());
        Ok(format!("{files} files, {scripts} scripts and {versions} previous versions forgotten"))
    }
}

/// Writes check-ins in batches: one transaction for many computers.
async fn write_check_ins(app: &App, mut check_ins: mpsc::Receiver<CheckIn>) {
    let mut batch = Vec::new();
    while check_ins.recv_many(&mut batch, CHECK_IN_BATCH).await > 0 {
        if let Err(error) = app.database.touch_computers(&batch).await {
            tracing::warn!(%error, "check-ins could not be noted");
        }
        batch.clear();
        tokio::time::sleep(CHECK_IN_PAUSE).await;
    }
}
