//! `/v1/ingest/{upload}`: where the bytes of an upload go.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use tokio::task::JoinError;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::{HANDED_ON_PATH, IngestProgress};
use xylem_http::{ApiError, Peer};
use xylem_model::UploadId;

use super::finish::{PATIENCE, finish, give_up_bytes};
use super::handed_on;
use super::out_of_order::receive_ahead;
use super::receive::{Part, progress, receive};
use super::record::{Facts, Stage};
use crate::node::Node;
use crate::tickets;

/// When a sender may ask again while this server is not where new files enter, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

#[derive(Debug, Deserialize)]
struct PartQuery {
    offset: u64,
    /// Whether the part may come before those in front of it.
    #[serde(default)]
    ahead: bool,
}

/// The routes of uploads.
pub(crate) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/ingest/{upload}", get(get_progress).put(put_part).delete(give_up))
        .route("/v1/ingest/{upload}/complete", post(complete))
        .route(&format!("{HANDED_ON_PATH}/{{kind}}/{{name}}"), put(handed_on::put))
}

async fn get_progress(
    State(node): State<Arc<Node>>,
    peer: Peer,
    headers: HeaderMap,
    upload: Result<Path<UploadId>, PathRejection>,
) -> Result<Json<IngestProgress>, ApiError> {
    let facts = authorise(&node, &peer, &headers, upload)?;
    // A task of its own, like a part: it may hash, and that must not end half-way.
    let asking = async move {
        let slot = node.uploads.slot(facts.upload);
        let there = progress(&node, &slot, &facts).await?;
        if !there.published {
            require_principal(&node)?;
        }
        Ok::<_, ApiError>(there)
    };
    Ok(Json(tokio::spawn(asking).await.map_err(lost)??))
}

async fn put_part(
    State(node): State<Arc<Node>>,
    peer: Peer,
    upload: Result<Path<UploadId>, PathRejection>,
    query: Result<Query<PartQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<IngestProgress>, ApiError> {
    let facts = authorise(&node, &peer, request.headers(), upload)?;
    require_principal(&node)?;
    let Query(PartQuery { offset, ahead }) = query.map_err(|_| {
        ApiError::new(ErrorCode::BadRequest, "say where the part begins: ?offset=BYTES")
    })?;
    // Where there is none, the staged file watches that it does not grow too long.
    let length = content_length(request.headers());
    if offset.checked_add(length.unwrap_or(0)).is_none_or(|end| end > facts.size) {
        let message = format!(
            "the part would end beyond the {} bytes that were declared for this upload",
            facts.size
        );
        return Err(ApiError::new(ErrorCode::TooLarge, message));
    }
    let part = Part { offset, length, may_be_ahead: ahead };
    let slot = node.uploads.slot(facts.upload);
    let body = request.into_body();
    // A task of its own: what has arrived is kept even when the sender is gone and nobody waits
    // for the answer.
    let receiving = match slot.try_work() {
        Some(work) => tokio::spawn(receive(node, slot, work, facts, part, body)),
        None if ahead => tokio::spawn(receive_ahead(node, slot, facts, part, body)),
        None => {
            let message = "another request is sending this upload: wait until it ends";
            return Err(ApiError::new(ErrorCode::Conflict, message));
        }
    };
    Ok(Json(receiving.await.map_err(lost)??))
}

async fn complete(
    State(node): State<Arc<Node>>,
    peer: Peer,
    headers: HeaderMap,
    upload: Result<Path<UploadId>, PathRejection>,
) -> Result<Json<IngestProgress>, ApiError> {
    let facts = authorise(&node, &peer, &headers, upload)?;
    // As above: once begun it is brought to its end. A second caller waits for the first.
    let finishing = async move {
        let work = node.uploads.slot(facts.upload).work().await;
        node.uploads.check_open()?;
        finish(node, work, facts, PATIENCE).await
    };
    Ok(Json(tokio::spawn(finishing).await.map_err(lost)??))
}

/// Throws away what has arrived, and takes no more. What is committed stays: the catalogue names it.
async fn give_up(
    State(node): State<Arc<Node>>,
    peer: Peer,
    headers: HeaderMap,
    upload: Result<Path<UploadId>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let facts = authorise(&node, &peer, &headers, upload)?;
    let giving_up = async move {
        let mut work = node.uploads.slot(facts.upload).work().await;
        node.uploads.check_open()?;
        work.load(&node, &facts).await?;
        match work.record.as_ref().map(|record| &record.stage) {
            Some(Stage::Receiving | Stage::Storing { .. }) => {
                give_up_bytes(&node, &mut work, &facts).await
            }
            // Nothing is kept of it; the one who asks may not have heard the answer.
            Some(Stage::Refused { .. }) => Ok(()),
            _ => {
                let message = "the upload is being finished, or over: there is nothing to give up";
                Err(ApiError::new(ErrorCode::Conflict, message))
            }
        }
    };
    tokio::spawn(giving_up).await.map_err(lost)??;
    Ok(StatusCode::NO_CONTENT)
}

fn authorise(
    node: &Node,
    peer: &Peer,
    headers: &HeaderMap,
    upload: Result<Path<UploadId>, PathRejection>,
) -> Result<Facts, ApiError> {
    let Path(upload) = upload.map_err(|_| ApiError::not_found("no such upload"))?;
    let access = node.access().ok_or_else(not_ready)?;
    access.refuse_revoked(peer.party())?;
    let ticket = tickets::presented(node, peer, headers)?.ok_or_else(|| {
        ApiError::new(
            ErrorCode::Unauthorized,
            "sending an upload needs the ticket that the management server gave for it",
        )
    })?;
    let facts =
        Facts::in_ticket(ticket).filter(|facts| facts.upload == upload).ok_or_else(|| {
            ApiError::new(ErrorCode::Forbidden, "the ticket is not for sending this upload")
        })?;
    Ok(facts)
}

/// Whether new files enter here. What was committed here is finished here, whatever becomes of the
/// principal; the rest is for the new one.
pub(super) fn require_principal(node: &Node) -> Result<(), ApiError> {
    match node.access() {
        Some(access) if access.is_principal => Ok(()),
        Some(_) => Err(not_where_files_enter()),
        None => Err(not_ready()),
    }
}

pub(super) fn not_where_files_enter() -> ApiError {
    ApiError::unavailable(
        "new files do not enter at this server any more: ask the management server for the \
         upload's present address",
        RETRY_AFTER_SECONDS,
    )
}

pub(super) fn not_ready() -> ApiError {
    let message = "this server has not yet heard from its management server: try again shortly";
    ApiError::unavailable(message, RETRY_AFTER_SECONDS)
}

/// The declared length of the body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn lost(error: JoinError) -> ApiError {
    ApiError::internal("taking in the upload", error)
}
