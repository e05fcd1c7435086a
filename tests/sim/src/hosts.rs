//! What runs on each simulated host: the real programs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use xylem_blobs::VerifyOnRead;
use xylem_client::enroll::Membership;
use xylem_distribution::{DistributionServer, NoInspector, Options, Settings, write_membership};
use xylem_http::{Api, HttpServer, Limits};
use xylem_pki::{ClientAuth, Credentials, Identity, server_config};
use xylem_runtime::{Environment, Shutdown};
use xylem_server::{ControlService, WishStore};

use crate::cloud::{self, CLOUD};
use crate::environment::environment;
use crate::history::History;
use crate::machine::Planted;
use crate::watched::WatchedStore;
use crate::world::{Member, PORT, SERVER, World};

/// How often the management server looks whether its store was changed by somebody else, as the
/// real one does.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When a server that could not start is started again.
const START_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where a distribution server keeps everything.
const DATA: &str = "/xylem";

type HostResult = Result<(), Box<dyn std::error::Error>>;

/// The management server, as far as distribution servers see it.
pub(crate) async fn management_server(world: World, history: History, seed: u64) -> HostResult {
    let environment = environment(seed, &world.server_machine);
    let store: Arc<dyn WishStore> = Arc::new(WatchedStore::new(world.clone(), history.clone()));
    let shutdown = Shutdown::new();
    let service = ControlService::new(
        environment.clone(),
        store,
        Arc::clone(&world.signer),
        world.trust.clone(),
        shutdown.clone(),
    );
    service.refresh().await?;
    let looking = service.clone();
    tokio::spawn(async move {
        // Until the host crashes.
        while looking.refresh().await.is_ok() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    let mut router = xylem_server::control_router(&service);
    if let Some(cloud) = &world.cloud {
        let filling = cloud::filling(&world, cloud, &environment, &service, &history);
        router = router.merge(xylem_server::cloud_control_router(&filling));
    }
    let identity = Identity::new(Credentials::from_pem(world.server.as_bytes())?);
    let clock = environment.clock.clone();
    let tls = server_config(&identity, &world.anchors, clock, ClientAuth::Optional)?;
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    let http = HttpServer::listen(&environment, listen, tls, Limits::default()).await?;
    http.serve(Api::new(router), shutdown).await;
    Ok(())
}

/// A distribution server. One that cannot start is started again after a while, as a service
/// manager does; what it says is noted.
pub(crate) async fn distribution_server(
    world: World,
    history: History,
    number: usize,
    seed: u64,
) -> HostResult {
    let member = world.members.get(number).ok_or("no such member")?;
    let environment = environment(seed, &member.machine);
    loop {
        match start(&world, number, member, &environment).await {
            Ok(server) => {
                server.run(Shutdown::new()).await;
                return Ok(());
            }
            Err(error) => {
                let mut record = history.lock();
                record.figures.failed_starts += 1;
                let now = turmoil::sim_elapsed().unwrap_or_default();
                record.note(now, format!("{}: cannot start: {error:#}", member.name));
            }
        }
        tokio::time::sleep(START_AGAIN_AFTER).await;
    }
}

async fn start(
    world: &World,
    number: usize,
    member: &Member,
    environment: &Environment,
) -> anyhow::Result<DistributionServer> {
    let unverified =
        member.machine.is_planted(Planted::NoVerification) || world.corrupt == Some(number);
    let verify_on_read = if unverified { VerifyOnRead::ScrubOnly } else { VerifyOnRead::Always };
    let settings = Settings {
        server: format!("https://{SERVER}:{PORT}"),
        name: member.name.to_owned(),
        public_url: format!("https://{}:{PORT}", member.name),
        listen: SocketAddr::from(([0, 0, 0, 0], PORT)),
        cloud_private_hosts: vec![CLOUD.to_owned()],
        cloud_folder: None,
    };
    let membership = Membership {
        credentials: Credentials::from_pem(member.identity.as_bytes())?,
        anchors: world.anchors.clone(),
        trust: world.trust.clone(),
    };
    write_membership(environment.disk.fs(), Path::new(DATA), &settings, &membership)?;
    let options = Options {
        verify_on_read,
        inspector: Arc::new(NoInspector),
        take_over: false,
        access_log: None,
    };
    Ok(DistributionServer::open(environment.clone(), Path::new(DATA), options).await?)
}
