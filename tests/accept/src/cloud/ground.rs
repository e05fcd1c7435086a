//! A management server, a root below it, and a store of somebody else's for their cloud.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::publish::plain_disk;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_model::{ContentId, Priority};

use super::authority::{Authority, HOST};
use super::store::Store;
use super::tools::{Tools, sha256_of};
use crate::pair::ROOT;
use crate::run::programs;

/// What everything of ours lies below.
pub(super) const PREFIX: &str = "macs";

/// All that a part stands on.
pub(super) struct Ground<S> {
    pub(super) fleet: Fleet,
    pub(super) store: S,
    pub(super) authority: Authority,
    pub(super) programs: Programs,
    folder: PathBuf,
}

impl<S: Store> Ground<S> {
    /// Starts everything, the store by the function that is given. No cloud is set yet.
    pub(super) async fn lay<F>(scratch: &Scratch, start: F) -> anyhow::Result<Self>
    where
        F: AsyncFnOnce(&Tools, &Path, &Authority) -> anyhow::Result<S>,
    {
        let xylem = programs()?.join("xylem");
        Self::lay_with(scratch, &xylem, &[HOST], start).await
    }

    /// The same with `xylem` at a path, and with hosts that may be on this machine.
    pub(super) async fn lay_with<F>(
        scratch: &Scratch,
        xylem: &Path,
        hosts: &[&str],
        start: F,
    ) -> anyhow::Result<Self>
    where
        F: AsyncFnOnce(&Tools, &Path, &Authority) -> anyhow::Result<S>,
    {
        let folder = scratch.path().to_owned();
        let programs = Programs::beside(xylem).map_err(Failure::into_error)?;
        let tools = Tools::require()?;
        let authority = Authority::make(&folder.join("authority"))?;
        let store = start(&tools, &folder.join("store"), &authority).await?;
        let fleet = fleet(&programs, &folder.join("fleet"), hosts).await?;
        Ok(Self { fleet, store, authority, programs, folder })
    }

    /// Sets the store, reached through some port of this machine, as the cloud: what an
    /// administrator types.
    pub(super) async fn set_cloud(&self, port: u16) -> anyhow::Result<String> {
        self.set(&self.store, port, &[]).await
    }

    /// Sets a store as the cloud, with more words than that needs.
    pub(super) async fn set(&self, store: &S, port: u16, more: &[&str]) -> anyhow::Result<String> {
        let words = store.set_words(&self.folder, port)?;
        let words = words.iter().map(String::as_str).chain(more.iter().copied());
        let words: Vec<&str> = std::iter::once("cloud").chain(words).collect();
        self.fleet.xylem(&words).await
    }

    /// Publishes a disk image of a name and size; gives what it is, and SHA-256 of what was sent, by no
    /// code of ours.
    pub(super) async fn send(&self, name: &str, size: u64) -> anyhow::Result<(ContentId, String)> {
        let (file, bytes) = (self.folder.join("sent"), plain_disk(name, usize::try_from(size)?));
        fs::write(&file, &bytes)?;
        let sha256 = sha256_of(&file)?;
        fs::remove_file(&file)?;
        Ok((self.fleet.send(name, bytes, Priority::Normal).await?.content, sha256))
    }

    /// What the failed steps of a test say; none where it passes.
    pub(super) async fn tested(&self) -> anyhow::Result<Option<String>> {
        let done = self.fleet.command(&["cloud", "test", "--json"]).output().await?;
        let told: Value = serde_json::from_slice(&done.stdout).with_context(|| {
            format!("the test tells nothing: {}", String::from_utf8_lossy(&done.stderr))
        })?;
        let steps = told.get("steps").and_then(Value::as_array).context("a test has steps")?;
        let is_failed = |step: &&Value| step.get("outcome") == Some(&Value::from("failed"));
        let messages: Vec<&str> = steps
            .iter()
            .filter(is_failed)
            .filter_map(|step| step.get("message").and_then(Value::as_str))
            .collect();
        ensure!(messages.is_empty() == done.status.success(), "the exit code says otherwise");
        Ok((!messages.is_empty()).then(|| messages.join("; ")))
    }

    /// Writes a secret into a file beside everything that our programs write.
    pub(super) fn secret_file(&self, name: &str, secret: &str) -> anyhow::Result<String> {
        secret_file(&self.folder, name, secret)
    }

    /// Everything that our programs write.
    pub(super) fn written(&self) -> PathBuf {
        self.folder.join("fleet")
    }

    /// A place for files of the run's own.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Writes a secret into a file of a folder; gives its path.
pub(super) fn secret_file(folder: &Path, name: &str, secret: &str) -> anyhow::Result<String> {
    let file = folder.join(format!("{name}.secret"));
    fs::write(&file, format!("{secret}\n"))?;
    Ok(path(&file)?.to_owned())
}

/// The key under which a content is to lie.
pub(super) fn key_of(content: &ContentId) -> String {
    let id = content.to_string();
    let shelf: String = id.chars().take(2).collect();
    format!("{PREFIX}/content/{shelf}/{id}")
}

/// A management server and a root that may both reach a store on this machine.
async fn fleet(programs: &Programs, folder: &Path, hosts: &[&str]) -> anyhow::Result<Fleet> {
    let host = Host::loopback();
    let mut fleet = Fleet::start(programs, folder, &host).await?;
    let config = folder.join("server.toml");
    let text = fs::read_to_string(&config)?;
    fs::write(&config, format!("{text}cloud_private_hosts = {hosts:?}\n"))?;
    fleet.kill_server().await;
    fleet.restart_server().await?;
    let port = free_port()?;
    fleet.enroll(ROOT, &host, None, (&port, &port)).await?;
    let settings = fleet.data_of(ROOT).join("server.json");
    let mut root: Value = serde_json::from_slice(&fs::read(&settings)?)?;
    let fields = root.as_object_mut().context("a distribution server has settings")?;
    fields.insert("cloud_private_hosts".to_owned(), json!(hosts));
    fs::write(&settings, serde_json::to_vec_pretty(&root)?)?;
    fleet.up(ROOT).await?;
    Ok(fleet)
}

/// A path as a word of a command.
pub(super) fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not Unicode", path.display()))
}
