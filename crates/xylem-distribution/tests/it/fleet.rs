//! Starts and stops distribution servers, asks them, and waits for conditions.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use xylem_artifact::RefusalCode;
use xylem_artifact::inspect::Refusal;
use xylem_blobs::VerifyOnRead;
use xylem_client::enroll::Anchor;
use xylem_client::{BaseUrl, BodyReader, ClientError, ContentClient, Transport, empty_body};
use xylem_distribution::{
    Candidate, DistributionServer, EnrollOptions, Inspector, OpenError, Options, enroll,
};
use xylem_model::{ComputerId, ContentId, DistributionServerId, Party, Sha256, Timestamp};
use xylem_pki::{Identity, client_config};
use xylem_runtime::{Clock, Disk, Environment, Shutdown, SystemClock};

use crate::management::Management;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// The machine's clock, set forward.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    pub(crate) fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let shift = self.0.load(Ordering::SeqCst);
        Timestamp::from_unix_ms(SystemClock.now().unix_ms() + shift)
    }
}

/// Refuses what begins with `BAD`.
#[derive(Debug)]
pub(crate) struct PickyInspector;

#[async_trait]
impl Inspector for PickyInspector {
    async fn inspect(&self, candidate: Candidate) -> Result<serde_json::Value, Refusal> {
        use std::os::unix::fs::FileExt;
        let mut start = [0; 3];
        let read = candidate.file.unwrap().read_at(&mut start, 0).unwrap();
        if &start[..read] == b"BAD" {
            let message = "it begins with BAD".to_owned();
            return Err(Refusal { code: RefusalCode::Damaged, message });
        }
        Ok(serde_json::json!({ "looked": true }))
    }
}

/// A management server with distribution servers.
pub(crate) struct Fleet {
    pub(crate) management: Management,
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) environment: Environment,
    folder: TempDir,
    servers: Vec<Server>,
}

