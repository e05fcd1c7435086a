//! The administrator's commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use xylem_model::{InvitationId, Priority, TokenId, UploadId};

use super::account::AccountCommand;
use super::ca::CaCommand;
use super::certificate::{CertificateCommand, DsCertificateCommand};
use super::cloud::CloudCommand;
use super::migrate::MigrateOptions;
use super::script::ScriptCommand;

/// How to reach the management server: by options, by environment, or by `xylem login`.
#[derive(Debug, Clone, Args)]
pub struct AccessOptions {
    /// Address of the management server
    #[arg(long, global = true, env = "XYLEM_SERVER", value_name = "URL", hide_env_values = true)]
    pub server_url: Option<String>,
    /// API token
    #[arg(long, global = true, env = "XYLEM_TOKEN", hide_env_values = true, hide = true)]
    pub token: Option<String>,
    /// File that holds an API token
    #[arg(long, global = true, env = "XYLEM_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// The server's root certificate in PEM
    #[arg(long = "ca-file", global = true, env = "XYLEM_CA", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
}

/// Commands that talk to a management server.
#[derive(Debug, Subcommand)]
pub enum Administer {
    /// Upload packages and see where they are
    #[command(subcommand)]
    Package(FileCommand),
    /// Upload in-house apps and see where they are
    #[command(subcommand)]
    App(FileCommand),
    /// Upload books and see where they are
    #[command(subcommand)]
    Ebook(FileCommand),
    /// Move in from a file share, a Munki repository or a folder
    Migrate(MigrateOptions),
    /// Uploads under way
    #[command(subcommand)]
    Upload(UploadCommand),
    /// Scripts, which are kept in the database
    #[command(subcommand)]
    Script(ScriptCommand),
    /// Order a computer to install a package
    Install(InstallOptions),
    /// Make a code with which a distribution server or a computer joins
    Invite(InviteOptions),
    /// Codes that can still be used
    Invitations,
    /// Take a code back
    RevokeInvitation {
        /// Its id, from `xylem invitations`
        id: InvitationId,
    },
    /// Distribution servers
    #[command(subcommand)]
    Ds(DsCommand),
    /// The distribution server at which new files enter
    #[command(subcommand)]
    Principal(PrincipalCommand),
    /// The cloud distribution point
    #[command(subcommand)]
    Cloud(CloudCommand),
    /// What the management server shows to browsers
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// The certificate authorities
    #[command(subcommand)]
    Ca(CaCommand),
    /// Sites
    #[command(subcommand)]
    Site(CategoryOrSite),
    /// Categories
    #[command(subcommand)]
    Category(CategoryOrSite),
    /// Computers
    #[command(subcommand)]
    Computer(ComputerCommand),
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Who did what
    Audit(AuditOptions),
    /// How the management server is
    Status,
    /// Say that what a restore brought back is right; removals go on
    ConfirmRestore,
}

/// `xylem upload …`
#[derive(Debug, Subcommand)]
pub enum UploadCommand {
    /// Uploads that have not ended
    List,
    /// Give an upload up and remove what has arrived of it
    Cancel {
        /// The upload, as `xylem upload list` shows it
        id: UploadId,
    },
}

