//! `xylem service …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Running as a service of systemd or launchd.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Install a server of this machine as a service, and start it
    Install(InstallService),
    /// End a service and take it away; its data stays
    Uninstall(UninstallService),
    /// Print what systemd or launchd would be told
    Print {
        /// The service
        #[command(flatten)]
        service: InstallService,
        /// For whom; the one of this system where left out
        #[arg(long = "for")]
        manager: Option<ServiceManager>,
    },
}

/// Who runs services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceManager {
    /// Linux
    Systemd,
    /// macOS
    Launchd,
}

/// Which of the programs is a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceRole {
    /// The management server
    Server,
    /// A distribution server
    Distribution,
}

/// What is installed.
#[derive(Debug, Args)]
pub struct InstallService {
    /// Which of the programs
    pub role: ServiceRole,
    /// Settings of the management server; see config/server.toml
    #[arg(long, required_if_eq("role", "server"))]
    pub config: Option<PathBuf>,
    /// The folder given at enrollment of the distribution server
    #[arg(long, required_if_eq("role", "distribution"))]
    pub data: Option<PathBuf>,
    /// Where a distribution server writes a line for each answer
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// As whom it runs; made where missing, on Linux
    #[arg(long)]
    pub user: Option<String>,
    /// Only write the file below this folder, and start nothing: for packages and images
    #[arg(long)]
    pub root: Option<PathBuf>,
}

/// What is taken away.
#[derive(Debug, Args)]
pub struct UninstallService {
    /// Which of the programs
    pub role: ServiceRole,
    /// Remove its data folder too, with everything in it
    #[arg(long, value_name = "DATA", conflicts_with = "root")]
    pub purge: Option<PathBuf>,
    /// Look below this folder, and end nothing
    #[arg(long)]
    pub root: Option<PathBuf>,
}
