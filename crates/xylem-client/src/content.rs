//! Anybody to a distribution server.

use http::{HeaderMap, Method, Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use xylem_api::content::AT_ONCE;
use xylem_api::content::PATH_HEADER;
use xylem_api::control::FileChanged;
use xylem_api::ingest::{ACCOUNT_HEADER, HANDED_ON_PATH, IngestProgress, TICKET_SCHEME};
use xylem_model::{AccountName, ContentId, DistributionServerId, FileKind, FileName, UploadId};

use crate::{BaseUrl, BodyReader, ClientError, Deadlines, RequestBody, Transport, empty_body};

/// Most servers that are read out of one path: more than any tree is deep.
const MAX_PATH: usize = 32;

/// How a caller proves that it may read: by the certificate of its connection, or by a ticket.
#[derive(Debug, Clone)]
pub enum ContentAuth {
    /// The transport's certificate.
    Certificate,
    /// A ticket, in the form that fits into a header.
    Ticket(String),
}

/// What a distribution server, or a cloud, answers for a content.
pub struct ContentAnswer {
    /// Where in the content the body begins.
    pub offset: u64,
    /// Size of the whole content, in bytes.
    pub size: u64,
    /// The servers through which the bytes come to that server, nearest first; none where it has
    /// all of them.
    pub path: Vec<DistributionServerId>,
    /// The bytes from `offset` to the end.
    pub body: BodyReader,
}

/// Fetches from distribution servers and sends uploads to them.
#[derive(Clone)]
pub struct ContentClient {
    transport: Transport,
    /// Whether the server is not to hold back its answer.
    at_once: bool,
}

impl ContentClient {
    /// A client whose transport decides whom it believes and who it is.
    pub const fn new(transport: Transport) -> Self {
        Self { transport, at_once: false }
    }

    /// The same client with other time limits.
    pub fn with_deadlines(&self, deadlines: Deadlines) -> Self {
        Self { transport: self.transport.with_deadlines(deadlines), ..*self }
    }

    /// The same client, which is told at once where a server has not got a content yet, instead of
    /// waiting for it.
    pub fn at_once(&self, at_once: bool) -> Self {
        Self { transport: self.transport.clone(), at_once }
    }

    /// A request as this client makes it.
    pub(crate) fn request(&self) -> http::request::Builder {
        match self.at_once {
            true => Request::builder().header("prefer", AT_ONCE),
            false => Request::builder(),
        }
    }

    pub(crate) const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Asks for a content from an offset on. `If-Range` with the content id makes sure that a
    /// part belongs to this content and to no other.
    pub async fn fetch(
        &self,
        server: &BaseUrl,
        path: &str,
        content: &ContentId,
        offset: u64,
        auth: &ContentAuth,
    ) -> Result<ContentAnswer, ClientError> {
        let mut request = authorised(self.request().uri(path), auth);
        if offset > 0 {
            request = request
                .header(header::RANGE, format!("bytes={offset}-"))
                .header(header::IF_RANGE, format!("\"{content}\""));
        }
        let request = request.body(empty_body()).map_err(|e| protocol(server, &e))?;
        let answer = self.transport.send(server, request).await?;
        let (offset, size) = match answer.status() {
            StatusCode::OK => (0, length(answer.headers())),
            StatusCode::PARTIAL_CONTENT => {
                let (start, size) = content_range(answer.headers())
                    .ok_or_else(|| protocol(server, &"it lacks a usable Content-Range"))?;
                if start != offset {
                    return Err(protocol(server, &"it begins elsewhere than was asked"));
                }
                (start, Some(size))
            }
            status => return Err(protocol(server, &format!("status {status}"))),
        };
        let size = size.ok_or_else(|| protocol(server, &"it lacks a Content-Length"))?;
        let path = path_of(answer.headers());
        Ok(ContentAnswer { offset, size, path, body: answer.into_body() })
    }

    /// How much of an upload has arrived.
    pub async fn ingest_progress(
        &self,
        server: &BaseUrl,
        upload: UploadId,
        ticket: &str,
    ) -> Result<IngestProgress, ClientError> {
        let path = format!("/v1/ingest/{upload}");
        let request = authorised(Request::builder().uri(path), &ContentAuth::Ticket(ticket.into()));
        self.transport.json(server, request, None::<&()>).await
    }

    /// Sends a part of an upload, `length` bytes from `offset` on: where the server goes on.
    pub async fn ingest(
        &self,
        server: &BaseUrl,
        upload: UploadId,
        ticket: &str,
        offset: u64,
        length: u64,
        body: RequestBody,
    ) -> Result<IngestProgress, ClientError> {
        let path = format!("/v1/ingest/{upload}?offset={offset}");
        self.put_part(server, &path, ticket, length, body).await
    }

    /// The same for a part that others may still be sending bytes in front of.
    pub async fn ingest_ahead(
        &self,
        server: &BaseUrl,
        upload: UploadId,
        ticket: &str,
        offset: u64,
        length: u64,
        body: RequestBody,
    ) -> Result<IngestProgress, ClientError> {
        let path = format!("/v1/ingest/{upload}?offset={offset}&ahead=true");
        self.put_part(server, &path, ticket, length, body).await
    }

    async fn put_part(
        &self,
        server: &BaseUrl,
        path: &str,
        ticket: &str,
        length: u64,
        body: RequestBody,
    ) -> Result<IngestProgress, ClientError> {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length);
        let request = authorised(request, &ContentAuth::Ticket(ticket.into()))
            .body(body)
            .map_err(|e| protocol(server, &e))?;
        let answer = self.transport.send(server, request).await?;
        let bytes = answer.into_body().collect(64 << 10).await?;
        serde_json::from_slice(&bytes).map_err(|e| protocol(server, &e))
    }

    /// Asks to verify, commit and publish what was sent. Returns once it is published; asking
    /// again is harmless.
    pub async fn complete(
        &self,
        server: &BaseUrl,
        upload: UploadId,
        ticket: &str,
    ) -> Result<IngestProgress, ClientError> {
        let path = format!("/v1/ingest/{upload}/complete");
        let request = Request::builder().method(Method::POST).uri(path);
        let request = authorised(request, &ContentAuth::Ticket(ticket.into()));
        self.transport.json(server, request, None::<&()>).await
    }

    /// Throws away what has arrived of an upload.
    pub async fn give_up(
        &self,
        server: &BaseUrl,
        upload: UploadId,
        ticket: &str,
    ) -> Result<(), ClientError> {
        let path = format!("/v1/ingest/{upload}");
        let request = Request::builder().method(Method::DELETE).uri(path);
        let request = authorised(request, &ContentAuth::Ticket(ticket.into()));
        self.transport.json(server, request, None::<&()>).await
    }

    /// Hands a file on to the principal while it comes: of `length` bytes, where that is known.
    /// Returns once it is published.
    pub async fn hand_on(
        &self,
        principal: &BaseUrl,
        (kind, name): (FileKind, &FileName),
        account: &AccountName,
        length: Option<u64>,
        body: RequestBody,
    ) -> Result<FileChanged, ClientError> {
        let name = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC);
        let mut request = Request::builder()
            .method(Method::PUT)
            .uri(format!("{HANDED_ON_PATH}/{kind}/{name}"))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(ACCOUNT_HEADER, account.as_str());
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let request = request.body(body).map_err(|e| protocol(principal, &e))?;
        let answer = self.transport.send(principal, request).await?;
        let bytes = answer.into_body().collect(64 << 10).await?;
        serde_json::from_slice(&bytes).map_err(|e| protocol(principal, &e))
    }
}

fn authorised(request: http::request::Builder, auth: &ContentAuth) -> http::request::Builder {
    match auth {
        ContentAuth::Certificate => request,
        ContentAuth::Ticket(ticket) => {
            request.header(header::AUTHORIZATION, format!("{TICKET_SCHEME} {ticket}"))
        }
    }
}

fn path_of(headers: &HeaderMap) -> Vec<DistributionServerId> {
    let text = headers.get(PATH_HEADER).and_then(|value| value.to_str().ok()).unwrap_or("");
    text.split(',').filter_map(|id| id.trim().parse().ok()).take(MAX_PATH).collect()
}

pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Start and size out of `bytes START-END/SIZE` (RFC 9110 section 14.4), when it reaches to the
/// end: that is what was asked for.
pub(crate) fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, last, size): (u64, u64, u64) =
        (start.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (start <= last && last.checked_add(1)? == size).then_some((start, size))
}

pub(crate) fn protocol(server: &BaseUrl, reason: &impl ToString) -> ClientError {
    ClientError::Protocol { server: server.clone(), reason: reason.to_string() }
}
