//! `xylem cloud … swift` and `rackspace`: where, and by which keys.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::administer::duration;

/// How a token of Swift is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SwiftAuthKind {
    /// Version 1.0, as tempauth and Ceph's gateway have it: --user
    Tempauth,
    /// Keystone 3 by password: --user, --user-domain, --project, --project-domain
    Keystone3Password,
    /// Keystone 3 by an application credential: --credential-id
    Keystone3Application,
}

/// A place in Swift.
#[derive(Debug, Args)]
pub struct SwiftPlace {
    /// How a token is asked for
    #[arg(long, value_enum)]
    pub auth: SwiftAuthKind,
    /// Where a token is asked for: https://HOST[:PORT][/PATH]
    #[arg(long)]
    pub auth_url: String,
    /// The user; ACCOUNT:USER with tempauth
    #[arg(long, required_if_eq_any = [("auth", "tempauth"), ("auth", "keystone3-password")])]
    pub user: Option<String>,
    /// The user's domain in Keystone; Default where left out
    #[arg(long)]
    pub user_domain: Option<String>,
    /// The project in Keystone
    #[arg(long, required_if_eq("auth", "keystone3-password"))]
    pub project: Option<String>,
    /// The project's domain in Keystone; Default where left out
    #[arg(long)]
    pub project_domain: Option<String>,
    /// The application credential's id
    #[arg(long, required_if_eq("auth", "keystone3-application"))]
    pub credential_id: Option<String>,
    /// The region whose storage is used; the first one that the catalogue has where left out
    #[arg(long)]
    pub region: Option<String>,
    /// The container, which is there already
    #[arg(long)]
    pub container: String,
    /// What everything lies below
    #[arg(long)]
    pub prefix: Option<String>,
    /// Whose TempURL key signs: account or container
    #[arg(long, value_parser = ["account", "container"])]
    pub key_scope: Option<String>,
}

/// Keys of Swift.
#[derive(Debug, Args)]
pub struct SwiftKeys {
    /// File that holds the user's password, or the application credential's secret
    #[arg(long)]
    pub password_file: PathBuf,
}

/// A place at Rackspace.
#[derive(Debug, Args)]
pub struct RackspacePlace {
    /// The user
    #[arg(long)]
    pub user: String,
    /// The region, such as ORD
    #[arg(long)]
    pub region: String,
    /// The container, which is there already
    #[arg(long)]
    pub container: String,
    /// What everything lies below
    #[arg(long)]
    pub prefix: Option<String>,
    /// Give out by the delivery network, without signatures: whoever learns an address reads all that
    /// is in the container
    #[arg(long)]
    pub public: bool,
    /// How long the delivery network keeps a file, from 15m on
    #[arg(long, value_parser = duration, requires = "public")]
    pub ttl: Option<Duration>,
    /// Another identity service than the one in the United States: https://HOST
    #[arg(long)]
    pub auth_url: Option<String>,
}

/// Keys of Rackspace.
#[derive(Debug, Args)]
pub struct RackspaceKeys {
    /// File that holds the API key
    #[arg(long)]
    pub api_key_file: PathBuf,
}
