//! A management server, a root below it, and a store of somebody else's for their cloud.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_model::ContentId;

use super::authority::{Authority, HOST};
use super::seaweed::{BUCKET, KEY_ID, REGION, SECRET, Seaweed};
use super::tools::Tools;
use crate::pair::ROOT;
use crate::run::programs;

/// What everything of ours lies below.
pub(super) const PREFIX: &str = "macs";

/// All that a part stands on.
pub(super) struct Ground {
    pub(super) fleet: Fleet,
    pub(super) store: Seaweed,
    pub(super) authority: Authority,
    pub(super) programs: Programs,
    folder: PathBuf,
}

impl Ground {
    /// Starts everything. No cloud is set yet.
    pub(super) async fn lay(scratch: &Scratch) -> anyhow::Result<Self> {
        let folder = scratch.path().to_owned();
        let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
        let tools = Tools::require()?;
        let authority = Authority::make(&folder.join("authority"))?;
        let store = Seaweed::start(&tools, &folder.join("seaweed"), &authority).await?;
        let fleet = fleet(&programs, &folder.join("fleet")).await?;
        Ok(Self { fleet, store, authority, programs, folder })
    }

    /// Sets the store, reached through some port of this machine, as the cloud: what an
    /// administrator types.
    pub(super) async fn set_cloud(&self, port: u16) -> anyhow::Result<String> {
        let secret = self.secret_file("secret", SECRET)?;
        let (endpoint, ca) = (format!("https://{HOST}:{port}"), path(&self.authority.ca)?);
        let place = ["--bucket", BUCKET, "--region", REGION, "--endpoint", &endpoint];
        let more = ["--prefix", PREFIX, "--path-style", "--ca", ca];
        let keys = ["--key-id", KEY_ID, "--secret-file", &secret];
        let words = [&["cloud", "set", "s3"], &place[..], &more, &keys].concat();
        self.fleet.xylem(&words).await
    }

    /// Writes a secret into a file beside everything that our programs write.
    pub(super) fn secret_file(&self, name: &str, secret: &str) -> anyhow::Result<String> {
        let file = self.folder.join(format!("{name}.secret"));
        fs::write(&file, format!("{secret}\n"))?;
        Ok(path(&file)?.to_owned())
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

/// The key under which a content is to lie.
pub(super) fn key_of(content: &ContentId) -> String {
    let id = content.to_string();
    let shelf: String = id.chars().take(2).collect();
    format!("{PREFIX}/content/{shelf}/{id}")
}

/// A management server and a root that may both reach a store on this machine.
pub(super) async fn fleet(programs: &Programs, folder: &Path) -> anyhow::Result<Fleet> {
    let host = Host::loopback();
    let mut fleet = Fleet::start(programs, folder, &host).await?;
    let config = folder.join("server.toml");
    let text = fs::read_to_string(&config)?;
    fs::write(&config, format!("{text}cloud_private_hosts = [{HOST:?}]\n"))?;
    fleet.kill_server().await;
    fleet.restart_server().await?;
    let port = free_port()?;
    fleet.enroll(ROOT, &host, None, (&port, &port)).await?;
    let settings = fleet.data_of(ROOT).join("server.json");
    let mut root: Value = serde_json::from_slice(&fs::read(&settings)?)?;
    let fields = root.as_object_mut().context("a distribution server has settings")?;
    fields.insert("cloud_private_hosts".to_owned(), json!([HOST]));
    fs::write(&settings, serde_json::to_vec_pretty(&root)?)?;
    fleet.up(ROOT).await?;
    Ok(fleet)
}

/// A path as a word of a command.
pub(super) fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not Unicode", path.display()))
}