/// One distribution server, running or not.
pub(crate) struct Server {
    pub(crate) id: DistributionServerId,
    pub(crate) data: PathBuf,
    pub(crate) url: BaseUrl,
    running: Option<(Shutdown, JoinHandle<()>)>,
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::on(Disk::real()).await
    }

    /// A fleet whose servers have this disk.
    pub(crate) async fn on(disk: Disk) -> Self {
        let clock: Arc<ShiftedClock> = Arc::default();
        let shared: Arc<dyn Clock> = clock.clone();
        let environment = Environment { clock: shared, disk, ..Environment::real() };
        let management = Management::start(&environment).await;
        let folder = tempfile::tempdir().unwrap();
        Self { management, clock, environment, folder, servers: Vec::new() }
    }

    /// A fleet with a root and a chain of servers below it, all running.
    pub(crate) async fn chain(length: usize) -> Self {
        Self::new().await.with_chain(length).await
    }

    pub(crate) async fn with_chain(mut self, length: usize) -> Self {
        let fleet = &mut self;
        for index in 0..length {
            let id = fleet.add(&format!("ds{index}")).await;
            let above: Vec<_> =
                index.checked_sub(1).map(|i| fleet.servers[i].id).into_iter().collect();
            fleet.management.place(id, &above);
        }
        for index in 0..length {
            fleet.start(index).await;
        }
        self
    }

    pub(crate) fn options(&self, name: &str, listen: SocketAddr) -> EnrollOptions {
        EnrollOptions {
            server: self.management.url.parse().unwrap(),
            anchor: Anchor::Certificates(self.management.anchors.clone()),
            invitation: "good".to_owned(),
            data: self.folder.path().join(name),
            listen,
            public_url: format!("https://{listen}").parse().unwrap(),
            name: name.to_owned(),
        }
    }

    /// Enrolls a server, without starting it.
    pub(crate) async fn add(&mut self, name: &str) -> DistributionServerId {
        let options = self.options(name, free_address());
        let (data, url) = (options.data.clone(), options.public_url.clone());
        let id = enroll(&self.environment, options).await.unwrap();
        self.servers.push(Server { id, data, url, running: None });
        id
    }

    pub(crate) fn server(&self, index: usize) -> &Server {
        &self.servers[index]
    }

    pub(crate) async fn try_open(
        &self,
        index: usize,
        take_over: bool,
    ) -> Result<DistributionServer, OpenError> {
        let options = Options {
            verify_on_read: VerifyOnRead::Always,
            inspector: Arc::new(PickyInspector),
            take_over,
            access_log: None,
        };
        let data = &self.servers[index].data;
        let mut environment = self.environment.clone();
        if take_over {
            // A process of its own would have its own way to the disk.
            environment.disk = Disk::real();
        }
        DistributionServer::open(environment, data, options).await
    }

    pub(crate) async fn open(&self, index: usize) -> DistributionServer {
        self.try_open(index, false).await.unwrap()
    }

    pub(crate) async fn start(&mut self, index: usize) {
        let server = self.open(index).await;
        self.run(index, server);
    }

    /// Has a new program take over from the one that runs, which goes on to its end.
    pub(crate) async fn take_over(&mut self, index: usize) -> JoinHandle<()> {
        let server = self.try_open(index, true).await.unwrap();
        let before = self.servers[index].running.take();
        self.run(index, server);
        before.expect("a server that runs").1
    }

    fn run(&mut self, index: usize, server: DistributionServer) {
        let shutdown = Shutdown::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        self.servers[index].running = Some((shutdown, running));
    }

    /// Stops a server as a supervisor does.
    pub(crate) async fn stop(&mut self, index: usize) {
        if let Some((shutdown, running)) = self.servers[index].running.take() {
            shutdown.begin();
            running.await.unwrap();
        }
    }

    /// Stops a server as a power cut does: nothing of what it was at is finished.
    pub(crate) async fn kill(&mut self, index: usize) {
        if let Some((_, running)) = self.servers[index].running.take() {
            running.abort();
            assert!(running.await.unwrap_err().is_cancelled());
        }
    }

    /// Publishes a file by an upload to the root, as a client does.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8]) -> ContentId {
        let (upload, ticket) = self.management.declare(name, bytes, true);
        let (client, url) = (self.client(None), &self.servers[0].url);
        self.until("the root takes uploads", async || {
            client.ingest_progress(url, upload, &ticket).await.is_ok()
        })
        .await;
        let body = xylem_client::full_body(bytes.to_vec());
        let length = bytes.len() as u64;
        client.ingest(url, upload, &ticket, 0, length, body).await.unwrap();
        assert!(client.complete(url, upload, &ticket).await.unwrap().published);
        ContentId::of(bytes)
    }

    /// A transport that shows a certificate, or none.
    pub(crate) fn transport(&self, party: Option<Party>) -> Transport {
        let identity = party.map(|party| Identity::new(self.management.issue(party)));
        let clock = Arc::clone(&self.environment.clock);
        let tls = client_config(&self.management.anchors, identity.as_ref(), clock).unwrap();
        Transport::new(self.environment.clone(), tls)
    }

    pub(crate) fn client(&self, party: Option<Party>) -> ContentClient {
        ContentClient::new(self.transport(party))
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited in vain: {what}");
        }
    }

    /// Where the files of a content lie on a server.
    pub(crate) fn file(&self, index: usize, content: &ContentId) -> PathBuf {
        let hex = content.to_hex();
        self.servers[index].data.join("repo/content").join(&hex[..2]).join(hex)
    }

    /// Waits until a server holds a content.
    pub(crate) async fn held(&self, index: usize, content: &ContentId) {
        let path = self.file(index, content);
        self.until(&format!("server {index} holds {content}"), async || path.exists()).await;
    }

    /// Waits until a server has applied the newest state.
    pub(crate) async fn caught_up(&self, index: usize) {
        let id = self.servers[index].id;
        self.until(&format!("server {index} catches up"), async || {
            let world = self.management.world();
            world.applied.get(&id) == Some(&world.stamp())
        })
        .await;
    }

    /// Asks a server as somebody.
    pub(crate) async fn get(&self, index: usize, asker: &Asker, path: &str) -> Answer {
        asker.ask(&self.servers[index].url, Method::GET, path).await
    }

    pub(crate) fn computer(&self) -> Party {
        Party::Computer(self.environment.new_id(ComputerId::from_parts))
    }

    pub(crate) fn asker(&self, party: Option<Party>) -> Asker {
        Asker { transport: self.transport(party), headers: HeaderMap::new() }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for server in &self.servers {
            if let Some((shutdown, _)) = &server.running {
                shutdown.begin();
            }
        }
    }
}

/// Somebody who asks.
pub(crate) struct Asker {
    pub(crate) transport: Transport,
    pub(crate) headers: HeaderMap,
}

/// What somebody got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// An error where the connection broke before the end.
    pub(crate) body: Result<Bytes, ClientError>,
    pub(crate) message: String,
}

impl Asker {
    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.headers.insert(name, value.as_ref().parse().unwrap());
        self
    }

    /// Asks for an answer whose body is taken later.
    pub(crate) async fn begin(
        &self,
        server: &BaseUrl,
        method: Method,
        path: &str,
    ) -> Result<http::Response<BodyReader>, ClientError> {
        let mut request = Request::builder().method(method).uri(path).body(empty_body()).unwrap();
        *request.headers_mut() = self.headers.clone();
        self.transport.send(server, request).await
    }

    pub(crate) async fn ask(&self, server: &BaseUrl, method: Method, path: &str) -> Answer {
        match self.begin(server, method, path).await {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                Answer {
                    status: parts.status,
                    headers: parts.headers,
                    body: body.collect(usize::MAX).await,
                    message: String::new(),
                }
            }
            Err(ClientError::Answer { status, body, .. }) => Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Ok(Bytes::new()),
                message: body.message,
            },
            // The transport follows no redirection, and takes this for one.
            Err(ClientError::Protocol { reason, .. }) if reason.starts_with("status 304") => {
                Answer {
                    status: StatusCode::NOT_MODIFIED,
                    headers: HeaderMap::new(),
                    body: Ok(Bytes::new()),
                    message: reason,
                }
            }
            Err(error) => panic!("{path}: {error:?}"),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.as_ref().unwrap()
    }
}

pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    Sha256::from_bytes(digest.as_ref().try_into().unwrap())
}

/// Bytes that look random and follow from a seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
