//! OpenStack Swift from Debian, one replica of everything, behind nginx for TLS.
//!
//! What 2.30.1 does, seen on a running server: tempauth names the storage by the request's own `Host`,
//! so whoever asks through a gate is sent through it again; a PUT above `max_file_size` is refused with
//! 413; a large object is downloaded whole by its name, and its segments are listed beside it.
//!
//! Each run has a `swift.conf` of its own ([`LAUNCHER`]): the machine's is left alone.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use xylem_bench::debian::{self, Tool};

use super::authority::{Authority, HOST};
use super::bucket::{Bucket, Names, Object, Place};
use super::container::{Account, Container};
use super::ground::{PREFIX, path, secret_file};
use super::service::Service;
use super::store::Store;
use super::swift_files::{Files, Ports};
use super::tools::{Tools, clean};

/// The servers, OpenStack's own clients, and what ends TLS.
const NEEDED: &[Tool] = &[
    Tool::new("swift-ring-builder", "swift"),
    Tool::new("swift-account-server", "swift-account"),
    Tool::new("swift-container-server", "swift-container"),
    Tool::new("swift-object-server", "swift-object"),
    Tool::new("swift-proxy-server", "swift-proxy"),
    Tool::new("memcached", "memcached"),
    Tool::new("swift", "python3-swiftclient"),
    Tool::new("nginx", "nginx-light"),
];

/// Starts a server of Swift with the settings of its run.
const LAUNCHER: &str = include_str!("swift_server.py");

/// Debian's Python, which alone has Debian's packages.
pub(super) const PYTHON: &str = "/usr/bin/python3";

/// The container that our keys may use, and who they are.
pub(super) const CONTAINER: &str = "packages";
pub(super) const USER: &str = "casper:rw";
pub(super) const PASSWORD: &str = "xylem-acceptance-password-of-the-store";

/// How large one object may be, bytes: what Swift has where nothing else is set.
const MAX_FILE_BYTES: u64 = (5 << 30) + 2;
/// The same in a small run, so that its large file is a large object too.
const SMALL_MAX_FILE_BYTES: u64 = 64 << 20;

/// How long it may take to start: a few seconds, on a busy machine more.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running Swift.
#[derive(Debug)]
pub(super) struct Swift {
    /// They are ended when this is dropped.
    _services: Vec<Service>,
    tools: Tools,
    authority: Authority,
    /// Where nginx speaks TLS.
    port: u16,
    /// Where Swift itself does not: for what ends TLS by itself.
    pub(super) plain_port: u16,
}

impl Swift {
    /// Starts it in a folder and makes the container. The large file of the run has so many bytes.
    pub(super) async fn start(
        tools: &Tools,
        folder: &Path,
        authority: &Authority,
        large: u64,
    ) -> anyhow::Result<Self> {
        debian::require(NEEDED)?;
        let max_file = if large > MAX_FILE_BYTES { MAX_FILE_BYTES } else { SMALL_MAX_FILE_BYTES };
        let ports = Ports::free()?;
        let files = Files::write(folder, &ports, max_file, authority)?;
        let launcher = folder.join("launcher.py");
        fs::write(&launcher, LAUNCHER)?;
        let mut services = Vec::new();
        let mut cache = Command::new("memcached");
        cache.args(["-u", "nobody", "-l", "127.0.0.1", "-p", &ports.cache.to_string()]);
        services.push(listening(cache, &folder.join("memcached.log"), ports.cache).await?);
        for (name, port) in ports.storage().into_iter().chain([("proxy", ports.proxy)]) {
            let mut command = python();
            command.arg(&launcher).arg(&files.folder);
            command.arg(format!("/usr/bin/swift-{name}-server")).arg(files.server(name));
            let log = folder.join(format!("{name}.log"));
            services.push(listening(command, &log, port).await?);
        }
        let mut edge = Command::new("nginx");
        edge.arg("-c").arg(&files.nginx).arg("-p").arg(folder);
        services.push(listening(edge, &folder.join("nginx.log"), ports.tls).await?);
        let started = Self {
            _services: services,
            tools: tools.clone(),
            authority: authority.clone(),
            port: ports.tls,
            plain_port: ports.proxy,
        };
        started.make_container().await?;
        Ok(started)
    }

    /// What lies there, by the account's owner.
    pub(super) fn container(&self) -> Container {
        let auth_url = format!("https://{HOST}:{}/auth/v1.0", self.port);
        let account = Account { auth_url, user: USER.to_owned(), password: PASSWORD.to_owned() };
        Container::new(account, CONTAINER, &self.authority)
    }

    /// Makes the container, as soon as everything behind answers.
    pub(super) async fn make_container(&self) -> anyhow::Result<()> {
        let (container, end) = (self.container(), Instant::now() + START_LIMIT);
        while let Err(error) = container.create() {
            ensure!(Instant::now() < end, "the container cannot be made: {error:#}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}

impl Store for Swift {
    fn provider(&self) -> &'static str {
        "swift"
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        let login = ["--auth", "tempauth", "--user", USER];
        let auth_url = format!("https://{HOST}:{port}/auth");
        let password = secret_file(folder, "swift", PASSWORD)?;
        swift_words(&login, &auth_url, &password, &self.authority)
    }

    fn names(&self) -> anyhow::Result<Names> {
        self.container().names()
    }

    fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.container().read_all()
    }

    fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.container().read(key)
    }
}

/// The same Swift, as an S3: keys are tempauth's user and password.
#[derive(Debug)]
pub(super) struct SwiftS3(pub(super) Swift);

impl SwiftS3 {
    /// Where the bucket is, reached through some port of this machine.
    fn place(&self, port: u16) -> Place<'_> {
        let authority = &self.0.authority;
        Place { bucket: CONTAINER, region: "us-east-1", port, authority }
    }

    fn bucket(&self) -> Bucket {
        Bucket::new(&self.0.tools, self.place(self.0.port), (USER, PASSWORD))
    }
}

impl Store for SwiftS3 {
    fn provider(&self) -> &'static str {
        "swift-s3"
    }

    fn port(&self) -> u16 {
        self.0.port
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        self.place(port).set_words(USER, &secret_file(folder, "swift-s3", PASSWORD)?)
    }

    fn names(&self) -> anyhow::Result<Names> {
        self.bucket().names()
    }

    fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.bucket().read_all()
    }

    fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.bucket().read(key)
    }
}

/// What an administrator types after `xylem cloud`, however a token is asked for.
pub(super) fn swift_words(
    login: &[&str],
    auth_url: &str,
    password: &str,
    authority: &Authority,
) -> anyhow::Result<Vec<String>> {
    let place = ["--auth-url", auth_url, "--container", CONTAINER, "--prefix", PREFIX];
    let keys = ["--password-file", password, "--ca", path(&authority.ca)?];
    let words = [&["set", "swift"], login, &place, &keys].concat();
    Ok(words.into_iter().map(str::to_owned).collect())
}

/// Debian's Python, which knows nothing of this machine's own clouds.
pub(super) fn python() -> Command {
    clean(Command::new(PYTHON))
}

/// Starts a server and waits until it listens.
async fn listening(command: Command, log: &Path, port: u16) -> anyhow::Result<Service> {
    let mut service = Service::start(command, log)?;
    service.listens(port, START_LIMIT).await?;
    Ok(service)
}
