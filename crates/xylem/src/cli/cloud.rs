//! `xylem cloud …`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use xylem_api::cloud::CloudOffer;

use super::administer::duration;

/// The cloud distribution point.
#[derive(Debug, Subcommand)]
pub enum CloudCommand {
    /// Test a point and set it
    ///
    /// It is written to, read in every way that clients read it, and cleaned up again; nothing is
    /// stored where a step fails. Print first what its keys have to be allowed, with `xylem cloud
    /// policy`.
    Set {
        /// The provider
        #[command(subcommand)]
        provider: SetProvider,
    },
    /// What is set, without keys, and what the last test found
    Show,
    /// Change settings, such as bucket=NAME, prefix=PREFIX, url-lifetime=10m, offer=never or ca=FILE
    ///
    /// Names are those of the provider's settings; below another one with a dot, as in
    /// cloudfront.url=https://…. An empty value brings back the first one. The test is run first.
    Change {
        /// What is changed
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// Set other keys, all of them; the test is run with them first
    Keys {
        /// Whose
        #[command(subcommand)]
        provider: ProviderKeys,
    },
    /// Test it again, step by step
    Test,
    /// Print what the keys have to be allowed, to be pasted at the provider
    Policy {
        /// The provider of a point that is to be set; the point that is set where left out
        #[command(subcommand)]
        provider: Option<PolicyProvider>,
    },
    /// Forget the point and its keys; what lies at the provider stays there
    Remove {
        /// The former point, that --replace left
        #[arg(long)]
        former: bool,
    },
}

/// What `xylem cloud set` sets.
#[derive(Debug, Subcommand)]
pub enum SetProvider {
    /// Amazon S3 or what speaks its protocol, with or without CloudFront
    S3 {
        /// Where
        #[command(flatten)]
        place: S3Place,
        /// By which keys
        #[command(flatten)]
        keys: S3Keys,
        /// What holds for every provider
        #[command(flatten)]
        common: CommonOptions,
    },
    /// Akamai NetStorage, given out by Akamai's edge
    Akamai {
        /// Where
        #[command(flatten)]
        place: AkamaiPlace,
        /// By which keys
        #[command(flatten)]
        keys: AkamaiKeys,
        /// What holds for every provider
        #[command(flatten)]
        common: CommonOptions,
    },
}

/// Whose keys `xylem cloud keys` sets.
#[derive(Debug, Subcommand)]
pub enum ProviderKeys {
    /// Amazon S3 or what speaks its protocol
    S3(S3Keys),
    /// Akamai NetStorage
    Akamai(AkamaiKeys),
}

/// For which place `xylem cloud policy` prints.
#[derive(Debug, Subcommand)]
pub enum PolicyProvider {
    /// Amazon S3 or what speaks its protocol
    S3(S3Place),
    /// Akamai NetStorage
    Akamai(AkamaiPlace),
}

/// What holds for every provider.
#[derive(Debug, Args)]
pub struct CommonOptions {
    /// The certificate of the provider's authority, in PEM; those that the management server's
    /// machine believes where left out
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// How long a client's address lives, from 1m to 24h
    #[arg(long, value_parser = duration)]
    pub url_lifetime: Option<Duration>,
    /// When computers are sent there: last, before-root or never
    #[arg(long, value_parser = offer)]
    pub offer: Option<CloudOffer>,
    /// Take the place of the point that is there
    #[arg(long)]
    pub replace: bool,
}

/// A place in S3.
#[derive(Debug, Args)]
pub struct S3Place {
    /// The bucket, which is there already
    #[arg(long)]
    pub bucket: String,
    /// Its region
    #[arg(long)]
    pub region: String,
    /// Another endpoint than Amazon's: https://HOST[:PORT]
    #[arg(long)]
    pub endpoint: Option<String>,
    /// What everything lies below
    #[arg(long)]
    pub prefix: Option<String>,
    /// Name the bucket in the path and not in the host
    #[arg(long)]
    pub path_style: bool,
    /// Give out by CloudFront: the distribution's address
    #[arg(long, requires = "key_pair")]
    pub cloudfront: Option<String>,
    /// The id of the public key at CloudFront
    #[arg(long, requires = "cloudfront")]
    pub key_pair: Option<String>,
    /// The distribution's id, to have removed files taken out of its caches
    #[arg(long, requires = "cloudfront")]
    pub distribution: Option<String>,
}

/// Keys of S3.
#[derive(Debug, Args)]
pub struct S3Keys {
    /// The access key's id
    #[arg(long)]
    pub key_id: String,
    /// File that holds the secret access key
    #[arg(long)]
    pub secret_file: PathBuf,
    /// File that holds CloudFront's private key, in PEM
    #[arg(long)]
    pub private_key_file: Option<PathBuf>,
}

/// A place in NetStorage.
#[derive(Debug, Args)]
pub struct AkamaiPlace {
    /// Where it is uploaded: https://…-nsu.akamaihd.net
    #[arg(long)]
    pub upload_host: String,
    /// The upload account's name
    #[arg(long)]
    pub account: String,
    /// The CP code
    #[arg(long)]
    pub cp_code: u32,
    /// The directory below it that everything lies in
    #[arg(long)]
    pub directory: Option<String>,
    /// Where clients fetch: https://HOST
    #[arg(long)]
    pub delivery_url: String,
    /// What the edge's token is called in a query
    #[arg(long)]
    pub token_name: Option<String>,
}

/// Keys of NetStorage and of its edge.
#[derive(Debug, Args)]
pub struct AkamaiKeys {
    /// File that holds the upload account's key
    #[arg(long)]
    pub key_file: PathBuf,
    /// File that holds the secret of the edge's token, in hexadecimal
    #[arg(long)]
    pub token_secret_file: PathBuf,
    /// File that holds the salt of the edge's token
    #[arg(long)]
    pub token_salt_file: Option<PathBuf>,
}

fn offer(text: &str) -> Result<CloudOffer, String> {
    let all = [CloudOffer::Last, CloudOffer::BeforeRoot, CloudOffer::Never];
    let known = all.into_iter().find(|offer| offer.to_string() == text);
    known.ok_or_else(|| "give last, before-root or never".to_owned())
}
