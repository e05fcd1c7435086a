//! Debian packages that benches need.

use std::process::Command;

use anyhow::bail;

use crate::shell::{finish, run};

/// A program, the Debian package that brings it, and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    program: &'static str,
    package: &'static str,
}

/// Rooms of namespaces, and our own metrics.
pub const ROOM: &[Tool] = &[
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "tc", package: "iproute2" },
    Tool { program: "curl", package: "curl" },
];

/// The peers. `nginx-light` starts nothing where no init system runs.
pub const PEERS: &[Tool] = &[
    Tool { program: "curl", package: "curl" },
    Tool { program: "nginx", package: "nginx-light" },
    Tool { program: "openssl", package: "openssl" },
    Tool { program: "rclone", package: "rclone" },
    Tool { program: "rsync", package: "rsync" },
    Tool { program: "stunnel", package: "stunnel4" },
    Tool { program: "/usr/bin/time", package: "time" },
];

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
