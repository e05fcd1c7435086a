//! A distribution server that behaves as well or badly as a test wants.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use uuid::Uuid;
use xylem_api::catalogue::Candidate;
use xylem_api::error::ErrorCode;
use xylem_client::BaseUrl;
use xylem_http::ApiError;
use xylem_model::{ContentId, DistributionServerId};

use crate::world::Package;

/// How long a body pauses before it breaks off, so that what was said before goes out.
const FLUSH: Duration = Duration::from_millis(200);

/// How a server behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    Good,
    /// Breaks the connection after this byte of the content.
    CutAt(usize),
    /// Sends this byte of the content wrong.
    FlipAt(usize),
    /// Sends one byte more than there are.
    TooLong,
    /// Sends the whole, whatever range is asked for.
    IgnoresRanges,
    /// Refuses all tickets but `fresh`.
    WantsFreshTickets,
    Refuses(ErrorCode),
}

/// What was asked of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) ticket: String,
}

struct Inner {
    contents: HashMap<ContentId, Vec<u8>>,
    manner: Manner,
    asked: Vec<Asked>,
}

#[derive(Clone)]
pub(crate) struct Distribution {
    name: String,
    url: Option<BaseUrl>,
    inner: Arc<Mutex<Inner>>,
}

impl Distribution {
    pub(crate) fn new(name: &str) -> Self {
        let inner = Inner { contents: HashMap::new(), manner: Manner::Good, asked: Vec::new() };
        Self { name: name.into(), url: None, inner: Arc::new(Mutex::new(inner)) }
    }

    pub(crate) fn at(mut self, url: BaseUrl) -> Self {
        self.url = Some(url);
        self
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn with(self, package: &Package) -> Self {
        self.inner().contents.insert(package.content(), package.bytes.clone());
        self
    }

    pub(crate) fn behaves(&self, manner: Manner) {
        self.inner().manner = manner;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    pub(crate) fn candidate(&self, package: &Package) -> Candidate {
        let url = self.url.as_ref().unwrap();
        Candidate {
            server: DistributionServerId::from_uuid(Uuid::from_u128(7)),
            name: self.name.clone(),
            url: format!("{url}/v1/blob/{}", package.content()),
            ticket: "stale".into(),
        }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().route("/v1/blob/{id}", get(blob)).with_state(self.clone())
    }
}

async fn blob(
    State(server): State<Distribution>,
    Path(id): Path<ContentId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let ticket = text(header::AUTHORIZATION).unwrap_or_default();
    let ticket = ticket.trim_start_matches("Xylem-Ticket ").to_owned();
    let asked = Asked { range: text(header::RANGE), if_range: text(header::IF_RANGE), ticket };
    let manner = {
        let mut inner = server.inner();
        inner.asked.push(asked.clone());
        inner.manner
    };
    match manner {
        Manner::Refuses(code) => return Err(ApiError::new(code, "this server does not want to")),
        Manner::WantsFreshTickets if asked.ticket != "fresh" => {
            return Err(ApiError::new(ErrorCode::Unauthorized, "the ticket has expired"));
        }
        _ => {}
    }
    let content = server.inner().contents.get(&id).cloned();
    let content = content.ok_or_else(|| ApiError::not_found("no such content"))?;
    Ok(answer(manner, content, &asked))
}

fn answer(manner: Manner, mut content: Vec<u8>, asked: &Asked) -> Response {
    if let Manner::FlipAt(byte) = manner {
        content[byte] ^= 1;
    }
    if let Manner::TooLong = manner {
        content.push(0);
    }
    let size = content.len();
    let start: usize = match (&asked.range, manner) {
        (Some(range), manner) if !matches!(manner, Manner::IgnoresRanges) => {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap()
        }
        _ => 0,
    };
    let mut response = Response::builder().header(header::CONTENT_LENGTH, size - start);
    if start > 0 {
        let range = format!("bytes {start}-{}/{size}", size - 1);
        response =
            response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range);
    }
    let body = match manner {
        Manner::CutAt(end) => {
            let sent = Bytes::copy_from_slice(&content[start..end.max(start)]);
            let pieces = stream::unfold(Some(sent), |left| async move {
                match left {
                    Some(sent) if !sent.is_empty() => Some((Ok(sent), Some(Bytes::new()))),
                    Some(_) => {
                        tokio::time::sleep(FLUSH).await;
                        Some((Err(io::Error::other("cut")), None))
                    }
                    None => None,
                }
            });
            Body::from_stream(pieces)
        }
        _ => Body::from(content.split_off(start)),
    };
    response.body(body).unwrap()
}
