//! A machine room: hosts as network namespaces, links of a known rate between them.
//!
//! ```text
//!   hub ═══ bridge ══════╤═══════════╤══════════╗      unshaped: management server, uploads
//!   10.77.0.1      10.77.0.10   10.77.0.11   10.77.0.12
//!                      root ──────── a ──────── b      shaped, both ways: the content links
//! address of each   10.78.0.10   10.78.0.11   10.78.0.12
//! ```
//!
//! Each host has one address at which it serves. Whoever has a link to it reaches it over that
//! link; other hosts do not reach it at all, and the hub reaches everybody over the bridge. So no
//! byte of content can take a way that is not shaped. All interfaces are in namespaces of the
//! run's own; the machine's own network is not touched. Links have a rate but no delay: this needs
//! only the token bucket (`sch_tbf`), which every kernel has.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::scratch::{PREFIX, is_orphan};
use crate::shell::{finish, require_root, run};

/// Where `ip netns` keeps namespaces by name.
const NAMESPACES: &str = "/run/netns";

/// The last part of the first host's addresses; lower ones are the hub's.
const FIRST_HOST: u8 = 10;

/// Most hosts in one room: what fits into the last part of an address.
const MAX_HOSTS: usize = 200;

/// How the interfaces of links are called.
const LINK: &str = "link";

/// Bytes that may leave a link at once. A few of the kernel's 64 KiB segments, or it cuts them.
const BURST: &str = "256kb";

/// How much a link's buffer holds: 50 ms, as a small router has.
const QUEUE: &str = "50ms";

/// One host: the machine itself, or a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    namespace: Option<String>,
    address: Ipv4Addr,
}

impl Host {
    /// This very machine, on its loopback interface.
    pub fn loopback() -> Self {
        Self { name: "loopback".to_owned(), namespace: None, address: Ipv4Addr::LOCALHOST }
    }

