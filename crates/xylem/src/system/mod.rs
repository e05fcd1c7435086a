//! A whole system of real processes on this machine: what `xylem demo` shows and what the
//! end-to-end tests tell stories with.
//!
//! Every part is started with the commands an administrator would type, on ports that were free,
//! in one folder:
//!
//! ```text
//! server.toml  server/      management server
//! NAME/                     each distribution server
//! NAME/                     each agent
//! NAME-disk/                what stands for that Mac's disk
//! logs/NAME.log             what each part says
//! ```

mod process;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;
use xylem_pki::TrustAnchors;
use xylem_runtime::RealFs;

pub use process::{Process, run_to_end};

use crate::Failure;
use crate::access::Access;

/// How long a part may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long to wait between two looks at something awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The name of the management server's process.
pub const SERVER: &str = "server";

/// The running system.
pub struct System {
    access: Access,
    folder: PathBuf,
    server_url: String,
    programs: Programs,
    processes: Vec<Process>,
    listening: BTreeMap<String, String>,
}

/// The two programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `xylem`.
    pub xylem: PathBuf,
    /// `xylem-agent`.
    pub agent: PathBuf,
}

impl Programs {
    /// This program, and the agent beside it.
    ///
    /// # Errors
    /// When the agent is missing.
    pub fn here() -> Result<Self, Failure> {
        Self::beside(&std::env::current_exe().context("cannot find this program's own file")?)
    }

    /// `xylem` at a path, and the agent beside it.
    ///
    /// # Errors
    /// When either is missing.
    pub fn beside(xylem: &Path) -> Result<Self, Failure> {
        let programs = Self { xylem: xylem.to_owned(), agent: xylem.with_file_name("xylem-agent") };
        for program in [&programs.xylem, &programs.agent] {
            if !program.exists() {
                return Err(Failure::new(format!(
                    "{} is missing: build or install xylem and xylem-agent side by side",
                    program.display()
                )));
            }
        }
        Ok(programs)
    }
}

