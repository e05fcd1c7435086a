//! HTTPS/1.1 over the Net seam.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::BufReader;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use xylem_api::error::{ErrorBody, ErrorCode};
use xylem_pki::{PeerCertificate, explain_tls_error, server_name};
use xylem_runtime::Environment;

use crate::again::copy_of;
use crate::exchange::{Exchanged, Miss, exchange};
use crate::pool::{Connection, Pool};
use crate::{BaseUrl, BodyReader, ClientError, RequestBody, empty_body, full_body};

/// Largest JSON answer that is read, in bytes.
const MAX_JSON_BYTES: usize = 64 << 20;

/// Largest error answer that is read, in bytes.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// What is taken from the system at a time. The TLS library asks for one record each time, of at most
/// 16 KiB, and a visit to the system costs more than copying one.
const READ_BYTES: usize = 64 << 10;

/// A connection under TLS.
type Stream = BufReader<Box<dyn xylem_runtime::Stream>>;

/// How long each part of a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// TCP connection and TLS handshake together.
    pub connect: Duration,
    /// From the end of the request to the head of the answer.
    pub answer: Duration,
    /// Between two pieces of the answer, and for the other side to take a piece of the request.
    pub stall: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

/// Sends requests; keeps connections for the next ones. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
    deadlines: Deadlines,
}

struct Inner {
    environment: Environment,
    tls: Arc<ClientConfig>,
    pool: Pool,
}

impl Transport {
    /// A transport with these TLS settings, which decide whom it believes and who it is.
    pub fn new(environment: Environment, tls: Arc<ClientConfig>) -> Self {
        let inner = Inner { environment, tls, pool: Pool::default() };
        Self { inner: Arc::new(inner), deadlines: Deadlines::default() }
    }

    /// The same transport with other time limits.
    pub fn with_deadlines(&self, deadlines: Deadlines) -> Self {
        Self { inner: Arc::clone(&self.inner), deadlines }
    }

    /// The machine it runs on.
    pub fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// Closes idle connections, and those in use once their calls are done, so that calls that
    /// begin from now on show a renewed certificate.
    pub fn forget_connections(&self) {
        self.inner.pool.forget();
    }

