//! Uploads for callers that can reach this server only: their bytes are streamed on to the ingest
//! server, and nothing is kept here.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::timeout;
use utoipa::IntoParams;
use xylem_api::catalogue::{Upload, UploadState};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::IngestProgress;
use xylem_client::{BaseUrl, RequestBody};
use xylem_model::UploadId;

use super::enrollment::parse_url;
use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;

/// Pieces of a body that wait to be passed on. A full queue stops reading from the caller: that
/// is the back pressure, and the bound on memory.
const PIECES_IN_FLIGHT: usize = 4;

/// How long either side may leave the other waiting for a piece.
const MAX_STALL: Duration = Duration::from_secs(60);

/// Where in the file the part belongs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Offset {
    /// The first byte's place in the file.
    #[serde(default)]
    offset: u64,
}

/// Sends a part of an upload through this server.
#[utoipa::path(
    put, path = "/v1/uploads/{id}/content", tag = "uploads",
    params(("id" = uuid::Uuid, Path, description = "The upload."), Offset),
    request_body(content_type = "application/octet-stream", description = "The bytes."),
    responses((status = 200, description = "How much has arrived.", body = IngestProgress))
)]
pub(super) async fn upload_content(
    State(app): State<App>,
    ApiPath(id): ApiPath<UploadId>,
    ApiQuery(part): ApiQuery<Offset>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<IngestProgress>, Failure> {
    let length = content_length(&headers)?;
    let (server, ticket) = app.ingest_of(id).await?;
    let (pieces, forwarded) = mpsc::channel(PIECES_IN_FLIGHT);
    let body_onward = request_body(forwarded);
    let sending = app.content.ingest(&server, id, &ticket, part.offset, length, body_onward);
    let mut sending = pin!(sending);
    // An ingest server that answers before it has read everything has said all it will say.
    let progress = tokio::select! {
        progress = &mut sending => progress,
        () = pump(body, pieces) => sending.await,
    };
    Ok(Json(progress?))
}

/// Completes an upload that was sent through this server; answers once it is published.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/complete", tag = "uploads",
    params(("id" = uuid::Uuid, Path, description = "The upload.")),
    responses((status = 200, description = "Published.", body = Upload))
)]
pub(super) async fn complete_upload(
    State(app): State<App>,
    ApiPath(id): ApiPath<UploadId>,
) -> Result<Json<Upload>, Failure> {
    let upload = app.database.upload(id).await?;
    if upload.state != xylem_db::UploadState::Published {
        let (server, ticket) = app.ingest_of(id).await?;
        app.content.complete(&server, id, &ticket).await?;
    }
    let upload = app.upload_wire(app.database.upload(id).await?).await?;
    match (upload.state, &upload.reason) {
        (UploadState::Failed, Some(reason)) => Err(Failure::new(ErrorCode::Refused, reason)),
        _ => Ok(Json(upload)),
    }
}

impl App {
    /// The ingest server of an upload that is under way, and a ticket for it.
    async fn ingest_of(&self, id: UploadId) -> Result<(BaseUrl, String), Failure> {
        let upload = self.database.upload(id).await?;
        match upload.state {
            xylem_db::UploadState::Declared | xylem_db::UploadState::Committed => {}
            ended => {
                let mut message = format!("the upload {id} is {ended}");
                if let Some(reason) = &upload.reason {
                    message = format!("{message}: {reason}");
                }
                return Err(Failure::new(ErrorCode::Conflict, message));
            }
        }
        let address = self.ingest_address(&upload).await?;
        Ok((parse_url(&address.url)?, address.ticket))
    }
}

/// Passes the caller's body on, piece by piece, at the ingest server's pace. A body that breaks
/// off or stalls is passed on as an error, so that the part does not look complete.
async fn pump(body: Body, pieces: mpsc::Sender<io::Result<Bytes>>) {
    let mut arriving = body.into_data_stream();
    loop {
        let piece = match timeout(MAX_STALL, arriving.next()).await {
            Ok(None) => return,
            Ok(Some(piece)) => piece.map_err(io::Error::other),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        let is_last = piece.is_err();
        let taken = timeout(MAX_STALL, pieces.send(piece)).await;
        if is_last || !matches!(taken, Ok(Ok(()))) {
            return;
        }
    }
}

fn request_body(mut pieces: mpsc::Receiver<io::Result<Bytes>>) -> RequestBody {
    let frames = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context))
        .map(|piece| piece.map(Frame::data));
    BodyExt::boxed(StreamBody::new(frames))
}

fn content_length(headers: &HeaderMap) -> Result<u64, Failure> {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .ok_or_else(|| {
            let message = "the part's length must be known: send the header Content-Length";
            Failure::new(ErrorCode::BadRequest, message)
        })
}
