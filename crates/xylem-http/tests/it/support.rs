//! An authority, a listener with a small program behind it, and a client that writes raw bytes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;
use xylem_ca::{Authority, LeafRequest};
use xylem_http::{AccessLog, Api, HttpServer, Limits};
use xylem_model::{ComputerId, DistributionServerId, Party};
use xylem_pki::{
    ClientAuth, Credentials, Identity, KeyPair, LeafNames, TrustAnchors, certificate_request,
    client_config, server_config, server_name,
};
use xylem_runtime::{Environment, Shutdown};

/// Loopback, with a port of the system's choice.
pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A limit that runs out while a test waits for it.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

const LIFETIME: Duration = Duration::from_secs(86_400);

pub(crate) fn computer(number: u128) -> Party {
    Party::Computer(ComputerId::from_uuid(Uuid::from_u128(number)))
}

/// An authority and the machine it runs on.
pub(crate) struct World {
    pub(crate) environment: Environment,
    pub(crate) anchors: TrustAnchors,
    authority: Authority,
}

impl World {
    pub(crate) fn new() -> Self {
        let environment = Environment::real();
        let rng = Arc::clone(&environment.rng);
        let authority = Authority::create("Example School", environment.clock.now(), rng).unwrap();
        let anchors = TrustAnchors::from_pem(authority.root_pem().as_bytes()).unwrap();
        Self { environment, anchors, authority }
    }

    /// Credentials of a computer.
    pub(crate) fn computer(&self, number: u128) -> Identity {
        self.enrol(&LeafRequest {
            party: computer(number),
            common_name: "lab-3".into(),
            hosts: LeafNames::none(),
            lifetime: LIFETIME,
            server_auth: false,
        })
    }

    fn enrol(&self, leaf: &LeafRequest) -> Identity {
        let key = KeyPair::generate().unwrap();
        let request = certificate_request(&key, "anything").unwrap();
        let now = self.environment.clock.now();
        let issued = self.authority.issue(&request, leaf, now).unwrap();
        Identity::new(Credentials::new(key, issued.chain_pem.as_bytes()).unwrap())
    }

    pub(crate) fn server_config(&self, auth: ClientAuth) -> Arc<rustls::ServerConfig> {
        let identity = self.enrol(&LeafRequest {
            party: Party::DistributionServer(DistributionServerId::from_uuid(Uuid::from_u128(1))),
            common_name: "Library".into(),
            hosts: LeafNames::from_hosts(["127.0.0.1"]).unwrap(),
            lifetime: LIFETIME,
            server_auth: true,
        });
        server_config(&identity, &self.anchors, self.environment.clock.clone(), auth).unwrap()
    }

    pub(crate) fn client_config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        client_config(&self.anchors, identity, self.environment.clock.clone()).unwrap()
    }

    pub(crate) async fn serve(&self, limits: Limits, router: Router) -> Served {
        self.serve_with(ClientAuth::Optional, limits, router).await
    }

    pub(crate) async fn serve_with(
        &self,
        auth: ClientAuth,
        limits: Limits,
        router: Router,
    ) -> Served {
        let server = self.listen(auth, limits).await;
        self.start(server, router)
    }

    pub(crate) async fn serve_logged(
        &self,
        limits: Limits,
        router: Router,
        log: AccessLog,
    ) -> Served {
        let server = self.listen(ClientAuth::Optional, limits).await;
        self.start(server.with_access_log(log), router)
    }

    async fn listen(&self, auth: ClientAuth, limits: Limits) -> HttpServer {
        let tls = self.server_config(auth);
        HttpServer::listen(&self.environment, ANY_PORT, tls, limits).await.unwrap()
    }

    fn start(&self, server: HttpServer, router: Router) -> Served {
        let address = server.local_address().unwrap();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(server.serve(Api::new(router), shutdown.clone()));
        Served { address, shutdown, task, anonymous: self.client_config(None) }
    }
}

/// A running listener.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<()>,
    anonymous: Arc<ClientConfig>,
}

impl Served {
    /// A TCP connection on which nothing was said yet.
    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection without a certificate.
    pub(crate) async fn connect(&self) -> Client {
        self.try_connect(&self.anonymous).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, tls: &Arc<ClientConfig>) -> std::io::Result<Client> {
        let name = server_name("127.0.0.1").unwrap();
        let tcp = TcpStream::connect(self.address).await?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?;
        Ok(Client(stream))
    }

    /// Asks on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }

    /// Waits until a place is free again, which is some time after its connection was closed.
    pub(crate) async fn connect_when_there_is_room(&self) -> Client {
        loop {
            if let Ok(mut client) = self.try_connect(&self.anonymous).await {
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                if client.try_answer().await.is_ok() {
                    return client;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A TLS connection that says what it is told to.
pub(crate) struct Client(pub(crate) TlsStream<TcpStream>);

impl Client {
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        // The other side may be closing already: what it answered counts.
        let _ = self.0.write_all(text.as_ref()).await;
        let _ = self.0.flush().await;
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n");
        self.send(format!("{head}{headers}\r\n{body}")).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap()
    }

    /// Reads one answer, by its Content-Length.
    pub(crate) async fn try_answer(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(Answer {
            status: status_line.split(' ').nth(1).unwrap().parse().unwrap(),
            headers,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// What still comes until the other side closes the connection, in whatever way.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    }
}

/// One answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The sentence of an error body.
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }
}