/// `xylem package …`, `xylem app …`, `xylem ebook …`
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Publish files
    Upload(UploadOptions),
    /// All files
    List,
    /// Files found by their names, their display names and what is in them
    ///
    /// What is in them: identifiers, versions, titles, team and name of the signer, applications
    /// inside, authors of books. Case makes no difference.
    Search {
        /// A part of any of these
        #[arg(required_unless_present_any = ["team", "identifier"])]
        text: Option<String>,
        /// The whole team identifier of the signer, such as ABCDE12345
        #[arg(long)]
        team: Option<String>,
        /// A whole identifier: of the file, or of a receipt or application inside
        #[arg(long)]
        identifier: Option<String>,
    },
    /// One file with its versions and its record
    Show {
        /// Its name
        name: String,
    },
    /// Fetch a file from the nearest distribution server and verify it
    Download {
        /// Its name
        name: String,
        /// Where to; the name itself where left out
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Delete a file everywhere; it can be restored for 30 days
    Delete {
        /// Its name
        name: String,
    },
    /// Bring a deleted file back
    Restore {
        /// Its name
        name: String,
    },
    /// Make the version that waits, as uploaded with --test, the one that everybody gets
    Promote {
        /// Its name
        name: String,
        /// The version that is meant: where another one waits, nothing is changed; the one that
        /// waits where left out
        #[arg(value_name = "VERSION")]
        number: Option<u64>,
    },
    /// Go back to the version that was in production before the last promotion or rollback
    ///
    /// It is kept for 30 days, unless another version is published meanwhile. Once more goes
    /// forward again: name the version that is to be left where a call may be repeated.
    Rollback {
        /// Its name
        name: String,
        /// The version that is to be left: where another one is in production, nothing is changed;
        /// the one in production where left out
        #[arg(value_name = "VERSION")]
        number: Option<u64>,
    },
    /// Sort it, or say something of it
    ///
    /// category=NAME, site=NAME (its owner), for-sites=A,B (other sites that get it): what
    /// distribution servers choose by category or by site follows at once.
    ///
    /// Its record: display-name=TEXT, category=NAME, info=TEXT, notes=TEXT. Of packages besides:
    /// priority=1 to 20 (the lower first); reboot, boot-volume, uninstall, if-reported=yes or no;
    /// fill-user-template, fill-existing-homes=yes or no (disk images); os='10.6.8, 10.6.x, >=10.13';
    /// processor=none, arm64, x86_64, universal, x86 or ppc; switch-with=PACKAGE (where the processor
    /// is another); reinstall=never, when-missing or when-changed; trigger-files=/A,/B; notify=yes
    /// or no; os-install=yes or no; os-version=TEXT; manifest=FILE; manifest-name=TEXT.
    ///
    /// Of Adobe's: adobe.serial, adobe.language, adobe.base-path=TEXT; adobe.parent=PACKAGE;
    /// adobe.no-updates, adobe.ignore-conflicts, adobe.no-dock, adobe.no-eula,
    /// adobe.no-registration=yes or no.
    ///
    /// An empty value brings back the first one. Each change of the record is a revision; sites are
    /// set in a call of their own.
    Set {
        /// Its name
        name: String,
        /// What is set
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// The revision of the record that this is based on: where another is the newest, nothing
        /// is changed
        #[arg(long, value_name = "NUMBER")]
        revision: Option<u64>,
    },
    /// The revisions of its record, newest first
    History {
        /// Its name
        name: String,
    },
    /// What differs between two revisions of its record
    Diff {
        /// Its name
        name: String,
        /// From this revision; the one before where left out
        from: Option<u64>,
        /// To this revision; the newest where left out
        to: Option<u64>,
    },
    /// Have its record be as it was in an earlier revision
    ///
    /// What was said since stays in the history.
    RestoreRecord {
        /// Its name
        name: String,
        /// The revision
        revision: u64,
    },
    /// What is to be said of a version, compared with another, by what is in them
    ///
    /// Another signer or none, another identifier, a lower version, new scripts, half the size, and
    /// more: docs/operations/packages.md.
    Compare {
        /// Its name
        name: String,
        /// From this version; where left out, the one that was in production when the other came
        from: Option<u64>,
        /// To this version; where left out, the one that waits, as uploaded with --test, or else
        /// the one in production
        to: Option<u64>,
    },
    /// What it puts on a Mac: a line for each file, folder and link
    ///
    /// By the order of paths, as they come. There is an index of flat packages and disk images, unless
    /// what they say of themselves cannot be read; `show` says how long it is, or why there is none.
    // Its --version is that of the file, not of this program.
    #[command(disable_version_flag = true)]
    Index(IndexOptions),
    /// The property list with which a device or its management installs it
    Manifest(ManifestOptions),
    /// Where copies are, and how far the others have come
    Placement {
        /// Its name
        name: String,
        /// Print it again with each change, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Wait until copies are where they should be
    Wait {
        /// Its name
        name: String,
        /// Which distribution servers must have it
        #[arg(long, num_args = 1.., default_value = "all")]
        on: Vec<String>,
        /// How long to wait at most, e.g. 60s, 5m
        #[arg(long, value_parser = duration, default_value = "10m")]
        timeout: Duration,
    },
}

/// Options of `xylem package index`.
#[derive(Debug, Args)]
pub struct IndexOptions {
    /// Its name
    pub name: String,
    /// Only those with this text in their path; case makes no difference
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Of this version; where left out, of the one in production, or of the one that waits where
    /// none is yet
    #[arg(long, value_name = "VERSION")]
    pub version: Option<u64>,
}

/// Options of `xylem package manifest`.
#[derive(Debug, Args)]
pub struct ManifestOptions {
    /// Its name
    pub name: String,
    /// The distribution server to fetch it from
    #[arg(long, conflicts_with = "site")]
    pub server: Option<String>,
    /// The site where the devices are: a server there is fetched from, where one holds it; else, and
    /// where nothing is said, the root
    #[arg(long)]
    pub site: Option<String>,
    /// How many hours the addresses are good for, a week (168) at most; 24 where left out
    #[arg(long)]
    pub hours: Option<u32>,
    /// MD5 digests of parts instead of SHA-256, for macOS before 10.13.6
    #[arg(long)]
    pub md5: bool,
    /// Print the property list alone, to the byte
    #[arg(long)]
    pub plist: bool,
}

/// Options of `xylem package upload`.
#[derive(Debug, Args)]
pub struct UploadOptions {
    /// The files; each is published under its own name
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Publish as the next version where a file of this name has other content
    #[arg(long)]
    pub replace: bool,
    /// Have it wait to be promoted: whoever asks for the name keeps getting the version in
    /// production
    #[arg(long, conflicts_with = "copies")]
    pub test: bool,
    /// How much of a hurry this version is in; urgent goes before everything else
    #[arg(long, value_name = "urgent|normal|bulk", default_value_t)]
    pub priority: Priority,
    /// Return only when this many distribution servers hold it, verified
    #[arg(long, default_value_t = 1)]
    pub copies: u64,
    /// Category
    #[arg(long)]
    pub category: Option<String>,
    /// Owner site
    #[arg(long)]
    pub site: Option<String>,
    /// Send the bytes through the management server, where the ingest server is out of reach
    #[arg(long)]
    pub through_server: bool,
    /// Parts of a large file that are sent at once, each over a connection of its own
    #[arg(long, default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub connections: u16,
}

/// Connections over which a large file is sent: enough to fill a long link, of which one
/// connection fills a part.
const CONNECTIONS: u16 = 4;

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            replace: false,
            test: false,
            priority: Priority::default(),
            copies: 1,
            category: None,
            site: None,
            through_server: false,
            connections: CONNECTIONS,
        }
    }
}

