//! Sending what `xylem-cloud` made, to a provider of cloud storage.
//!
//! Nothing is understood here: a request goes out as it was signed, and an answer of any status
//! comes back, bounded. Retries, and what an answer means, are the caller's; but for this: where a
//! connection that was kept turns out to be closed, a request goes out once more that only reads, or
//! whose bytes are in it and whose effect is the same twice.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use rustls::ClientConfig;
use xylem_cloud::{Body, CloudAnswer, CloudRequest, MAX_ANSWER_BYTES};
use xylem_runtime::Environment;

use crate::{
    BaseUrl, BodyReader, ClientError, Deadlines, RequestBody, Transport, again, full_body,
};

/// Time limits towards a provider. Nothing limits the whole: that depends on the size.
const DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(10),
    answer: Duration::from_secs(60),
    stall: Duration::from_secs(60),
};

/// How long a provider may take to put an upload together, which some do before they answer.
const ENDING: Duration = Duration::from_secs(5 * 60);

/// Brings a request to where no line leads: to the folder of the root distribution server.
#[async_trait]
pub trait CloudCourier: Send + Sync {
    /// Brings a request with its body, and an answer back within `patience`.
    ///
    /// # Errors
    /// When there is no answer, or the body cannot be read to its end.
    async fn carry(
        &self,
        request: &CloudRequest,
        body: RequestBody,
        patience: Duration,
    ) -> Result<CloudAnswer, ClientError>;
}

/// Talks to a provider of cloud storage. Cheap to clone.
#[derive(Clone)]
pub struct CloudClient {
    way: Way,
}

/// How requests get there.
#[derive(Clone)]
enum Way {
    Line(Transport),
    Courier { courier: Arc<dyn CloudCourier>, patience: Duration },
}

impl CloudClient {
    /// A client on a machine. Where the address is somebody's setting its network is to be a
    /// [`GuardedNet`](xylem_runtime::GuardedNet), and `tls` a
    /// [`public_client_config`](xylem_pki::public_client_config).
    pub fn new(environment: Environment, tls: Arc<ClientConfig>) -> Self {
        Self { way: Way::Line(Transport::new(environment, tls).with_deadlines(DEADLINES)) }
    }

    /// A client whose requests somebody brings: no address of theirs leads anywhere.
    pub fn by_courier(courier: Arc<dyn CloudCourier>) -> Self {
        Self { way: Way::Courier { courier, patience: DEADLINES.answer } }
    }

    /// The same client with more patience for an answer, for what ends an upload.
    #[must_use]
    pub fn for_ending(&self) -> Self {
        let way = match &self.way {
            Way::Line(transport) => {
                Way::Line(transport.with_deadlines(Deadlines { answer: ENDING, ..DEADLINES }))
            }
            Way::Courier { courier, .. } => {
                Way::Courier { courier: Arc::clone(courier), patience: ENDING }
            }
        };
        Self { way }
    }

    /// Sends a request whose bytes are in it.
    ///
    /// # Errors
    /// When there is no answer, or the request is for a piece, whose bytes are not in it.
    pub async fn send(&self, request: &CloudRequest) -> Result<CloudAnswer, ClientError> {
        let bytes = match &request.body {
            Body::None => Bytes::new(),
            Body::Bytes(bytes) => Bytes::copy_from_slice(bytes),
            Body::Piece { .. } => {
                return Err(protocol(&server_of(request), "its bytes are not at hand"));
            }
        };
        self.send_body(request, full_body(bytes.clone()), Some(&bytes)).await
    }

    /// Sends a request for a piece with the piece's bytes: as many as the request says.
    ///
    /// # Errors
    /// When there is no answer, or the bytes cannot be read to their end.
    pub async fn send_piece(
        &self,
        request: &CloudRequest,
        bytes: RequestBody,
    ) -> Result<CloudAnswer, ClientError> {
        self.send_body(request, bytes, None).await
    }

    /// Sends a request with its body, whose bytes may be at hand for a second time.
    async fn send_body(
        &self,
        request: &CloudRequest,
        body: RequestBody,
        at_hand: Option<&Bytes>,
    ) -> Result<CloudAnswer, ClientError> {
        let transport = match &self.way {
            Way::Line(transport) => transport,
            Way::Courier { courier, patience } => {
                return courier.carry(request, body, *patience).await;
            }
        };
        let server = server_of(request);
        let mut http = http_request(&server, request, body)?;
        if let Some(bytes) = at_hand {
            again::allow(&mut http, bytes);
        }
        let answer = transport.send_any(&server, http).await?;
        let received = transport.environment().clock.now();
        let (parts, body) = answer.into_parts();
        let body = match bounded(body).await {
            Ok(body) => body,
            // A refusal is one even where its explanation is cut short.
            Err(_) if !parts.status.is_success() => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(CloudAnswer { status: parts.status.as_u16(), headers: parts.headers, body, received })
    }
}

/// The beginning of a body. What is longer than an answer may be is cut, with its connection.
async fn bounded(mut body: BodyReader) -> Result<Vec<u8>, ClientError> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await? {
        let room = MAX_ANSWER_BYTES.saturating_sub(all.len());
        match piece.get(..room) {
            Some(fits) if fits.len() < piece.len() => {
                all.extend_from_slice(fits);
                break;
            }
            _ => all.extend_from_slice(&piece),
        }
    }
    Ok(all)
}

fn server_of(request: &CloudRequest) -> BaseUrl {
    let host = request.endpoint.host();
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    BaseUrl::new(bracketed.unwrap_or(host), request.endpoint.port())
}

/// The request as the transport takes it. No message repeats the query or a header's value.
fn http_request(
    server: &BaseUrl,
    request: &CloudRequest,
    body: RequestBody,
) -> Result<Request<RequestBody>, ClientError> {
    let refused = |what: &str| protocol(server, &format!("{what} cannot be sent"));
    let mut http = Request::new(body);
    *http.method_mut() = request.method.clone();
    *http.uri_mut() = request.target().parse().map_err(|_| refused("the request's path"))?;
    let headers = http.headers_mut();
    let host = HeaderValue::try_from(request.endpoint.authority());
    headers.insert(header::HOST, host.map_err(|_| refused("the request's host"))?);
    for one in &request.headers {
        let name = HeaderName::try_from(&*one.name).map_err(|_| refused("a header's name"))?;
        let value = HeaderValue::try_from(one.value.as_str());
        let mut value = value.map_err(|_| refused(&format!("the value of `{name}`")))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    let size = request.body.size();
    if size > 0 || matches!(request.method, Method::POST | Method::PUT) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    Ok(http)
}

fn protocol(server: &BaseUrl, reason: &str) -> ClientError {
    let reason = format!("{reason}; it was not asked");
    ClientError::Protocol { server: server.clone(), reason }
}