impl System {
    /// Starts a management server in an empty folder.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(programs: Programs, folder: PathBuf) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder.join("logs"))?;
        let listen = free_address()?;
        let server_url = format!("https://{listen}");
        let data = folder.join(SERVER);
        let config = folder.join("server.toml");
        std::fs::write(&config, server_config(&data, &listen, &server_url)?)?;
        run_to_end(&programs.xylem, &["server", "init", "--config", text(&config)?], &[]).await?;
        let anchors = TrustAnchors::read(&RealFs, &data.join("ca.pem"))?;
        let token = std::fs::read_to_string(data.join("admin.token"))?;
        let access = Access::new(&server_url, token.trim(), &anchors)?;
        let mut system = Self {
            access,
            folder,
            server_url,
            programs,
            processes: Vec::new(),
            listening: BTreeMap::new(),
        };
        system.start_server().await?;
        Ok(system)
    }

    /// Starts the management server again after it was stopped.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_server(&mut self) -> Result<(), Failure> {
        let config = self.folder.join("server.toml");
        let process = Process::start(
            SERVER,
            &self.programs.xylem,
            &["server", "run", "--config", text(&config)?],
            &self.folder.join("logs"),
        )?;
        self.processes.push(process);
        let end = Instant::now() + START_LIMIT;
        while let Err(error) = self.access.admin.status().await {
            self.check()?;
            if Instant::now() >= end {
                return Err(error.into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Enrols a distribution server and starts it. `public_url` is where others reach it, where
    /// that is not where it listens.
    ///
    /// # Errors
    /// When it cannot be enrolled or does not come up.
    pub async fn add_distribution_server(
        &mut self,
        name: &str,
        parent: Option<&str>,
        site: Option<&str>,
        public_url: Option<&str>,
    ) -> Result<String, Failure> {
        let invitation = self.invite("distribution", site).await?;
        let listen = match self.listening.get(name) {
            Some(listen) => listen.clone(),
            None => self.reserve_address(name)?,
        };
        let url = public_url.map_or_else(|| format!("https://{listen}"), ToOwned::to_owned);
        let (data, ca) = (self.folder.join(name), self.ca_file());
        let enroll = [
            "distribution",
            "enroll",
            "--server",
            &self.server_url,
            "--invitation",
            &invitation,
            "--data",
            text(&data)?,
            "--listen",
            &listen,
            "--public-url",
            &url,
            "--name",
            name,
            "--ca",
            text(&ca)?,
        ];
        run_to_end(&self.programs.xylem, &enroll, &[]).await?;
        if let Some(parent) = parent {
            self.access.admin.set_parent(name, parent).await?;
        }
        self.start_distribution_server(name).await?;
        Ok(url)
    }

    /// Chooses where a distribution server will listen, before it is added.
    ///
    /// # Errors
    /// When the system gives no port.
    pub fn reserve_address(&mut self, name: &str) -> Result<String, Failure> {
        let listen = free_address()?;
        self.listening.insert(name.to_owned(), listen.clone());
        Ok(listen)
    }

    /// Starts an enrolled distribution server, and waits until it has reported.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_distribution_server(&mut self, name: &str) -> Result<(), Failure> {
        let before = self.access.admin.distribution_server(name).await?.last_seen;
        let data = self.folder.join(name);
        let process = Process::start(
            name,
            &self.programs.xylem,
            &["distribution", "run", "--data", text(&data)?],
            &self.folder.join("logs"),
        )?;
        self.processes.push(process);
        let end = Instant::now() + START_LIMIT;
        while self.access.admin.distribution_server(name).await?.last_seen == before {
            self.check()?;
            if Instant::now() >= end {
                return Err(Failure::new(format!("{name} did not report in time")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Enrols a computer. Its agent runs when [`check_in`](Self::check_in) is called.
    ///
    /// # Errors
    /// When it cannot be enrolled.
    pub async fn add_computer(&self, name: &str, site: Option<&str>) -> Result<(), Failure> {
        std::fs::create_dir_all(self.disk_of(name))?;
        let invitation = self.invite("computer", site).await?;
        let (data, ca) = (self.folder.join(name), self.ca_file());
        let arguments = [
            "enroll",
            "--server",
            &self.server_url,
            "--invitation",
            &invitation,
            "--data",
            text(&data)?,
            "--ca",
            text(&ca)?,
            "--name",
            name,
        ];
        run_to_end(&self.programs.agent, &arguments, &[]).await?;
        Ok(())
    }

    /// Lets an agent check in once: it learns its orders and carries them out.
    ///
    /// # Errors
    /// When it cannot check in, or an order fails.
    pub async fn check_in(&self, computer: &str) -> Result<String, Failure> {
        let (data, disk) = (self.folder.join(computer), self.disk_of(computer));
        let arguments = ["check-in", "--data", text(&data)?, "--target", text(&disk)?];
        run_to_end(&self.programs.agent, &arguments, &[]).await
    }

    /// Runs `xylem` with the administrator's token.
    ///
    /// # Errors
    /// When it fails, with the last line it said.
    pub async fn xylem(&self, arguments: &[&str]) -> Result<String, Failure> {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run_to_end(&self.programs.xylem, arguments, &environment).await
    }

    /// The environment of an administrator's shell.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let server = self.folder.join(SERVER);
        [
            ("XYLEM_SERVER", self.server_url.clone()),
            ("XYLEM_TOKEN_FILE", server.join("admin.token").display().to_string()),
            ("XYLEM_CA", self.ca_file().display().to_string()),
        ]
    }

    /// The folder that stands for a Mac's disk.
    pub fn disk_of(&self, computer: &str) -> PathBuf {
        self.folder.join(format!("{computer}-disk"))
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The management server's address.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The two programs.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The administrator's way in.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// The process ids of all parts that run.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes.iter().filter_map(Process::id).collect()
    }

    /// The process id of a part, while it runs.
    pub fn process_id(&self, name: &str) -> Option<u32> {
        self.processes.iter().find(|process| process.name() == name)?.id()
    }

    /// Sends SIGKILL to a part that stays in the books: for killing it while something else is
    /// being awaited.
    ///
    /// # Errors
    /// When there is no such part, or it has ended.
    pub fn strike(&self, name: &str) -> Result<(), Failure> {
        let process = self.processes.iter().find(|process| process.name() == name);
        let process =
            process.ok_or_else(|| Failure::new(format!("no part called {name} is running")))?;
        process.strike()
    }

    /// Sends SIGKILL to every part: for giving up.
    pub fn strike_all(&self) {
        for process in &self.processes {
            // One that has ended by itself needs no blow.
            let _ = process.strike();
        }
    }

    /// Kills a part without warning (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// When there is no such part.
    pub async fn kill(&mut self, name: &str) -> Result<(), Failure> {
        self.take(name)?.kill().await;
        Ok(())
    }

    /// Asks a part to end, and waits for it.
    ///
    /// # Errors
    /// When there is no such part.
    pub async fn stop_part(&mut self, name: &str) -> Result<(), Failure> {
        self.take(name)?.stop().await;
        Ok(())
    }

    /// Stops every part, the last first.
    pub async fn stop(&mut self) {
        while let Some(mut process) = self.processes.pop() {
            process.stop().await;
        }
    }

    fn take(&mut self, name: &str) -> Result<Process, Failure> {
        let at = self
            .processes
            .iter()
            .position(|process| process.name() == name)
            .ok_or_else(|| Failure::new(format!("no part called {name} is running")))?;
        Ok(self.processes.swap_remove(at))
    }

    fn check(&mut self) -> Result<(), Failure> {
        self.processes.iter_mut().try_for_each(Process::check)
    }

    /// The file with the certificate of the built-in authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join(SERVER).join("ca.pem")
    }

    async fn invite(&self, role: &str, site: Option<&str>) -> Result<String, Failure> {
        let mut arguments = vec!["invite", role];
        if let Some(site) = site {
            arguments.extend(["--site", site]);
        }
        self.xylem(&arguments).await
    }
}

/// An address on this machine that was free a moment ago.
///
/// # Errors
/// When the system gives no port.
pub fn free_address() -> Result<String, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn server_config(data: &Path, listen: &str, url: &str) -> Result<String, Failure> {
    Ok(format!(
        "data = {:?}\nlisten = {listen:?}\npublic_url = {url:?}\norganization = \"Demo\"\n",
        text(data)?
    ))
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::new(format!("the path {} is not Unicode: use another folder", path.display()))
    })
}