    /// The address at which it serves.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Where its programs listen: everywhere in a namespace, or on the loopback interface alone.
    pub const fn listen_on(&self) -> Ipv4Addr {
        if self.namespace.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST }
    }

    /// The words before a program's own that make it run here.
    pub fn words_before(&self) -> Vec<&str> {
        match &self.namespace {
            // `ip` becomes the program, so the process id is the program's own.
            Some(namespace) => vec!["ip", "netns", "exec", namespace],
            None => Vec::new(),
        }
    }

    /// A command that runs here.
    pub fn command(&self, program: &str) -> Command {
        let before = self.words_before();
        match before.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }

    /// Does something on a thread that is on this host, with a runtime of its own: whatever it
    /// connects, listens on or starts is here.
    ///
    /// # Errors
    /// When the thread cannot go there, and when `work` fails.
    pub fn inside<T: Send>(
        &self,
        work: impl AsyncFnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let doing = || {
            self.enter()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    done = work() => done,
                    interrupted = tokio::signal::ctrl_c() => {
                        interrupted?;
                        bail!("interrupted")
                    }
                }
            })
        };
        let done = std::thread::scope(|scope| scope.spawn(doing).join());
        // The panic has been printed already.
        done.unwrap_or_else(|_| bail!("the work on {} broke down", self.name))
    }

    /// Bytes that have come in over links so far, with all headers.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn bytes_received(&self) -> anyhow::Result<u64> {
        let file = "/proc/net/dev";
        let text = finish(self.command("cat").arg(file), file)?;
        let received = text.lines().filter_map(|line| {
            let (device, figures) = line.trim().split_once(':')?;
            let first = figures.split_whitespace().next()?;
            device.starts_with(LINK).then(|| first.parse::<u64>().ok())?
        });
        Ok(received.sum())
    }

    fn enter(&self) -> anyhow::Result<()> {
        let Some(namespace) = &self.namespace else { return Ok(()) };
        let file = File::open(Path::new(NAMESPACES).join(namespace))
            .with_context(|| format!("no namespace {namespace}"))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("cannot enter the namespace {namespace}"))
    }

    fn words(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

/// The hosts of a run. They end, with all that runs on them, when it is dropped.
#[derive(Debug)]
pub struct Room {
    hub: Host,
    hosts: Vec<Host>,
    links: u8,
}

impl Room {
    /// A room with only its hub, after removing what killed runs left behind.
    ///
    /// # Errors
    /// When we are not root, or the kernel lacks something.
    pub fn open() -> anyhow::Result<Self> {
        require_root("a room of network namespaces")?;
        sweep()?;
        let address = Ipv4Addr::new(10, 77, 0, 1);
        let hub = add_namespace("hub", address)?;
        let room = Self { hub, hosts: Vec::new(), links: 0 };
        let space = room.hub.words();
        run(&format!("ip -n {space} link add bridge type bridge"))?;
        run(&format!("ip -n {space} address add {address}/24 dev bridge"))?;
        run(&format!("ip -n {space} link set bridge up"))?;
        Ok(room)
    }

    /// Where the management server and the run itself are.
    pub const fn hub(&self) -> &Host {
        &self.hub
    }

    /// Adds a host, which reaches the hub and nobody else so far.
    ///
    /// # Errors
    /// When the room is full, or the kernel refuses.
    pub fn host(&mut self, name: &str) -> anyhow::Result<Host> {
        ensure!(self.hosts.len() < MAX_HOSTS, "a room has at most {MAX_HOSTS} hosts");
        let number = FIRST_HOST + u8::try_from(self.hosts.len())?;
        let host = add_namespace(name, Ipv4Addr::new(10, 78, 0, number))?;
        // At once, so that it goes away with the room whatever fails now.
        self.hosts.push(host.clone());
        let (space, hub, address) = (host.words(), self.hub.words(), host.address);
        run(&format!("ip -n {space} address add {address}/32 dev lo"))?;
        run(&format!("ip -n {space} link add hub type veth peer name host{number} netns {hub}"))?;
        run(&format!("ip -n {hub} link set host{number} master bridge up"))?;
        run(&format!("ip -n {space} address add 10.77.0.{number}/24 dev hub"))?;
        run(&format!("ip -n {space} link set hub up"))?;
        run(&format!("ip -n {hub} route add {address}/32 via 10.77.0.{number}"))?;
        Ok(host)
    }

    /// Joins two hosts by a link that carries this many Mbit/s each way, or all it can.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn link(&mut self, one: &Host, other: &Host, mbit: Option<u32>) -> anyhow::Result<()> {
        let number = self.links;
        self.links = number.checked_add(1).context("a room has at most 255 links")?;
        let (a, b) = (one.words(), other.words());
        let device = format!("{LINK}{number}");
        run(&format!("ip -n {a} link add {device} type veth peer name {device} netns {b}"))?;
        for (space, end) in [(a, 1), (b, 2)] {
            run(&format!("ip -n {space} address add 10.79.{number}.{end}/30 dev {device}"))?;
            run(&format!("ip -n {space} link set {device} up"))?;
            if let Some(mbit) = mbit {
                run(&format!(
                    "tc -n {space} qdisc add dev {device} root tbf rate {mbit}mbit burst {BURST} \
                     latency {QUEUE}"
                ))?;
            }
        }
        run(&format!("ip -n {a} route add {}/32 via 10.79.{number}.2", other.address))?;
        run(&format!("ip -n {b} route add {}/32 via 10.79.{number}.1", one.address)).map(drop)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for host in self.hosts.iter().chain([&self.hub]) {
            // What cannot be removed now is removed by the next run.
            let _ = remove_namespace(host.words());
        }
    }
}

fn add_namespace(name: &str, address: Ipv4Addr) -> anyhow::Result<Host> {
    let namespace = format!("{PREFIX}{}-{name}", std::process::id());
    run(&format!("ip netns add {namespace}"))?;
    run(&format!("ip -n {namespace} link set lo up"))?;
    Ok(Host { name: name.to_owned(), namespace: Some(namespace), address })
}

fn remove_namespace(namespace: &str) -> anyhow::Result<()> {
    for pid in run(&format!("ip netns pids {namespace}"))?.lines() {
        let pid = pid.trim().parse::<i32>().ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    run(&format!("ip netns delete {namespace}")).map(drop)
}

fn sweep() -> anyhow::Result<()> {
    for line in run("ip netns list")?.lines() {
        if let Some(name) = line.split_whitespace().next().filter(|name| is_orphan(name)) {
            remove_namespace(name)?;
        }
    }
    Ok(())
}
