//! An authority, a server that plays a part, and a transport that believes it.

mod net;
mod server;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use uuid::Uuid;
use xylem_ca::{Authority, LeafRequest};
use xylem_client::{BaseUrl, ClientError, Transport};
use xylem_model::{ComputerId, DistributionServerId, Party};
use xylem_pki::{
    ClientAuth, Credentials, Identity, KeyPair, LeafNames, TrustAnchors, certificate_request,
    client_config, server_config,
};
use xylem_runtime::Environment;

pub(crate) use net::CuttableNet;
pub(crate) use server::{Asked, FakeServer, Reply};

/// A limit that runs out while a test waits for it.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

const DAY: Duration = Duration::from_secs(86_400);

/// An authority and the machine it runs on.
pub(crate) struct World {
    pub(crate) environment: Environment,
    pub(crate) authority: Authority,
    pub(crate) anchors: TrustAnchors,
}

impl World {
    pub(crate) fn new() -> Self {
        let environment = Environment::real();
        let rng = Arc::clone(&environment.rng);
        let authority = Authority::create("Example School", environment.clock.now(), rng).unwrap();
        let anchors = TrustAnchors::from_pem(authority.root_pem().as_bytes()).unwrap();
        Self { environment, authority, anchors }
    }

    /// Credentials of a server for some hosts.
    pub(crate) fn server<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) -> Identity {
        self.enrol(&LeafRequest {
            party: Party::DistributionServer(DistributionServerId::from_uuid(Uuid::from_u128(1))),
            common_name: "Library".into(),
            hosts: LeafNames::from_hosts(hosts).unwrap(),
            lifetime: DAY,
            server_auth: true,
        })
    }

    /// Credentials of a computer.
    pub(crate) fn computer(&self, number: u128) -> Identity {
        self.enrol(&LeafRequest {
            party: Party::Computer(ComputerId::from_uuid(Uuid::from_u128(number))),
            common_name: "lab-3".into(),
            hosts: LeafNames::none(),
            lifetime: DAY,
            server_auth: false,
        })
    }

    fn enrol(&self, leaf: &LeafRequest) -> Identity {
        let key = KeyPair::generate().unwrap();
        let request = certificate_request(&key, "anything").unwrap();
        let issued = self.authority.issue(&request, leaf, self.environment.clock.now()).unwrap();
        Identity::new(Credentials::new(key, issued.chain_pem.as_bytes()).unwrap())
    }

    /// TLS settings of a server on the loopback interface.
    pub(crate) fn server_config(&self, auth: ClientAuth) -> Arc<rustls::ServerConfig> {
        self.server_config_of(&self.server(["127.0.0.1"]), auth)
    }

    pub(crate) fn server_config_of(
        &self,
        identity: &Identity,
        auth: ClientAuth,
    ) -> Arc<rustls::ServerConfig> {
        server_config(identity, &self.anchors, self.environment.clock.clone(), auth).unwrap()
    }

    /// A server that anybody may ask.
    pub(crate) async fn fake(
        &self,
        script: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> FakeServer {
        FakeServer::start(self.server_config(ClientAuth::Optional), script).await
    }

    /// A transport that believes this authority.
    pub(crate) fn transport(&self) -> Transport {
        self.transport_as(None)
    }

    pub(crate) fn transport_as(&self, identity: Option<&Identity>) -> Transport {
        let clock = self.environment.clock.clone();
        let tls = client_config(&self.anchors, identity, clock).unwrap();
        Transport::new(self.environment.clone(), tls)
    }
}

/// Reads a text from `/`.
pub(crate) async fn get(transport: &Transport, server: &BaseUrl) -> Result<String, ClientError> {
    transport.json(server, Request::builder().uri("/"), None::<&()>).await
}

/// Sends a text to `/` and reads one.
pub(crate) async fn post(transport: &Transport, server: &BaseUrl) -> Result<String, ClientError> {
    let request = Request::builder().method(Method::POST).uri("/");
    transport.json(server, request, Some(&"a question")).await
}
