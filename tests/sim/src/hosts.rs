//! What runs on each simulated host: the real programs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use xylem_blobs::VerifyOnRead;
use xylem_client::enroll::Membership;
use xylem_distribution::{
    DistributionServer, NoInspector, Options, RateLimits, Settings, write_membership,
};
use xylem_http::{HttpServer, Limits};
use xylem_pki::{ClientAuth, Credentials, Identity, server_config};
use xylem_runtime::Shutdown;
use xylem_server::ControlService;

use crate::environment::{DiskFaults, environment};
use crate::world::{PORT, SERVER, World};

/// Where a distribution server keeps everything.
const DATA: &str = "/xylem";

type HostResult = Result<(), Box<dyn std::error::Error>>;

/// The management server, as far as distribution servers see it.
pub(crate) async fn management_server(world: World, seed: u64) -> HostResult {
    let environment = environment(seed, DiskFaults::default());
    let shutdown = Shutdown::new();
    let service = ControlService::new(
        environment.clone(),
        world.store.clone(),
        Arc::clone(&world.signer),
        world.trust.clone(),
        shutdown.clone(),
    );
    service.refresh().await?;
    let identity = Identity::new(Credentials::from_pem(world.server.as_bytes())?);
    let clock = environment.clock.clone();
    let tls = server_config(&identity, &world.anchors, clock, ClientAuth::Optional)?;
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    let http = HttpServer::listen(&environment, listen, tls, Limits::default()).await?;
    http.serve(xylem_server::control_router(&service), shutdown).await;
    Ok(())
}

/// A distribution server; enrolled when its disk is empty.
pub(crate) async fn distribution_server(
    world: World,
    member: usize,
    seed: u64,
    faults: DiskFaults,
    verify_on_read: VerifyOnRead,
) -> HostResult {
    let environment = environment(seed, faults);
    let (name, _, identity_pem) = world.members.get(member).ok_or("no such member")?;
    let settings = Settings {
        server: format!("https://{SERVER}:{PORT}"),
        name: (*name).to_owned(),
        public_url: format!("https://{name}:{PORT}"),
        listen: SocketAddr::from(([0, 0, 0, 0], PORT)),
        rates: RateLimits::default(),
    };
    let membership = Membership {
        credentials: Credentials::from_pem(identity_pem.as_bytes())?,
        anchors: world.anchors.clone(),
        trust: world.trust.clone(),
    };
    write_membership(environment.disk.fs(), Path::new(DATA), &settings, &membership)?;
    let options = Options { verify_on_read, inspector: Arc::new(NoInspector) };
    let server = DistributionServer::open(environment, Path::new(DATA), options).await?;
    server.run(Shutdown::new()).await;
    Ok(())
}