/// Options of `xylem install`.
#[derive(Debug, Args)]
pub struct InstallOptions {
    /// The package's name
    pub package: String,
    /// The computer's name
    #[arg(long)]
    pub on: String,
    /// The version that waits to be promoted, not the one in production
    #[arg(long)]
    pub test: bool,
    /// Wait until the computer has reported, at most this long
    #[arg(long, value_parser = duration)]
    pub wait: Option<Duration>,
}

/// Who is invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InviteRole {
    /// A managed Mac
    Computer,
    /// A distribution server
    Distribution,
}

/// Options of `xylem invite`.
#[derive(Debug, Args)]
pub struct InviteOptions {
    /// Who is invited
    pub role: InviteRole,
    /// The site they join
    #[arg(long)]
    pub site: Option<String>,
    /// How often the code may be used
    #[arg(long, default_value_t = 1)]
    pub uses: u32,
    /// How long it is good for, e.g. 30m, 1h, 7d
    #[arg(long, value_parser = duration, default_value = "1h")]
    pub expires: Duration,
}

/// `xylem ds …`
#[derive(Debug, Subcommand)]
pub enum DsCommand {
    /// The tree, root first
    List,
    /// One distribution server
    Show {
        /// Its name
        name: String,
        /// Say instead why it holds a file, or does not
        #[arg(long, value_name = "FILE")]
        why: Option<String>,
    },
    /// What the machines of all of them are, and on how many of them each version runs
    Inventory,
    /// Say in which order servers are upgraded
    UpgradePlan {
        /// The version they are to run; that of this program where left out
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
    },
    /// Let one in again whose key was found on two machines
    ///
    /// Stop one of the two for good first, and enrol it anew with an empty data folder.
    Reinstate {
        /// Its name
        name: String,
    },
    /// Choose what it holds
    ///
    /// A rule chooses the files to which all of its parts apply: file=NAME, kind=package (app,
    /// ebook), category=NAME, site=NAME (files that belong to the site or are marked for it),
    /// name=PATTERN (* for any text, ? for one character). A part that is written more than once
    /// applies with either: --rule 'kind=app; site=Lisbon; site=Porto'. What the servers below it
    /// need it holds besides, without offering it to clients.
    Select(SelectOptions),
    /// Change settings; each counts at once, without a restart
    ///
    /// name=NEW; public-url=URL; site=SITE (an empty one takes it out of its site);
    /// parents=A,B (whom it fetches from, in order); policy=POLICY, the order in which it asks
    /// them: first-available, sticky, by-hash, round-robin or random.
    ///
    /// Who may read: certificates=on or off (off: a Mac's certificate alone is not enough; it takes
    /// a ticket or an account); open-to-all=on or off (on: anybody may read what is published
    /// there, without saying who they are).
    ///
    /// maintenance=on or off (on: nothing new comes to it, and no Mac is sent to it; what is under
    /// way is finished); check-in=60s (how often it asks whether something changed, should nothing
    /// have told it; 15s to 1d); keep-unwanted=1d (how long what is no longer wanted stays);
    /// fill-from-cloud=on or off (on: what no other server gives comes from the cloud).
    ///
    /// How fast: from-parents=RATE, to-children=RATE, to-clients=RATE, to-cloud=RATE for the whole
    /// server; with .link behind the name for each link, with .urgent, .small, .normal or .bulk for
    /// a class. RATE is bytes per second such as 256KiB or 2.5MiB, or unlimited; then, where it is
    /// another at times, windows in the server's own time-zone=Europe/Lisbon:
    /// from-parents='2MiB; mon-fri 08:00-18:00 256KiB; sat,sun 00:00-24:00 unlimited'.
    Set {
        /// Its name
        name: String,
        /// The settings
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// What it shows to browsers, Finder and other clients
    #[command(subcommand)]
    Certificate(DsCertificateCommand),
    /// WebDAV accounts, for people and tools that have no certificate
    #[command(subcommand)]
    Account(AccountCommand),
    /// Give it another first parent; further ones stay
    SetParent {
        /// Its name
        name: String,
        /// The new parent's name
        parent: String,
    },
    /// Give all its children another parent, in one step
    MoveChildren {
        /// Its name
        name: String,
        /// Their new parent; its own first parent where left out
        #[arg(long, value_name = "PARENT")]
        to: Option<String>,
    },
    /// Have it fetch what it lacks from the cloud distribution point, and wait for that
    ///
    /// For a new or emptied root, whose files no other server has. What comes from there is compared
    /// with what was signed before it is used. Whoever stops waiting can go on with the same command;
    /// `xylem ds set NAME fill-from-cloud=off` calls it off.
    Fill {
        /// Its name
        name: String,
        /// From the cloud distribution point
        #[arg(long, required = true)]
        from_cloud: bool,
    },
    /// Make it the root, above all others; the former root becomes its child and serves on
    ///
    /// Refused until it holds everything, verified.
    MakeRoot {
        /// Which, and whether to fill it first
        #[command(flatten)]
        asked: HandOverOptions,
        /// Leave the former root its children; without this they become children of the new one
        #[arg(long)]
        keep_children: bool,
    },
    /// Look through everything it holds, and repair what is damaged
    ///
    /// Each byte is read from the disk and compared with its digest. It does so by itself too,
    /// within a week, with at most a tenth of the disk's speed; asked for, with half of it.
    Scrub {
        /// Its name
        name: String,
        /// Wait for the end, at most this long
        #[arg(long, value_parser = duration)]
        wait: Option<Duration>,
    },
    /// Remove it and revoke its certificate
    Remove {
        /// Its name
        name: String,
    },
}

/// Options of `xylem ds make-root` and `xylem principal set`.
#[derive(Debug, Args)]
pub struct HandOverOptions {
    /// The distribution server's name
    pub name: String,
    /// Have it fetch everything first, whatever was chosen for it, and wait for that
    #[arg(long)]
    pub fill: bool,
}

/// `xylem principal …`
#[derive(Debug, Subcommand)]
pub enum PrincipalCommand {
    /// Where new files enter
    Show,
    /// Have new files enter at another distribution server
    ///
    /// Refused until it holds everything, verified. Uploads that are under way go on there.
    Set(HandOverOptions),
}

/// Options of `xylem ds select`.
#[derive(Debug, Args)]
pub struct SelectOptions {
    /// The distribution server's name
    pub name: String,
    /// Hold everything
    #[arg(long, conflicts_with_all = ["rules", "add"])]
    pub everything: bool,
    /// Hold what this rule chooses; may be given more than once
    #[arg(long = "rule", value_name = "RULE", required_unless_present = "everything")]
    pub rules: Vec<String>,
    /// Keep the rules there are
    #[arg(long)]
    pub add: bool,
}

/// `xylem site …` and `xylem category …`
#[derive(Debug, Subcommand)]
pub enum CategoryOrSite {
    /// All
    List,
    /// Add one
    Add {
        /// Its name
        name: String,
    },
    /// Rename one: name=…
    Set {
        /// Its name
        name: String,
        /// The new name
        #[arg(value_name = "name=NEW")]
        setting: String,
    },
    /// Remove one that nothing uses
    Remove {
        /// Its name
        name: String,
    },
}

/// `xylem computer …`
#[derive(Debug, Subcommand)]
pub enum ComputerCommand {
    /// All
    List,
    /// One, with its orders
    Show {
        /// Its name
        name: String,
    },
    /// Remove it and revoke its certificate
    Remove {
        /// Its name
        name: String,
    },
}

/// `xylem token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make one; the secret is printed once
    Create {
        /// What it is for
        name: String,
        /// What it may do: admin, read, files, install, metrics, scripts
        #[arg(long, required = true, num_args = 1..)]
        scope: Vec<String>,
        /// How long it is good for, e.g. 90d; for ever where left out
        #[arg(long, value_parser = duration)]
        expires: Option<Duration>,
    },
    /// All
    List,
    /// Take one back
    Revoke {
        /// Its id, from `xylem token list`
        id: TokenId,
    },
}

/// Options of `xylem audit`.
#[derive(Debug, Args)]
pub struct AuditOptions {
    /// Only records before this number
    #[arg(long)]
    pub before: Option<u64>,
}

/// A span such as `90s`, `5m`, `1h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let error = || format!("`{text}` is no span of time: write 90s, 5m, 1h or 7d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| error())?;
    let unit = match text.strip_prefix(digits).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(error()),
    };
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_take_a_unit() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for text in ["", "m", "1y", "-1s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
