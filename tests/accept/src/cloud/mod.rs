//! The cloud distribution point on real servers: `cargo xtask accept cloud`.
//!
//! * [`tools`]: what comes from the Python package index.
//! * [`authority`], [`service`], [`seaweed`]: servers on free ports in the run's own folder, over
//!   TLS, with an authority that the run makes.
//! * [`swift`], [`swift_files`]: OpenStack Swift from Debian, for itself and as an S3.
//! * [`keystone`], [`rackspace`]: doubles of who gives out tokens, in front of that Swift, on a [`front`] of
//!   their own.
//! * [`bucket`], [`container`]: what lies there, told by `boto3` and by OpenStack's own client, and no
//!   code of ours.
//! * [`netstorage`]: Akamai, by a double that Akamai's own libraries prove ([`netstorage_proof`]).
//! * [`edge`]: CloudFront, by nginx with a strict verifier of signed URLs, in front of that bucket.
//! * [`change`]: from one to another.
//! * [`gate`] counts what passes; [`weather`] lets through, answers by itself, or cuts off.
//! * [`store`]: what a part needs of any of them.
//! * [`ground`]: a management server and a root, with one of these as their cloud.
//!
//! Parts begin with a provider's name. `--only` takes a whole name, or what several end with: `life` is
//! the life on each of them.

mod agent;
mod authority;
mod bucket;
mod change;
mod container;
mod edge;
mod front;
mod gate;
mod ground;
mod keystone;
mod kills;
mod life;
mod netstorage;
mod netstorage_proof;
mod principal;
mod rackspace;
mod rackspace_cdn;
mod rows;
mod seaweed;
mod secrets;
mod service;
mod speed;
mod store;
mod storm;
mod storm_faults;
mod swift;
mod swift_files;
mod tokens;
mod tools;
mod weather;

use std::path::Path;

use anyhow::ensure;
use authority::Authority;
use edge::{Algorithm, Front};
use keystone::{Keystone, Login};
use netstorage::NetStorage;
use rackspace::Rackspace;
use seaweed::Seaweed;
use swift::{Swift, SwiftS3};
use tools::Tools;

use crate::run::{Part, run_parts};

/// Size of the large file, bytes, where nothing else is said: more than a request of S3 takes, in
/// several hundred parts.
const LARGE_BYTES: u64 = 6 << 30;

/// The same for every submission: several parts of S3 and several segments all the same.
const BRIEF_BYTES: u64 = 32 << 20;

/// What every submission lives through: each kind of store, and somebody killed.
const BRIEF: &[&str] = &[
    "s3-cloud-life",
    "s3-cloud-kills",
    "swift-cloud-life",
    "keystone-double",
    "rackspace-double",
    "rackspace-cloud-life",
    "cloudfront-edge",
    "cloudfront-cloud-life",
    "akamai-double",
    "akamai-cloud-life",
];

/// Runs every part, or the one that is named. `mib` is the size of the large file.
pub(crate) fn accept(only: Option<&str>, mib: Option<u64>) -> anyhow::Result<()> {
    let large = mib.map_or(LARGE_BYTES, |mib| mib << 20);
    with_parts(large, |parts| run_parts("CLOUD", parts, only))
}

/// What every submission runs of it, at a small size.
pub(crate) fn briefly() -> anyhow::Result<()> {
    with_parts(BRIEF_BYTES, |parts| {
        let brief = |name: &str| parts.iter().find(|part| part.0 == name).copied();
        let brief: Vec<Part<'_>> = BRIEF.iter().filter_map(|name| brief(name)).collect();
        ensure!(brief.len() == BRIEF.len(), "a part is called otherwise by now");
        run_parts("CLOUD", &brief, None)
    })
}

/// Has all parts, with a large file of some size, run by a function.
fn with_parts(
    large: u64,
    run: impl FnOnce(&[Part<'_>]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let swift = async |tools: &Tools, folder: &Path, authority: &Authority| {
        Swift::start(tools, folder, authority, large).await
    };
    let swift_s3 = async |tools: &Tools, folder: &Path, authority: &Authority| {
        Swift::start(tools, folder, authority, large).await.map(SwiftS3)
    };
    let by_password = async |tools: &Tools, folder: &Path, authority: &Authority| {
        let swift = Swift::start(tools, folder, authority, large).await?;
        Keystone::before(swift, authority, Login::Password)
    };
    let by_application = async |tools: &Tools, folder: &Path, authority: &Authority| {
        let swift = Swift::start(tools, folder, authority, large).await?;
        Keystone::before(swift, authority, Login::Application)
    };
    let rackspace = async |tools: &Tools, folder: &Path, authority: &Authority| {
        Rackspace::before(Swift::start(tools, folder, authority, large).await?, authority)
    };
    let parts: &[Part<'_>] = &[
        ("s3-cloud-life", &|| life::life(large, Seaweed::start)),
        ("s3-cloud-kills", &|| kills::kills(large, kills::IN_PARTS, Seaweed::start)),
        ("s3-cloud-principal", &|| principal::principal(large)),
        ("s3-cloud-change", &change::change),
        ("s3-cloud-speed", &speed::speed),
        ("s3-cloud-storm", &|| storm::storm(Seaweed::start)),
        ("s3-cloud-secrets", &secrets::secrets),
        ("swift-cloud-life", &|| life::life(large, swift)),
        ("swift-cloud-kills", &|| kills::kills(large, kills::IN_PARTS, swift)),
        ("swift-cloud-storm", &|| storm::storm(swift)),
        ("swift-s3-cloud-life", &|| life::life(large, swift_s3)),
        ("keystone-double", &keystone::proof),
        ("keystone-cloud-life", &|| life::life(large, by_password)),
        ("keystone-application-cloud-life", &|| life::life(large, by_application)),
        ("rackspace-double", &rackspace::proof),
        ("rackspace-cloud-life", &|| life::life(large, rackspace)),
        ("cloudfront-edge", &edge::refusals),
        ("cloudfront-urls", &edge::urls),
        ("cloudfront-removal", &edge::removal),
        ("cloudfront-cloud-life", &|| edge_life(large, Algorithm::Rsa)),
        ("cloudfront-ecdsa-cloud-life", &|| edge_life(large, Algorithm::P256)),
        ("akamai-double", &netstorage_proof::proof),
        ("akamai-vectors", &netstorage_proof::vectors),
        ("akamai-cloud-life", &|| life::life(large, NetStorage::start)),
        ("akamai-cloud-kills", &|| kills::kills(large, kills::WHOLE, NetStorage::start)),
    ];
    run(parts)
}

/// The life behind CloudFront, whose addresses are signed by a key of a kind.
fn edge_life(large: u64, algorithm: Algorithm) -> anyhow::Result<()> {
    life::life(large, async |tools: &Tools, folder: &Path, authority: &Authority| {
        Front::start(tools, folder, authority, algorithm).await
    })
}
