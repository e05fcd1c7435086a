//! Debian packages that benches and acceptances need.

use std::process::Command;

use anyhow::bail;

use crate::shell::{finish, run};

/// A program, and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    program: &'static str,
    package: &'static str,
}

impl Tool {
    /// A program, by its name or its whole path, and the package that brings it.
    pub const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package }
    }
}

/// Rooms of namespaces, and our own metrics.
pub const ROOM: &[Tool] =
    &[Tool::new("ip", "iproute2"), Tool::new("tc", "iproute2"), Tool::new("curl", "curl")];

/// The peers. `nginx-light` starts nothing where no init system runs.
pub const PEERS: &[Tool] = &[
    Tool::new("curl", "curl"),
    Tool::new("nginx", "nginx-light"),
    Tool::new("openssl", "openssl"),
    Tool::new("rclone", "rclone"),
    Tool::new("rsync", "rsync"),
    Tool::new("stunnel", "stunnel4"),
    Tool::new("/usr/bin/time", "time"),
];

/// Clients that ask for much.
pub const CLIENTS: &[Tool] = &[Tool::new("ab", "apache2-utils"), Tool::new("curl", "curl")];

/// Makes sure that these are there: installs what is missing where we may, and otherwise says
/// what to type.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn require(tools: &[Tool]) -> anyhow::Result<()> {
    let mut missing: Vec<&str> =
        tools.iter().filter(|tool| !is_there(tool)).map(|tool| tool.package).collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !rustix::process::geteuid().is_root() {
        bail!("please run: sudo apt-get install -y --no-install-recommends {packages}");
    }
    println!("installing: {packages}");
    run("apt-get update")?;
    let line = format!("apt-get install -y --no-install-recommends {packages}");
    let mut install = Command::new("apt-get");
    install.args(line.split_whitespace().skip(1)).env("DEBIAN_FRONTEND", "noninteractive");
    finish(&mut install, &line).map(drop)
}

fn is_there(tool: &Tool) -> bool {
    // Where an administrator's programs are, which is not on everybody's path.
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    folders.map(std::path::Path::new).any(|folder| folder.join(tool.program).exists())
}
