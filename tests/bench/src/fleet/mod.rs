//! Our programs on the hosts of a room, started as an administrator starts them.
//!
//! Here they are started and stopped; `watch` looks at what they do.

mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::time::Instant;
use xylem::Failure;
use xylem::access::Access;
use xylem::system::{Process, Programs, free_address, run_to_end};
use xylem_model::FileKind;
use xylem_pki::TrustAnchors;
use xylem_runtime::RealFs;

use crate::room::Host;

pub use watch::Counted;

/// How long a new account may take until its server knows it.
const ACCOUNT_KNOWN_WITHIN: Duration = Duration::from_secs(2);

/// How long a part may take to start and to report.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long to wait between two questions to the management server, which cost it something.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What is measured is published as a plain disk: those have no form of their own, so that a file can
/// have exactly the size that the peers' has, and looking into many takes no longer than it must.
pub const KIND: FileKind = FileKind::Package;

/// A management server and its distribution servers.
pub struct Fleet {
    programs: Programs,
    /// What distribution servers run.
    for_servers: Programs,
    folder: PathBuf,
    url: String,
    access: Access,
    server: Process,
    members: BTreeMap<String, Member>,
}

/// One distribution server.
struct Member {
    host: Host,
    data: PathBuf,
    port: String,
    process: Option<Process>,
}

