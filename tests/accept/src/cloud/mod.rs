//! The cloud distribution point on real servers: `cargo xtask accept cloud`.
//!
//! * [`tools`]: what comes from the Python package index.
//! * [`authority`], [`service`], [`seaweed`]: servers on free ports in the run's own folder, over
//!   TLS, with an authority that the run makes.
//! * [`swift`], [`swift_files`]: OpenStack Swift from Debian, for itself and as an S3.
//! * [`bucket`], [`container`]: what lies there, told by `boto3` and by OpenStack's own client, and no
//!   code of ours.
//! * [`netstorage`]: Akamai, by a double that Akamai's own libraries prove ([`netstorage_proof`]).
//! * [`gate`] counts what passes; [`weather`] lets through, answers by itself, or cuts off.
//! * [`store`]: what a part needs of any of them.
//! * [`ground`]: a management server and a root, with one of these as their cloud.
//!
//! Parts begin with a provider's name. `--only` takes a whole name, or what several end with: `life` is
//! the life on each of them.

mod agent;
mod authority;
mod bucket;
mod container;
mod gate;
mod ground;
mod kills;
mod life;
mod principal;
mod rows;
mod seaweed;
mod secrets;
mod service;
mod speed;
mod store;
mod storm;
mod swift;
mod swift_files;
mod tools;
mod weather;

use std::path::Path;

use authority::Authority;
use netstorage::NetStorage;
use seaweed::Seaweed;
use swift::{Swift, SwiftS3};
use tools::Tools;

use crate::run::{Part, run_parts};

/// Size of the large file, bytes, where nothing else is said: more than a request of S3 takes, in
/// several hundred parts.
const LARGE_BYTES: u64 = 6 << 30;

/// Runs every part, or the one that is named. `mib` is the size of the large file.
pub(crate) fn accept(only: Option<&str>, mib: Option<u64>) -> anyhow::Result<()> {
    let large = mib.map_or(LARGE_BYTES, |mib| mib << 20);
    let swift = async |tools: &Tools, folder: &Path, authority: &Authority| {
        Swift::start(tools, folder, authority, large).await
    };
    let swift_s3 = async |tools: &Tools, folder: &Path, authority: &Authority| {
        Swift::start(tools, folder, authority, large).await.map(SwiftS3)
    };
    let parts: &[Part<'_>] = &[
        ("life", &|| life::life(large)),
        ("kills", &|| kills::kills(large)),
        ("principal", &|| principal::principal(large)),
        ("speed", &speed::speed),
        ("storm", &storm::storm),
        ("secrets", &secrets::secrets),
    ];
    run_parts("CLOUD", parts, only)
}
