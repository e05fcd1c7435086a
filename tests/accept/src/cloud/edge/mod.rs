//! CloudFront's edge: nginx, which asks a verifier of this run with each request and has a cache.
//!
//! * [`keys`]: the trusted key group, by `openssl`. [`policy`] reads what a URL says; [`judge`] lets
//!   through or refuses; [`verifier`] is the port that nginx asks. None of it shares code with ours.
//! * [`origin`]: how what was let through is asked for at the private bucket.
//! * [`nginx`]: its configuration. [`front`]: the edge and SeaweedFS behind it as one store.
//! * [`refusals`] and [`urls`] are parts: what the edge lets through and what it refuses ([`cases`]),
//!   and our URLs ([`ours`]) beside botocore's. [`removal`]: what is gone goes out of the edge's cache.

mod cases;
mod curl;
mod front;
mod judge;
mod keys;
mod nginx;
mod origin;
mod ours;
mod policy;
mod refusals;
mod removal;
mod urls;
mod verifier;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xylem_bench::debian::{self, Tool};

pub(super) use front::Front;
pub(super) use keys::Algorithm;
pub(super) use refusals::refusals;
pub(super) use removal::removal;
pub(super) use urls::urls;

use self::judge::Distribution;
use self::keys::KeyPair;
use self::verifier::{Tally, Verifier};
use super::authority::{Authority, HOST};
use super::seaweed::free;
use super::service::Service;

/// Debian packages that the edge needs. `nginx-light` starts nothing where no init system runs.
const NEEDED: &[Tool] = &[
    Tool::new("curl", "curl"),
    Tool::new("nginx", "nginx-light"),
    Tool::new("openssl", "openssl"),
];

/// What the public halves are called in the key group.
const RSA_ID: &str = "KACCEPTRSA";
const P256_ID: &str = "KACCEPTP256";

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running edge.
#[derive(Debug)]
pub(super) struct Edge {
    _nginx: Service,
    verifier: Verifier,
    rsa: KeyPair,
    p256: KeyPair,
    folder: PathBuf,
    port: u16,
}

impl Edge {
    /// Starts it in a folder, before the bucket at a port of this machine that speaks without TLS.
    pub(super) async fn start(
        folder: &Path,
        authority: &Authority,
        bucket_port: u16,
    ) -> anyhow::Result<Self> {
        debian::require(NEEDED)?;
        fs::create_dir_all(folder)?;
        let rsa = KeyPair::make(folder, RSA_ID, Algorithm::Rsa)?;
        let p256 = KeyPair::make(folder, P256_ID, Algorithm::P256)?;
        let port = free()?;
        let origin = format!("https://{HOST}:{port}");
        let distribution = Distribution { origin, group: vec![rsa.clone(), p256.clone()] };
        let bucket = format!("127.0.0.1:{bucket_port}");
        let verifier = Verifier::open(distribution, bucket.clone())?;
        let ports = nginx::Ports { own: port, verifier: verifier.port };
        let command = nginx::command(folder, authority, ports, &bucket)?;
        let mut nginx = Service::start(command, &folder.join("nginx.log"))?;
        nginx.listens(port, START_LIMIT).await?;
        Ok(Self { _nginx: nginx, verifier, rsa, p256, folder: folder.to_owned(), port })
    }

    /// The distribution's address.
    pub(super) fn url(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// The key pair of a kind, which the key group has.
    fn key(&self, algorithm: Algorithm) -> &KeyPair {
        match algorithm {
            Algorithm::Rsa => &self.rsa,
            Algorithm::P256 => &self.p256,
        }
    }

    /// What was let through and what was refused so far.
    fn tally(&self) -> Tally {
        self.verifier.tally()
    }

    /// Bytes of objects that were given out so far.
    fn given_bytes(&self) -> anyhow::Result<u64> {
        nginx::given_bytes(&self.folder)
    }
}
