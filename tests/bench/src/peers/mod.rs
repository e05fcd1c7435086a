//! What others use: rsync, rclone and curl, with what they need on the other side.
//!
//! Set up as a competent administrator would: TLS 1.3 with AES-256-GCM and checked certificates
//! for everybody, nginx with `sendfile`, whole files where a delta cannot help. rsync has no TLS
//! of its own; stunnel on both sides is what its manual names (`rsync-ssl`), and unlike ssh it
//! uses the cipher that everybody else here uses.

mod service;
pub mod shares;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::cpu;
use crate::fleet::free_port;
use crate::ready::make_ready;
use crate::room::Host;
use crate::rows::Sample;
use crate::shell::{finish, run};

use service::Service;

/// How long services may take to answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How many files rclone asks for at a time: where more no longer helped it, on two processors.
const RCLONE_FILES_AT_ONCE: u32 = 32;

/// Which peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// curl from nginx.
    Curl,
    /// rclone from nginx.
    Rclone,
    /// rsync from its daemon, through stunnel on both sides.
    Rsync,
}

impl Way {
    /// Its name in what is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Rclone => "rclone",
            Self::Rsync => "rsync",
        }
    }
}

/// What is taken.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// One file of this name.
    File(&'a str),
    /// All files.
    Everything,
}

/// Services on a parent that give a folder away, and what a child needs to take it.
pub struct Peers {
    child: Host,
    folder: PathBuf,
    url: String,
    rsync_url: String,
    on_parent: Vec<Service>,
    on_child: Vec<Service>,
}

impl Peers {
    /// Starts services that give the files of `source` away; theirs lie in `folder`.
    ///
    /// # Errors
    /// When one does not come up.
    pub async fn start(
        ways: &[Way],
        parent: &Host,
        child: &Host,
        source: &Path,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (web, tunnel, daemon, entry) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let address = parent.address();
        certificate(folder, address)?;
        let (mut on_parent, mut on_child) = (Vec::new(), Vec::new());
        if ways.contains(&Way::Curl) || ways.contains(&Way::Rclone) {
            on_parent.push(service::nginx(parent, folder, source, &web)?);
        }
        if ways.contains(&Way::Rsync) {
            on_parent.push(service::rsync_daemon(parent, folder, source, &daemon)?);
            on_parent.push(service::tunnel_exit(parent, folder, &tunnel, &daemon)?);
            on_child.push(service::tunnel_entry(child, folder, &entry, parent, &tunnel)?);
        }
        let peers = Self {
            child: child.clone(),
            folder: folder.to_owned(),
            url: format!("https://{address}:{web}"),
            rsync_url: format!("rsync://127.0.0.1:{entry}/packages"),
            on_parent,
            on_child,
        };
        for way in ways {
            peers.answers(*way).await?;
        }
        Ok(peers)
    }

    /// Takes files into a new folder and syncs them, as `what` asks; says what it cost.
    ///
    /// # Errors
    /// When the peer fails.
    pub fn take(&self, way: Way, what: What<'_>, into: &Path) -> anyhow::Result<Sample> {
        std::fs::create_dir_all(into)?;
        make_ready();
        let figures = self.folder.join("time");
        let line = format!("{} && {}", self.line(way, what, into)?, sync_line(what, into));
        let (parent, child) = (self.parent_cpu_seconds(), cpu_of(&self.on_child));
        let mut command = self.child.command("/usr/bin/time");
        command.args(["-f", "%U %S", "-o"]).arg(&figures).args(["sh", "-c", &line]);
        let begun = Instant::now();
        finish(&mut command, &line)?;
        let seconds = begun.elapsed().as_secs_f64();
        let times = std::fs::read_to_string(&figures)?;
        let own: f64 = times.split_whitespace().filter_map(|one| one.parse::<f64>().ok()).sum();
        Ok(Sample {
            seconds,
            child_cpu: own + cpu_of(&self.on_child) - child,
            parent_cpu: self.parent_cpu_seconds() - parent,
        })
    }

    /// Where the services on the parent give files away over HTTPS.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate that clients must believe.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// Seconds of processors that the services on the parent have used.
    pub fn parent_cpu_seconds(&self) -> f64 {
        cpu_of(&self.on_parent)
    }

    fn line(&self, way: Way, what: What<'_>, into: &Path) -> anyhow::Result<String> {
        let Self { url, rsync_url, .. } = self;
        let (ca, into) = (self.ca(), into.display());
        let ca = ca.display();
        let rclone = format!("--http-url {url} --ca-cert {ca} --config /dev/null");
        Ok(match (way, what) {
            (Way::Curl, What::File(name)) => format!(
                "curl --silent --show-error --fail --tlsv1.3 --cacert {ca} --output {into}/{name} \
                 {url}/{name}"
            ),
            (Way::Curl, What::Everything) => bail!("curl does not list what there is"),
            (Way::Rclone, What::File(name)) => {
                format!("rclone copyto :http:{name} {into}/{name} {rclone}")
            }
            (Way::Rclone, What::Everything) => format!(
                "rclone copy :http: {into} {rclone} --transfers {0} --checkers {0}",
                RCLONE_FILES_AT_ONCE
            ),
            (Way::Rsync, What::File(name)) => {
                format!("rsync --archive --whole-file {rsync_url}/{name} {into}/")
            }
            (Way::Rsync, What::Everything) => {
                format!("rsync --archive --whole-file {rsync_url}/ {into}/")
            }
        })
    }

    /// Waits until a service answers the client that is going to ask it.
    async fn answers(&self, way: Way) -> anyhow::Result<()> {
        let line = match way {
            Way::Rsync => format!("rsync {}/", self.rsync_url),
            Way::Curl | Way::Rclone => format!(
                "curl --silent --fail --head --cacert {}/cert.pem {}/",
                self.folder.display(),
                self.url
            ),
        };
        until_it_works(&self.child, &line).await
    }
}

/// Repeats a line until it succeeds, since services take a moment to start.
async fn until_it_works(host: &Host, line: &str) -> anyhow::Result<()> {
    let end = Instant::now() + START_LIMIT;
    loop {
        let mut words = line.split_whitespace();
        let program = words.next().context("an empty line")?;
        match finish(host.command(program).args(words), line) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Makes a key and a certificate for an address, in files of a folder.
fn certificate(folder: &Path, address: impl std::fmt::Display) -> anyhow::Result<()> {
    run(&format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
         -subj /CN=parent -addext subjectAltName=IP:{address} -keyout {0}/key.pem \
         -out {0}/cert.pem",
        folder.display()
    ))?;
    Ok(())
}

/// Syncs what was taken: one file and its name, or the file system that holds all of them, which
/// is cheaper than one by one.
fn sync_line(what: What<'_>, into: &Path) -> String {
    let into = into.display();
    match what {
        What::File(name) => format!("sync {into}/{name} {into}"),
        What::Everything => format!("sync --file-system {into}"),
    }
}

fn cpu_of(services: &[Service]) -> f64 {
    let ids: Vec<u32> = services.iter().map(Service::id).collect();
    cpu::seconds_of(&ids)
}
