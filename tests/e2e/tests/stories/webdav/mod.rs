//! What people and tools do to a share that they have mounted.

mod accounts;
mod child;
mod drop;
mod finder;
mod published;

use xylem_testkit::{Stage, WebDav, small_package};

/// A root, and an account of it that may write.
async fn root() -> (Stage, WebDav) {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    let casper = WebDav::account(&stage, "root", "casper", "--write").await;
    (stage, casper)
}

/// The bytes of a genuine package; another name gives others.
fn package(stage: &Stage, name: &str) -> Vec<u8> {
    std::fs::read(small_package(stage.path(), name)).unwrap()
}

/// The names that a listing of a folder holds.
async fn names(client: &WebDav, folder: &str) -> Vec<String> {
    let listing = client.ask("PROPFIND", folder, &[("depth", "1")], b"").await;
    assert_eq!(listing.status, 207, "{}", listing.text());
    let text = listing.text();
    let hrefs = text.split("<D:href>").skip(1).filter_map(|rest| rest.split('<').next());
    let mut names: Vec<String> = hrefs
        .filter(|href| *href != folder)
        .filter_map(|href| href.trim_end_matches('/').rsplit('/').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}