impl Fleet {
    /// Starts a management server on this host, in a new folder.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(programs: &Programs, folder: &Path, host: &Host) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("logs"))?;
        let url = format!("https://{}:{}", host.address(), free_port()?);
        let listen = url.trim_start_matches("https://");
        let (config, data) = (folder.join("server.toml"), folder.join("server"));
        let settings = format!(
            "data = {:?}\nlisten = {listen:?}\npublic_url = {url:?}\norganization = \"Bench\"\n",
            text(&data)?
        );
        fs::write(&config, settings)?;
        let xylem = &programs.xylem;
        run_to_end(xylem, &["server", "init", "--config", text(&config)?], &[])
            .await
            .map_err(Failure::into_error)?;
        let anchors = TrustAnchors::read(&RealFs, &data.join("ca.pem"))?;
        let token = fs::read_to_string(data.join("admin.token"))?;
        let access = Access::new(&url, token.trim(), &anchors).map_err(Failure::into_error)?;
        let server = run_server(programs, folder, &[])?;
        let mut fleet = Self {
            programs: programs.clone(),
            for_servers: programs.clone(),
            folder: folder.to_owned(),
            url,
            access,
            server,
            members: BTreeMap::new(),
        };
        fleet.answered().await?;
        Ok(fleet)
    }

    /// Waits until the management server answers.
    async fn answered(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + START_LIMIT;
        while let Err(error) = self.access.admin.status().await {
            self.server.check().map_err(Failure::into_error)?;
            ensure!(Instant::now() < end, "the management server does not answer: {error}");
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    /// Has distribution servers that are enrolled or started from now on run other programs.
    pub fn use_for_servers(&mut self, programs: &Programs) {
        self.for_servers = programs.clone();
    }

    /// Kills the management server, as a power cut would.
    pub async fn kill_server(&mut self) {
        self.server.kill().await;
    }

    /// Starts the management server again.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart_server(&mut self) -> anyhow::Result<()> {
        self.restart_server_behind(&[]).await
    }

    /// The same, with words before the program's own that become it, such as those of `env`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart_server_behind(&mut self, before: &[&str]) -> anyhow::Result<()> {
        self.server = run_server(&self.programs, &self.folder, before)?;
        self.answered().await
    }

    /// Enrols a distribution server on a host and starts it. The first is the root.
    ///
    /// # Errors
    /// When it cannot be enrolled or does not come up.
    pub async fn add(
        &mut self,
        name: &str,
        host: &Host,
        parent: Option<&str>,
    ) -> anyhow::Result<()> {
        let port = free_port()?;
        self.enroll(name, host, parent, (&port, &port)).await?;
        self.up(name).await
    }

    /// Enrols a distribution server that listens on the first port, and is reached at the second.
    ///
    /// # Errors
    /// When it cannot be enrolled.
    pub async fn enroll(
        &mut self,
        name: &str,
        host: &Host,
        parent: Option<&str>,
        (listen, public): (&str, &str),
    ) -> anyhow::Result<()> {
        let invitation = self.xylem(&["invite", "distribution"]).await?;
        let data = self.data_of(name);
        let listen_on = format!("{}:{listen}", host.listen_on());
        let public_url = format!("https://{}:{public}", host.address());
        let ca = self.ca_file();
        let words = [
            ["distribution", "enroll"],
            ["--server", &self.url],
            ["--invitation", &invitation],
            ["--data", text(&data)?],
            ["--listen", &listen_on],
            ["--public-url", &public_url],
            ["--name", name],
            ["--ca", text(&ca)?],
        ];
        run_to_end(&self.for_servers.xylem, words.as_flattened(), &[])
            .await
            .map_err(Failure::into_error)?;
        if let Some(parent) = parent {
            self.access.admin.set_parent(name, parent).await?;
        }
        let member = Member { host: host.clone(), data, port: listen.to_owned(), process: None };
        self.members.insert(name.to_owned(), member);
        Ok(())
    }

    /// Starts a distribution server and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self, name: &str) -> anyhow::Result<()> {
        self.launch_with(name, &[])
    }

    fn launch_with(&mut self, name: &str, more: &[&str]) -> anyhow::Result<()> {
        let logs = self.folder.join("logs");
        let program = text(&self.for_servers.xylem)?.to_owned();
        let member = self.member_mut(name)?;
        let mut words = member.host.words_before();
        words.extend([&program, "distribution", "run", "--data", text(&member.data)?]);
        words.extend(more);
        let (first, rest) = words.split_first().context("no program")?;
        let process =
            Process::start(name, Path::new(first), rest, &logs).map_err(Failure::into_error)?;
        member.process = Some(process);
        Ok(())
    }

    /// Starts a distribution server and waits until it has reported.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn up(&mut self, name: &str) -> anyhow::Result<()> {
        self.up_with(name, &[]).await
    }

    /// The same, with more words on its command line.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn up_with(&mut self, name: &str, more: &[&str]) -> anyhow::Result<()> {
        let before = self.access.admin.distribution_server(name).await?.last_seen;
        self.launch_with(name, more)?;
        let end = Instant::now() + START_LIMIT;
        while self.access.admin.distribution_server(name).await?.last_seen == before {
            if let Some(process) = self.member_mut(name)?.process.as_mut() {
                process.check().map_err(Failure::into_error)?;
            }
            ensure!(Instant::now() < end, "{name} did not report in time");
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    /// Starts a new program that takes over from the one that runs, and waits until it has
    /// reported. Gives the one that ran, which ends once its last answer has been sent.
    ///
    /// # Errors
    /// When it does not run, or the new one does not come up.
    pub async fn take_over(&mut self, name: &str) -> anyhow::Result<Process> {
        let before = self.member_mut(name)?.process.take().context("it does not run")?;
        self.up_with(name, &["--take-over"]).await?;
        Ok(before)
    }

    /// Asks a distribution server to end, and waits for it.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn down(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(mut process) = self.member_mut(name)?.process.take() {
            process.stop().await;
        }
        Ok(())
    }

    /// Kills a distribution server without warning (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let mut process = self.member_mut(name)?.process.take().context("it does not run")?;
        process.kill().await;
        Ok(())
    }

    /// The folder in which a distribution server holds content.
    pub fn repository(&self, name: &str) -> PathBuf {
        self.data_of(name).join("repo")
    }

    /// Stops everything.
    pub async fn stop(mut self) {
        for member in self.members.values_mut() {
            if let Some(mut process) = member.process.take() {
                process.stop().await;
            }
        }
        self.server.stop().await;
    }

    /// Runs `xylem` with the administrator's token.
    ///
    /// # Errors
    /// When it fails, with the last line it said.
    pub async fn xylem(&self, words: &[&str]) -> anyhow::Result<String> {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run_to_end(&self.programs.xylem, words, &environment).await.map_err(Failure::into_error)
    }

    /// `xylem` with the administrator's token, to be started; it ends with whoever waits for it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.programs.xylem);
        command.args(words).envs(self.environment()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What tells a command which server to ask, and as whom.
    fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("XYLEM_SERVER", self.url.clone()),
            ("XYLEM_TOKEN_FILE", self.token_file().display().to_string()),
            ("XYLEM_CA", self.ca_file().display().to_string()),
        ]
    }

    /// Gives a distribution server a WebDAV account that may write, and waits until it knows it;
    /// gives the password.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_account(&self, server: &str, user: &str) -> anyhow::Result<String> {
        let made = self.xylem(&["ds", "account", "add", server, user, "--write", "--json"]).await?;
        let made: serde_json::Value = serde_json::from_str(&made)?;
        let password = made.get("password").and_then(serde_json::Value::as_str);
        tokio::time::sleep(ACCOUNT_KNOWN_WITHIN).await;
        Ok(password.context("no password")?.to_owned())
    }

    /// The management server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process of the management server.
    pub fn server_pid(&self) -> Option<u32> {
        self.server.id()
    }

    /// The file with the administrator's token.
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("server/admin.token")
    }

    /// The file with the certificate of the built-in authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("server/ca.pem")
    }

    /// The administrator's way in.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Where a distribution server is reached.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn url_of(&self, name: &str) -> anyhow::Result<String> {
        let member = self.member(name)?;
        Ok(format!("https://{}:{}", member.host.address(), member.port))
    }

    /// The data folder of a distribution server.
    pub fn data_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn member(&self, name: &str) -> anyhow::Result<&Member> {
        self.members.get(name).with_context(|| format!("no distribution server called {name}"))
    }

    fn member_mut(&mut self, name: &str) -> anyhow::Result<&mut Member> {
        self.members.get_mut(name).with_context(|| format!("no distribution server called {name}"))
    }
}

impl Drop for Fleet {
    /// A run that is given up leaves nothing running.
    fn drop(&mut self) {
        let members = self.members.values().filter_map(|member| member.process.as_ref());
        for process in members.chain([&self.server]) {
            // One that has ended needs no blow.
            let _ = process.strike();
        }
    }
}

fn run_server(programs: &Programs, folder: &Path, before: &[&str]) -> anyhow::Result<Process> {
    let config = folder.join("server.toml");
    let own = [text(&programs.xylem)?, "server", "run", "--config", text(&config)?];
    let words = [before, &own].concat();
    let (program, words) = words.split_first().context("no program")?;
    Process::start("server", Path::new(program), words, &folder.join("logs"))
        .map_err(Failure::into_error)
}

/// A port that was free a moment ago.
///
/// # Errors
/// When the system gives none.
pub fn free_port() -> anyhow::Result<String> {
    let address = free_address().map_err(Failure::into_error)?;
    let (_, port) = address.rsplit_once(':').context("an address without a port")?;
    Ok(port.to_owned())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not Unicode", path.display()))
}
