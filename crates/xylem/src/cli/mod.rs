//! What can be typed.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

mod account;
mod administer;
mod ca;
mod certificate;
mod cloud;
mod cloud_swift;
mod migrate;
mod role;
mod script;
mod service;

pub use account::{AccountCommand, AddAccountOptions};
pub(crate) use administer::duration;
pub use administer::{
    AccessOptions, Administer, AuditOptions, CategoryOrSite, ComputerCommand, DsCommand,
    FileCommand, HandOverOptions, IndexOptions, InstallOptions, InviteOptions, InviteRole,
    ManifestOptions, PrincipalCommand, SelectOptions, TokenCommand, UploadCommand, UploadOptions,
};
pub use ca::CaCommand;
pub use certificate::{CertificateCommand, ChainOptions, DsCertificateCommand};
pub(crate) use cloud::bytes;
pub use cloud::{
    AkamaiKeys, AkamaiPlace, CloudCommand, CommonOptions, EstimateOptions, FolderPlace,
    PolicyProvider, ProviderKeys, S3Keys, S3Place, SetProvider,
};
pub use cloud_swift::{RackspaceKeys, RackspacePlace, SwiftAuthKind, SwiftKeys, SwiftPlace};
pub use migrate::MigrateOptions;
pub use role::{DistributionCommand, ServerCommand, UpOptions};
pub use script::{DeclareOptions, ScriptCommand, UploadScriptOptions};
pub use service::{InstallService, ServiceCommand, ServiceManager, ServiceRole, UninstallService};

/// Package distribution for fleets of Macs.
#[derive(Debug, Parser)]
#[command(name = "xylem", version, propagate_version = true, max_term_width = 100)]
pub struct Options {
    /// How to reach the management server.
    #[command(flatten)]
    pub access: AccessOptions,
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole system on this machine, from nothing to an installed package
    Demo(DemoOptions),
    /// Run management server and root distribution server in one process
    Up(UpOptions),
    /// Run and keep a management server
    #[command(subcommand)]
    Server(ServerCommand),
    /// Run and keep a distribution server
    #[command(subcommand)]
    Distribution(DistributionCommand),
    /// Run servers of this machine as services of systemd or launchd
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Remember a management server and a token for later commands
    Login(LoginOptions),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write man pages into a folder
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Print the OpenAPI document of the management server's API
    #[command(hide = true)]
    Openapi,
    /// Inspect the file on standard input: what an ingest server runs in a child process
    #[command(hide = true)]
    InspectStdin,
    /// The administrator's commands.
    #[command(flatten)]
    Administer(Administer),
}

/// Options of `xylem demo`.
#[derive(Debug, Args)]
pub struct DemoOptions {
    /// Flat packages to publish; without any a genuine one is built
    pub files: Vec<PathBuf>,
    /// Leave the system running and say how to go on
    #[arg(long)]
    pub keep: bool,
    /// Where to put everything; a new temporary folder where left out
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Build and publish a package of this size in MiB
    #[arg(long, value_name = "MIB")]
    pub size: Option<u64>,
}

/// Options of `xylem login`.
#[derive(Debug, Args)]
pub struct LoginOptions {
    /// Address of the management server: https://HOST[:PORT]
    pub url: String,
    /// File that holds an API token
    #[arg(long)]
    pub token_file: PathBuf,
    /// The server's root certificate in PEM
    #[arg(long, conflicts_with = "fingerprint", required_unless_present = "fingerprint")]
    pub ca: Option<PathBuf>,
    /// SHA-256 of the server's root certificate
    #[arg(long)]
    pub fingerprint: Option<String>,
}

/// Writes the completions of a shell.
pub fn completions(shell: Shell, text: &mut Vec<u8>) {
    clap_complete::generate(shell, &mut Options::command(), "xylem", text);
}