    /// Sends a request and waits for the head of the answer. An answer of 400 and above is
    /// [`ClientError::Answer`]; redirections are not followed.
    pub async fn send(
        &self,
        server: &BaseUrl,
        request: Request<RequestBody>,
    ) -> Result<Response<BodyReader>, ClientError> {
        let answer = self.send_any(server, request).await?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status if status.as_u16() >= 400 => Err(refusal(server, answer).await),
            // A redirection, say of a proxy, has done nothing of what was asked.
            status => {
                let reason = format!("status {status}, and redirections are not followed");
                Err(ClientError::Protocol { server: server.clone(), reason })
            }
        }
    }

    /// Sends a request and waits for the head of the answer, whatever its status is: for servers
    /// of others, whose refusals have a form of their own. Redirections are not followed. A `Host`
    /// header that is there already stays.
    ///
    /// A kept connection may turn out to be closed. A request that was not sent at all then goes
    /// out on a fresh one; so does one that only reads, or that was marked as one that may go out
    /// [`again`](crate::again).
    pub async fn send_any(
        &self,
        server: &BaseUrl,
        mut request: Request<RequestBody>,
    ) -> Result<Response<BodyReader>, ClientError> {
        if !request.headers().contains_key(header::HOST) {
            let authority = HeaderValue::try_from(server.authority()).map_err(|e| {
                ClientError::Protocol { server: server.clone(), reason: e.to_string() }
            })?;
            request.headers_mut().insert(header::HOST, authority);
        }
        if let Some(mut kept) = self.inner.pool.take(server) {
            let again = copy_of(&request);
            match exchange(&mut kept, request, &self.deadlines).await {
                Ok(exchanged) => return Ok(self.finish(server, kept, exchanged)),
                Err(miss) => request = self.unanswered(server, miss, again)?,
            }
        }
        let mut fresh = self.connect(server).await?;
        match exchange(&mut fresh, request, &self.deadlines).await {
            Ok(exchanged) => Ok(self.finish(server, fresh, exchanged)),
            Err(miss) => Err(self.failure(server, miss)),
        }
    }

    /// Sends JSON, or nothing, and reads JSON.
    pub async fn json<A: DeserializeOwned>(
        &self,
        server: &BaseUrl,
        mut request: http::request::Builder,
        body: Option<&impl Serialize>,
    ) -> Result<A, ClientError> {
        let bytes = match body {
            None => None,
            Some(body) => Some(
                serde_json::to_vec(body).map_err(|e| ClientError::Source(io::Error::other(e)))?,
            ),
        };
        let body = match bytes {
            None => empty_body(),
            Some(bytes) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                full_body(bytes)
            }
        };
        let protocol = |reason: String| ClientError::Protocol { server: server.clone(), reason };
        let request = request.body(body).map_err(|e| protocol(e.to_string()))?;
        let answer = self.send(server, request).await?;
        let mut bytes = answer.into_body().collect(MAX_JSON_BYTES).await?;
        if bytes.is_empty() {
            // 204 No Content reads as null, which `()` accepts.
            bytes = bytes::Bytes::from_static(b"null");
        }
        serde_json::from_slice(&bytes).map_err(|e| protocol(e.to_string()))
    }

    /// Opens a connection and says who is on the other side, without sending a request.
    pub async fn peer(&self, server: &BaseUrl) -> Result<Option<PeerCertificate>, ClientError> {
        let stream = self.handshake(server).await?;
        Ok(stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| PeerCertificate::from_chain(chain).ok()))
    }

    /// What to send on a fresh connection after a kept one gave no answer: the request itself
    /// where nothing of it was sent, or a second copy where the connection broke.
    fn unanswered(
        &self,
        server: &BaseUrl,
        miss: Miss,
        again: Option<Request<RequestBody>>,
    ) -> Result<Request<RequestBody>, ClientError> {
        match miss {
            Miss::Broken { unsent: Some(unsent), .. } => Ok(*unsent),
            miss => match (self.failure(server, miss), again) {
                (ClientError::Broken { .. }, Some(again)) => Ok(again),
                (error, _) => Err(error),
            },
        }
    }

    fn failure(&self, server: &BaseUrl, miss: Miss) -> ClientError {
        match miss {
            Miss::Timeout { doing, limit } => {
                ClientError::Timeout { server: server.clone(), doing, limit }
            }
            Miss::Broken { error, .. } => self.broken(server, "sending a request", error),
        }
    }

    /// In TLS 1.3 a server turns down a certificate only after the handshake, so the first
    /// request may fail for a reason that belongs to TLS.
    fn broken(&self, server: &BaseUrl, doing: &'static str, error: hyper::Error) -> ClientError {
        // Of what a user of hyper can do wrong, only a body that fails is left to ours.
        if error.is_user() {
            return ClientError::Source(io::Error::other(error));
        }
        match explain_tls_error(&error, self.inner.environment.clock.now()) {
            Some(explanation) => ClientError::Tls { server: server.clone(), explanation },
            None => ClientError::Broken { server: server.clone(), doing, source: error.into() },
        }
    }

    fn finish(
        &self,
        server: &BaseUrl,
        connection: Connection,
        Exchanged { answer, lifeline, is_sent }: Exchanged,
    ) -> Response<BodyReader> {
        if is_sent {
            self.inner.pool.put(server, connection);
        }
        let stall = self.deadlines.stall;
        answer.map(|body| BodyReader::new(body, server.clone(), stall, lifeline, is_sent))
    }

    async fn connect(&self, server: &BaseUrl) -> Result<Connection, ClientError> {
        let age = self.inner.pool.age();
        let stream = self.handshake(server).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(server, "opening it", error))?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
        Ok(Connection { sender, task: task.abort_handle(), age })
    }

    async fn handshake(&self, server: &BaseUrl) -> Result<TlsStream<Stream>, ClientError> {
        let tls_error = |explanation| ClientError::Tls { server: server.clone(), explanation };
        let name = server_name(server.host()).map_err(|e| tls_error(e.to_string()))?;
        let opening = async {
            let tcp = self
                .inner
                .environment
                .net
                .connect(server.host(), server.port())
                .await
                .map_err(|source| ClientError::Connect { server: server.clone(), source })?;
            let connector = TlsConnector::from(Arc::clone(&self.inner.tls));
            let tcp = BufReader::with_capacity(READ_BYTES, tcp);
            connector.connect(name, tcp).await.map_err(|source| {
                let explained = explain_tls_error(&source, self.inner.environment.clock.now());
                match explained {
                    // A server that is killed, or a wire that is cut, hangs up in the middle: that
                    // says nothing about trust, and may be over at the next try.
                    _ if hung_up(&source) => ClientError::Broken {
                        server: server.clone(),
                        doing: "connecting",
                        source: source.into(),
                    },
                    Some(explanation) => tls_error(explanation),
                    None => ClientError::Connect { server: server.clone(), source },
                }
            })
        };
        let limit = self.deadlines.connect;
        timeout(limit, opening).await.unwrap_or_else(|_| {
            Err(ClientError::Timeout { server: server.clone(), doing: "connecting", limit })
        })
    }
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

async fn refusal(server: &BaseUrl, answer: Response<BodyReader>) -> ClientError {
    let status = answer.status();
    let retry_after = retry_after(answer.headers());
    // The status is an answer even where its explanation is too long, cut short, or not ours: a
    // proxy between may have put it.
    let body = answer.into_body().collect(MAX_ERROR_BYTES).await.ok();
    let body = body.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let body = body.unwrap_or_else(|| ErrorBody {
        code: code_of(status),
        message: format!("{server} answered {status}"),
        request_id: String::new(),
    });
    ClientError::Answer { status: status.as_u16(), body, retry_after }
}

/// How long an answer asks to stay away.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}

/// The word for a status that came without one.
pub(crate) fn code_of(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::UNAUTHORIZED => ErrorCode::Unauthorized,
        StatusCode::FORBIDDEN => ErrorCode::Forbidden,
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::CONFLICT => ErrorCode::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::TooManyRequests,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            ErrorCode::Unavailable
        }
        StatusCode::INSUFFICIENT_STORAGE => ErrorCode::NoSpace,
        other if other.is_server_error() => ErrorCode::Internal,
        _ => ErrorCode::BadRequest,
    }
}
