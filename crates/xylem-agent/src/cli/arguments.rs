//! What may be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use xylem_client::BaseUrl;
use xylem_model::FileName;
use xylem_pki::Fingerprint;

/// The program of a managed Mac: checks in with the management server, fetches packages from the
/// nearest distribution server, verifies and installs them.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 64 wrong configuration.
#[derive(Debug, Parser)]
#[command(name = "xylem-agent", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join: turn an invitation into an identity of this computer's own
    Enroll(Enroll),
    /// Check in again and again, as often as the management server asks, until told to stop
    Run(OnTarget),
    /// Check in once and carry out what is ordered
    CheckIn(CheckIn),
    /// Fetch a package into a file, verified; nothing is installed
    Fetch(Fetch),
    /// Run as a service of this system from now on, as root
    Install(InstallService),
    /// End that service and take it away; what it keeps stays
    Uninstall(UninstallService),
    /// Show what this computer is, and the receipts of what was installed
    Inventory(Inventory),
}

/// Where the agent keeps its things.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Folder in which the agent keeps identity, state and cache
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// How the management server is recognised before the invitation is sent to it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Recognition {
    /// File with the server's root certificate, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// SHA-256 of the server's root certificate, as the management server shows it
    #[arg(long, value_name = "SHA256")]
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// `enroll`.
#[derive(Debug, Args)]
pub(crate) struct Enroll {
    /// Address of the management server: https://HOST[:PORT]
    #[arg(long, value_name = "URL")]
    pub(crate) server: BaseUrl,
    /// Code of the invitation
    #[arg(long, value_name = "CODE", env = "XYLEM_INVITATION", hide_env_values = true)]
    pub(crate) invitation: String,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) anchor: Recognition,
    /// Name of this computer; its host name where left out
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `run`, and the part of `check-in` that it shares.
#[derive(Debug, Args)]
pub(crate) struct OnTarget {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Folder or mounted volume to install to; the running system where left out on macOS
    #[arg(long, value_name = "DIR")]
    pub(crate) target: Option<PathBuf>,
}

/// `install`.
#[derive(Debug, Args)]
pub(crate) struct InstallService {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Only write the file below this folder, and start nothing: for packages and images
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

/// `uninstall`.
#[derive(Debug, Args)]
pub(crate) struct UninstallService {
    /// Remove what the agent keeps there too: identity, state and cache
    #[arg(long, value_name = "DIR", conflicts_with = "root")]
    pub(crate) purge: Option<PathBuf>,
    /// Look below this folder, and end nothing
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

/// `check-in`.
#[derive(Debug, Args)]
pub(crate) struct CheckIn {
    #[command(flatten)]
    pub(crate) on: OnTarget,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `fetch`.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Name of the package
    pub(crate) name: FileName,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `inventory`.
#[derive(Debug, Args)]
pub(crate) struct Inventory {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Folder or mounted volume whose receipts are listed
    #[arg(long, value_name = "DIR")]
    pub(crate) target: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn usage_error(line: &str) -> bool {
        let arguments = ["xylem-agent"].into_iter().chain(line.split(' '));
        Arguments::try_parse_from(arguments).is_err_and(|error| error.exit_code() == 2)
    }

    #[test]
    fn the_commands_keep_their_shape() {
        Arguments::command().debug_assert();
        let fingerprint = "ab".repeat(32);
        for line in [
            "enroll --server https://a --invitation X --data d --ca ca.pem",
            &format!(
                "enroll --server https://a --invitation X --data d --fingerprint {fingerprint} --name n --json"
            ),
            "run --data d",
            "run --data d --target /r",
            "check-in --data d --target r --json",
            "fetch A.pkg -o f --data d",
            "fetch A.pkg --output f --data d --json",
            "inventory --data d",
            "inventory --data d --target r --json",
        ] {
            assert!(!usage_error(line), "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_told_apart_from_failure() {
        for line in [
            "",
            "enroll --server https://a --invitation X --data d",
            "enroll --server https://a --invitation X --data d --ca c --fingerprint 00",
            "enroll --server http://a --invitation X --data d --ca c",
            "enroll --server https://a --invitation X --data d --fingerprint 00",
            "run",
            "fetch a/b -o f --data d",
            "fetch A.pkg --data d",
        ] {
            assert!(usage_error(line), "{line}");
        }
    }
}