/// Writes a man page for each command into a folder.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn man_pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Options::command(), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn every_command_gets_a_man_page() {
        let folder = tempfile::tempdir().unwrap();
        man_pages(folder.path()).unwrap();
        for page in ["xylem.1", "xylem-package-upload.1", "xylem-distribution-enroll.1"] {
            assert!(folder.path().join(page).exists(), "{page}");
        }
    }

    #[test]
    fn the_shapes_that_others_rely_on_parse() {
        for line in [
            "demo",
            "demo a.pkg b.pkg --keep",
            "up --data d --listen 127.0.0.1:8443 --distribution-listen 127.0.0.1:9443 --public-url https://x",
            "server init --config c",
            "server run --config c",
            "server check-config --config c",
            "server backup --config c file",
            "server restore --config c file",
            "distribution enroll --server https://x --invitation C --data d --listen 0.0.0.0:9443 --public-url https://y --name n --ca f",
            "distribution enroll --server https://x --invitation C --data d --listen 0.0.0.0:9443 --fingerprint aa",
            "distribution run --data d",
            "distribution status --data d --json",
            "package upload a b --replace --copies 2",
            "package upload a --priority urgent",
            "package upload a --test",
            "package promote n",
            "package promote n 7",
            "package rollback n",
            "package list --json",
            "package show n",
            "package download n -o f",
            "package delete n",
            "package restore n",
            "package index n",
            "package index n --search t --version 3 --json",
            "package manifest n --server s --hours 5 --md5 --plist",
            "app manifest n",
            "package placement n",
            "package placement n --watch",
            "package wait n --on all --timeout 60s",
            "package wait n --on s1 s2",
            "app list",
            "ebook list",
            "script list",
            "script list --deleted --json",
            "script show n",
            "script show n --version 3",
            "script show n --about",
            "script upload a b --replace --category c --priority before --os >=13",
            "script upload a --name n --label 4=Server --label 5=Share --comment c",
            "script edit n",
            "script edit n --new --comment c",
            "script history n",
            "script diff n",
            "script diff n 1",
            "script diff n 1 2",
            "script restore n 1",
            "script restore n",
            "script delete n",
            "script set n name=m label.4=Server",
            "script settings",
            "script settings change-contents=editor-only",
            "install p --on c",
            "install p --on c --test",
            "invite distribution --site S --uses 3 --expires 1h",
            "invite computer",
            "ds list",
            "ds show n",
            "ds set n name=x public-url=https://y site=S",
            "ds set n parents=a,b policy=sticky",
            "ds set-parent n p",
            "ds remove n",
            "ds set n open-to-all=on",
            "ds account add n u --read",
            "ds account add n u --write --json",
            "ds account list n",
            "ds account remove n u",
            "ds account rotate n u",
            "ds account rotate n u --finish",
            "cloud set s3 --bucket b --region r --key-id k --secret-file f",
            "cloud set s3 --bucket b --region r --endpoint https://h --prefix p --path-style --key-id k --secret-file f --ca f --url-lifetime 20m --offer before-root --replace",
            "cloud set s3 --bucket b --region r --cloudfront https://d --key-pair K --distribution D --hash sha1 --key-id k --secret-file f --private-key-file f",
            "cloud set akamai --upload-host https://h --account a --cp-code 5 --delivery-url https://d --key-file f --token-secret-file f",
            "cloud set swift --auth tempauth --auth-url https://h --user a:b --container c --password-file f",
            "cloud set swift --auth keystone3-password --auth-url https://h --user u --project p --container c --region r --prefix p --key-scope container --password-file f",
            "cloud set swift --auth keystone3-application --auth-url https://h --credential-id i --container c --password-file f",
            "cloud set rackspace --user u --region ORD --container c --api-key-file f --public --ttl 1h",
            "cloud set folder --prefix p --adopt",
            "cloud policy folder",
            "cloud keys swift --password-file f",
            "cloud keys rackspace --api-key-file f",
            "cloud policy rackspace --user u --region ORD --container c",
            "cloud show --json",
            "cloud change bucket=b prefix=",
            "cloud keys s3 --key-id k --secret-file f",
            "cloud test",
            "cloud policy",
            "cloud policy s3 --bucket b --region r",
            "cloud remove",
            "cloud remove --former",
            "site list",
            "site add n",
            "site set n name=m",
            "site remove n",
            "category list",
            "computer list",
            "computer show n",
            "computer remove n",
            "completions bash",
        ] {
            let words = std::iter::once("xylem").chain(line.split_whitespace());
            Options::try_parse_from(words).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn a_version_for_testing_is_not_waited_for_by_copies_of_the_other() {
        let line = "xylem package upload a --test --copies 2";
        assert!(Options::try_parse_from(line.split_whitespace()).is_err(), "{line}");
    }

    #[test]
    fn an_account_is_added_with_one_access_and_a_name_that_every_tool_can_write() {
        for line in
            ["ds account add n u", "ds account add n u --read --write", "ds account add n ü --read"]
        {
            let words = std::iter::once("xylem").chain(line.split_whitespace());
            assert!(Options::try_parse_from(words).is_err(), "{line}");
        }
    }
}
