//! What uploads are found to be, what an old share comes to, and where scripts are: `cargo xtask
//! accept artifacts`.

mod covered;
mod damaged;
mod database;
mod fixture;
mod manifests;
mod migration;
mod peaks;
mod scripts;
mod speed;
mod table;
mod upload;

use std::path::Path;

use crate::run::{Part, run_parts};

pub(crate) use damaged::{WORD as VARIANTS, variants};
pub(crate) use speed::{WORD as DIGESTS, digests_of};
pub(crate) use upload::{WORD as SENDING, send_generated};

/// Runs every part, or the one that is named.
pub(crate) fn accept(fixtures: &Path, only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("table", &|| table::table(fixtures)),
        ("damaged", &|| damaged::damaged(fixtures)),
        ("manifests", &|| manifests::manifests(fixtures)),
        ("speed", &speed::speed),
        ("upload", &upload::large),
        ("database", &database::mariadb),
        ("migration", &migration::migration),
        ("scripts", &scripts::scripts),
        ("fuzz", &|| crate::fuzz::until("ARTIFACTS", PARSERS, SECONDS_EACH)),
    ];
    run_parts("ARTIFACTS", parts, only)
}

/// The fuzz targets of what is read out of uploads.
const PARSERS: &[&str] = &["books", "disk_images", "packages", "zip_archives"];

/// How long each target runs in all. Runs that were cut short count.
const SECONDS_EACH: u64 = 60;
