//! Running as a service: what systemd and launchd are told, and putting it in place.
//!
//! A [`Service`] is what is run, as whom, and what it may write. [`systemd_unit`] and
//! [`launchd_plist`] say it to the two; [`install`] writes the file and starts the service,
//! [`uninstall`] ends it and takes the file away. Data stays unless it is asked for.
//!
//! The units give away what a program of ours never needs: `systemd-analyze security` rates them at
//! 2.0 at most (`cargo xtask accept tree --only services`).

mod launchd;
mod place;
mod systemd;

use std::path::PathBuf;

pub use launchd::launchd_plist;
pub use place::{Installed, Manager, ServiceError, Uninstalled, install, uninstall};
pub use systemd::systemd_unit;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The management server.
    Server,
    /// A distribution server.
    Distribution,
    /// The agent of a managed Mac.
    Agent,
}

impl Role {
    /// The name of its unit, without `.service`.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Server => "xylem-server",
            Self::Distribution => "xylem-distribution",
            Self::Agent => "xylem-agent",
        }
    }

    /// Its label with launchd.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Server => "org.xylem.server",
            Self::Distribution => "org.xylem.distribution",
            Self::Agent => "org.xylem.agent",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Server => "Xylem management server",
            Self::Distribution => "Xylem distribution server",
            Self::Agent => "Xylem agent",
        }
    }
}

/// What the operating system is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Which part of the system it is.
    pub role: Role,
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The folder it keeps everything in.
    pub data: PathBuf,
    /// Other folders it writes to.
    pub also_writes: Vec<PathBuf>,
    /// As whom it runs. The agent runs as root: it installs packages.
    pub user: String,
    /// Whether it listens on a port below 1024, which takes a right of its own.
    pub has_low_port: bool,
}
