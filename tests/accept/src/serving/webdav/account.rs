//! A root, and an account of it that may write.

use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::Fleet;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_pki::TrustAnchors;
use xylem_runtime::RealFs;

use super::relay::Relay;
use crate::pair::ROOT;
use crate::run::programs;

/// The account's name.
pub(super) const USER: &str = "casper";

/// A server, somebody who may write there, and a way in for those who trust no authority of ours.
pub(super) struct Share {
    pub(super) fleet: Fleet,
    pub(super) password: String,
    /// `https://HOST:PORT`.
    pub(super) url: String,
    /// The same server without TLS on this machine, with TLS from there on.
    pub(super) relay: Relay,
}

/// Starts a root and gives it an account.
pub(super) async fn share(scratch: &Scratch) -> anyhow::Result<Share> {
    let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
    let (host, folder) = (Host::loopback(), scratch.path().join("fleet"));
    let mut fleet = Fleet::start(&programs, &folder, &host).await?;
    fleet.add(ROOT, &host, None).await?;
    let password = fleet.add_account(ROOT, USER).await?;
    let anchors = TrustAnchors::read(&RealFs, &fleet.ca_file())?;
    let url = fleet.url_of(ROOT)?;
    let relay = Relay::to(&url, &anchors).await?;
    Ok(Share { fleet, password, url, relay })
}
