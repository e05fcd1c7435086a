//! Commands that run a role of the system.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `xylem up`.
#[derive(Debug, Args)]
pub struct UpOptions {
    /// Folder for everything; made where missing
    #[arg(long)]
    pub data: PathBuf,
    /// Where the management server listens
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// Where the root distribution server listens
    #[arg(long, default_value = "127.0.0.1:8444")]
    pub distribution_listen: SocketAddr,
    /// How others reach the management server; https://localhost and the port where left out
    #[arg(long)]
    pub public_url: Option<String>,
    /// Who runs this system; stands in the root certificate
    #[arg(long, default_value = "Xylem")]
    pub organization: String,
}

/// `xylem server …`
#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    /// Make keys, certificates, database and the first API token
    Init {
        /// Settings; see config/server.toml
        #[arg(long)]
        config: PathBuf,
    },
    /// Run
    Run {
        /// Settings; see config/server.toml
        #[arg(long)]
        config: PathBuf,
    },
    /// Check the settings and report all that is wrong with them
    CheckConfig {
        /// Settings; see config/server.toml
        #[arg(long)]
        config: PathBuf,
    },
    /// Write database and keys into one file; works while the server runs
    Backup {
        /// Settings; see config/server.toml
        #[arg(long)]
        config: PathBuf,
        /// The file to write; it holds keys, so keep it safe
        file: PathBuf,
    },
    /// Bring a backup back into an empty data folder
    Restore {
        /// Settings; see config/server.toml
        #[arg(long)]
        config: PathBuf,
        /// The backup
        file: PathBuf,
    },
}

/// `xylem distribution …`
#[derive(Debug, Subcommand)]
pub enum DistributionCommand {
    /// Join a management server
    Enroll {
        /// Address of the management server: https://HOST[:PORT]
        #[arg(long)]
        server: String,
        /// The invitation's code, from `xylem invite distribution`
        #[arg(long)]
        invitation: String,
        /// Folder for identity, state and content; made where missing
        #[arg(long)]
        data: PathBuf,
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// How computers and children reach it; made of this machine's name and the port where
        /// left out
        #[arg(long)]
        public_url: Option<String>,
        /// Display name; this machine's name where left out
        #[arg(long)]
        name: Option<String>,
        /// The server's root certificate in PEM
        #[arg(long, conflicts_with = "fingerprint", required_unless_present = "fingerprint")]
        ca: Option<PathBuf>,
        /// SHA-256 of the server's root certificate
        #[arg(long)]
        fingerprint: Option<String>,
    },
    /// Run
    Run {
        /// The folder given at enrollment
        #[arg(long)]
        data: PathBuf,
        /// Do not check each byte against its digest when serving: for slow machines. Whoever
        /// fetches still checks
        #[arg(long)]
        scrub_only: bool,
        /// Take the port over from the program that runs on this folder: a restart that fails no
        /// download. That program ends once its last answer has been sent
        #[arg(long)]
        take_over: bool,
        /// Write a line for each answer to this file, in the combined log format
        #[arg(long, value_name = "FILE")]
        access_log: Option<PathBuf>,
    },
    /// Take files that are already there instead of fetching them
    ///
    /// Whatever the folder has of what this server is to hold and lacks is copied, by digest:
    /// names mean nothing. The server must not be running. Start it afterwards: it fetches the
    /// rest.
    Seed {
        /// The folder: the share of an old server, a disk that was carried here
        folder: PathBuf,
        /// The folder given at enrollment
        #[arg(long)]
        data: PathBuf,
    },
    /// Say what it holds
    Status {
        /// The folder given at enrollment
        #[arg(long)]
        data: PathBuf,
    },
}
