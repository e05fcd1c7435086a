//! `xylem cloud …`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use xylem_api::cloud::{CloudOffer, CloudVerify};
use xylem_api::cloud_files::CloudFileState;
use xylem_sync::WeeklyRate;

use super::administer::duration;
use super::{RackspaceKeys, RackspacePlace, SwiftKeys, SwiftPlace};

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
    /// What is set, without keys; how far it is, why it stands still; what the last test found
    Show,
    /// Change settings, such as bucket=NAME, offer=never, verify=all or month-ceiling=500GiB
    ///
    /// Names are those of the provider's settings; below another one with a dot, as in
    /// cloudfront.url=https://…. An empty value brings back the first one. The test is run first, but
    /// for month-ceiling: how many bytes are sent and read back in a calendar month at most.
    Change {
        /// What is changed
        #[arg(required_unless_present = "adopt", value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// Take over what lies below the prefix, whosoever's it was
        #[arg(long)]
        adopt: bool,
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
    /// What is, was or is to be there, and how far each file is
    Files {
        /// In this state alone: wanted, queued, transferring, verifying, present, failed, removing
        #[arg(long, value_parser = state)]
        state: Option<CloudFileState>,
    },
    /// What it was used for, month by month
    Usage,
    /// Look through everything there now, and wait for what that finds
    ///
    /// It is done once a day by itself. What is gone is sent again, what somebody else changed is
    /// deleted and sent again, what is of others is left alone.
    Inventory,
    /// Bytes, requests, time and egress of what is chosen, before anything is sent
    Estimate(EstimateOptions),
    /// Choose what it is to hold; rules are written as for `xylem ds select`
    Select {
        /// Hold everything
        #[arg(long, conflicts_with_all = ["rules", "add"])]
        everything: bool,
        /// Hold what this rule chooses; may be given more than once
        #[arg(long = "rule", value_name = "RULE", required_unless_present = "everything")]
        rules: Vec<String>,
        /// Keep the rules there are
        #[arg(long)]
        add: bool,
    },
    /// Send and delete nothing until `resume`; computers go on fetching there
    Pause,
    /// Go on after `pause`
    Resume,
    /// Make it the principal: files enter at the root, and are in the catalogue once they are in the
    /// cloud
    ///
    /// Refused until everything is there. `xylem principal set SERVER` switches back.
    MakePrincipal {
        /// Choose everything for it, and wait until it is there
        #[arg(long)]
        fill: bool,
    },
    /// Send computers to the former point no more, whatever the new one lacks
    Leave {
        /// At once, and not when the new one has everything
        #[arg(long, required = true)]
        now: bool,
    },
    /// Send computers there no more, abort what is being uploaded, and forget the point with its keys
    ///
    /// It goes on by itself; `xylem cloud show` tells how far it is. What lies there stays unless
    /// --delete-objects is given, or that is answered where it is asked. The former point goes once
    /// the new one has everything.
    Remove {
        /// The former point, that --replace left
        #[arg(long)]
        former: bool,
        /// Delete what lies there, and nothing of others
        #[arg(long, conflicts_with = "forget")]
        delete_objects: bool,
        /// Forget it at once and ask the provider nothing: where it is out of reach, or took the keys
        /// back
        #[arg(long)]
        forget: bool,
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
    /// OpenStack Swift, or Ceph's gateway
    Swift {
        /// Where
        #[command(flatten)]
        place: SwiftPlace,
        /// By which keys
        #[command(flatten)]
        keys: SwiftKeys,
        /// What holds for every provider
        #[command(flatten)]
        common: CommonOptions,
    },
    /// Rackspace Cloud Files, with or without its delivery network
    Rackspace {
        /// Where
        #[command(flatten)]
        place: RackspacePlace,
        /// By which keys
        #[command(flatten)]
        keys: RackspaceKeys,
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
    /// A folder at the root distribution server, which its server.json names (cloud_folder)
    Folder {
        /// Where in it
        #[command(flatten)]
        place: FolderPlace,
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
    /// OpenStack Swift
    Swift(SwiftKeys),
    /// Rackspace Cloud Files
    Rackspace(RackspaceKeys),
    /// Akamai NetStorage
    Akamai(AkamaiKeys),
}

/// For which place `xylem cloud policy` prints.
#[derive(Debug, Subcommand)]
pub enum PolicyProvider {
    /// Amazon S3 or what speaks its protocol
    S3(S3Place),
    /// OpenStack Swift, or Ceph's gateway
    Swift(SwiftPlace),
    /// Rackspace Cloud Files
    Rackspace(RackspacePlace),
    /// Akamai NetStorage
    Akamai(AkamaiPlace),
    /// A folder at the root distribution server
    Folder(FolderPlace),
}

/// Options of `xylem cloud estimate`.
#[derive(Debug, Args)]
pub struct EstimateOptions {
    /// Computers that fetch everything there once
    #[arg(long)]
    pub devices: Option<u64>,
    /// How fast it is sent, bytes per second such as 10MiB
    #[arg(long, value_parser = bytes)]
    pub rate: Option<u64>,
    /// What a GiB costs that is fetched there: prices change, so they are given
    #[arg(long, value_name = "PRICE")]
    pub price_per_gib: Option<f64>,
    /// Hold what this rule chooses; what is chosen already, or else everything, where left out
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// The provider of a point that is to be set; the point that is set where left out
    #[command(subcommand)]
    pub provider: Option<PolicyProvider>,
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
    /// How much of what is there is read back: sample (both ends of a file that was sent) or all
    #[arg(long, value_parser = verify)]
    pub verify: Option<CloudVerify>,
    /// In how many days everything is read back, from 1 to 366
    #[arg(long, requires = "verify")]
    pub verify_days: Option<u32>,
    /// Take the place of the point that is there
    #[arg(long)]
    pub replace: bool,
    /// Take over what lies below the prefix, whosoever's it was
    #[arg(long)]
    pub adopt: bool,
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
    /// The digest below signatures: sha256, or sha1 for an edge that knows no other
    #[arg(long, requires = "cloudfront", value_parser = ["sha256", "sha1"])]
    pub hash: Option<String>,
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

/// A place in the root's own folder.
#[derive(Debug, Args)]
pub struct FolderPlace {
    /// What everything lies below in it
    #[arg(long)]
    pub prefix: Option<String>,
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
    /// Akamai's `.edgerc` file of an API client that may purge: what is removed leaves the edge too
    #[arg(long, value_name = "FILE")]
    pub edgerc: Option<PathBuf>,
}

/// A number of bytes: a rate is written so too, one number and its unit.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(WeeklyRate { bytes_per_second: Some(bytes), windows }) if windows.is_empty() => {
            Ok(bytes)
        }
        _ => Err(format!("`{text}` is no number of bytes: write 256KiB, 2.5MiB or 500GiB")),
    }
}

/// A state by its word.
fn state(text: &str) -> Result<CloudFileState, String> {
    use CloudFileState::{Failed, Present, Queued, Removing, Transferring, Verifying, Wanted};
    let all = [Wanted, Queued, Transferring, Verifying, Present, Failed, Removing];
    all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let words = all.map(CloudFileState::as_str).join(", ");
        format!("`{text}` is no state: write {words}")
    })
}

fn verify(text: &str) -> Result<CloudVerify, String> {
    let mut all = [CloudVerify::All, CloudVerify::Sample].into_iter();
    let known = all.find(|verify| verify.to_string() == text);
    known.ok_or_else(|| "give sample or all".to_owned())
}

fn offer(text: &str) -> Result<CloudOffer, String> {
    let all = [CloudOffer::Last, CloudOffer::BeforeRoot, CloudOffer::Never];
    let known = all.into_iter().find(|offer| offer.to_string() == text);
    known.ok_or_else(|| "give last, before-root or never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_states_are_read() {
        assert_eq!(bytes("1.5GiB"), Ok(3 << 29));
        for odd in ["", "7", "unlimited", "1GiB; daily 00:00-24:00 1MiB", "GiB"] {
            assert!(bytes(odd).is_err(), "{odd}");
        }
        assert_eq!(state("present"), Ok(CloudFileState::Present));
        assert!(state("ready").unwrap_err().contains("verifying"));
    }
}
