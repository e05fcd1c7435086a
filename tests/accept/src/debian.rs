//! A minimal Debian, made by mmdebstrap, that holds only Rust, a C compiler and git.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::run::{project, run};

/// What the machine holds beside Rust. `ca-certificates` is what lets git and cargo reach out.
const INCLUDE: &str = "gcc,libc6-dev,git,ca-certificates";

/// Most minutes from clone to the demo's table, and for the tests.
const DEMO_LIMIT_MINUTES: u64 = 10;
const TEST_LIMIT_MINUTES: u64 = 30;

/// Runs the README's two commands on a fresh machine; prints how long each took.
pub(crate) fn two_commands() -> anyhow::Result<()> {
    let machine = Machine::make()?;
    let begun = Instant::now();
    machine.shell("git clone --quiet /source /root/xylem")?;
    machine.shell("cd /root/xylem && cargo xtask demo")?;
    let demo = begun.elapsed().as_secs();
    let begun = Instant::now();
    let tests = machine.shell("cd /root/xylem && cargo xtask test")?;
    let took = begun.elapsed().as_secs();
    let tally = tests.lines().rev().find(|line| line.contains(" passed, ")).unwrap_or("no tally");
    println!("MAIN-JOB fresh-debian clone_to_table_s={demo} tests_s={took} tests=\"{tally}\"");
    ensure!(demo <= DEMO_LIMIT_MINUTES * 60, "the demo took longer than {DEMO_LIMIT_MINUTES} min");
    ensure!(took <= TEST_LIMIT_MINUTES * 60, "tests took longer than {TEST_LIMIT_MINUTES} min");
    Ok(())
}

/// Where the host's Rust is. In the machine it is at the same place: toolchains may be linked to
/// one another by absolute paths.
struct Rust {
    rustup: PathBuf,
    cargo: PathBuf,
}

impl Rust {
    fn installed() -> anyhow::Result<Self> {
        let home = std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
        let place = |name: &str, folder: &str| {
            std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from)
        };
        Ok(Self { rustup: place("RUSTUP_HOME", ".rustup"), cargo: place("CARGO_HOME", ".cargo") })
    }
}

/// The same path, to be looked for below another root.
fn inside(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

/// A folder to chroot into, with what is mounted there.
struct Machine {
    root: tempfile::TempDir,
    mounted: Vec<PathBuf>,
}

impl Machine {
    fn make() -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("xylem-debian-").tempdir()?;
        let mut make = Command::new("mmdebstrap");
        make.args(["--variant=apt", "--include", INCLUDE, "bookworm"]).arg(root.path());
        // The host's sources, so that the machine asks whom the host asks.
        let sources = ["/etc/apt/sources.list", "/etc/apt/sources.list.d"];
        for source in sources.iter().filter(|path| has_sources(Path::new(path))) {
            if Path::new(source).is_file() {
                make.arg(source);
            } else {
                for entry in fs::read_dir(source)? {
                    make.arg(entry?.path());
                }
            }
        }
        run(&mut make)?.require("mmdebstrap")?;
        let mut machine = Self { root, mounted: Vec::new() };
        // A machine's root is a mount: without that, nothing in there could unshare its mounts.
        let itself = machine.root.path().to_owned();
        machine.bind(&itself, "", false)?;
        machine.furnish()?;
        Ok(machine)
    }

    /// The installed toolchain and the host's way to the package registries, from outside.
    fn furnish(&mut self) -> anyhow::Result<()> {
        let Rust { rustup, cargo } = Rust::installed()?;
        self.bind(&rustup, &inside(&rustup), true)?;
        self.bind(&cargo.join("bin"), &inside(&cargo.join("bin")), true)?;
        self.bind(&project()?, "source", true)?;
        self.bind(Path::new("/proc"), "proc", false)?;
        self.bind(Path::new("/sys"), "sys", false)?;
        self.bind(Path::new("/dev"), "dev", false)?;
        // The one file that holds all certificates: the folder beside it is full of absolute links,
        // and packages write into it.
        let certificates = "/etc/ssl/certs/ca-certificates.crt";
        for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/apt/apt.conf", certificates] {
            if Path::new(file).is_file() {
                fs::copy(file, self.root.path().join(file.trim_start_matches('/')))?;
            }
        }
        let (from, to) = ("/etc/apt/apt.conf.d", self.root.path().join("etc/apt/apt.conf.d"));
        if Path::new(from).is_dir() {
            run(Command::new("cp").arg("-aL").arg(format!("{from}/.")).arg(to))?.require("cp")?;
        }
        let config = cargo.join("config.toml");
        if config.is_file() {
            fs::copy(config, self.root.path().join(inside(&cargo)).join("config.toml"))?;
        }
        Ok(())
    }

    fn bind(&mut self, from: &Path, to: &str, read_only: bool) -> anyhow::Result<()> {
        let at = self.root.path().join(to);
        fs::create_dir_all(&at)?;
        run(Command::new("mount").arg("--rbind").arg(from).arg(&at))?.require("mount")?;
        self.mounted.push(at.clone());
        if read_only {
            run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&at))?
                .require("mount")?;
        }
        Ok(())
    }

    /// Runs a line in the machine, with the host's settings for its package clients.
    fn shell(&self, line: &str) -> anyhow::Result<String> {
        let Rust { rustup, cargo } = Rust::installed()?;
        let mut command = Command::new("chroot");
        command.arg(self.root.path()).args(["/bin/bash", "-c", line]);
        command.env("HOME", "/root").env("CARGO_HOME", &cargo).env("RUSTUP_HOME", &rustup);
        command
            .env("PATH", format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", cargo.display()))
            .env("LANG", "C.UTF-8");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("TMPDIR");
        command.env_remove("RUSTUP_TOOLCHAIN");
        // A clone of a folder that another user owns, seen from inside.
        command.env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
        Ok(run(&mut command)?.require(line)?.stdout)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for at in self.mounted.iter().rev() {
            // Lazily: something in there may still be ending.
            let _ = Command::new("umount").args(["-R", "-l"]).arg(at).status();
        }
    }
}

fn has_sources(path: &Path) -> bool {
    path.is_file() || path.read_dir().is_ok_and(|mut entries| entries.next().is_some())
}
