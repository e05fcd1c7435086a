//! `PUT /v1/handed-on/{kind}/{name}`: a file that was written to another distribution server.
//!
//! Any server of the installation may hand on; whether the account that it names may write there is
//! the management server's to decide, when the file is announced.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::HeaderMap;
use xylem_api::control::{Author, FileChanged};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::ACCOUNT_HEADER;
use xylem_http::{ApiError, Peer};
use xylem_model::{AccountName, FileKind, FileName, Party};

use super::direct::{Whole, receive_whole};
use super::receive::Sender;
use super::routes::{content_length, lost, not_ready, not_where_files_enter};
use crate::node::Node;

pub(super) async fn put(
    State(node): State<Arc<Node>>,
    peer: Peer,
    path: Result<Path<(FileKind, String)>, PathRejection>,
    request: Request,
) -> Result<Json<FileChanged>, ApiError> {
    let Path((kind, name)) = path.map_err(|_| ApiError::not_found("no such kind of file"))?;
    let name = FileName::new(&name)
        .map_err(|error| ApiError::new(ErrorCode::NameRefused, error.to_string()))?;
    let author = author(&node, &peer, request.headers())?;
    let size = content_length(request.headers());
    let whole = Whole { kind, name, size, author };
    // A task of its own: once all of it is here it is brought to its end, whoever still listens.
    let receiving = async move {
        let longest = size.unwrap_or(u64::MAX);
        let sender = Sender::new(request.into_body(), &node.uploads, longest);
        receive_whole(&node, whole, sender).await
    };
    let stamp = tokio::spawn(receiving).await.map_err(lost)??;
    Ok(Json(FileChanged { stamp }))
}

fn author(node: &Node, peer: &Peer, headers: &HeaderMap) -> Result<Author, ApiError> {
    let access = node.access().ok_or_else(not_ready)?;
    let Some(Party::DistributionServer(server)) = peer.party() else {
        let message = "only a distribution server hands files on, by its certificate";
        return Err(ApiError::new(ErrorCode::Unauthorized, message));
    };
    access.refuse_revoked(peer.party())?;
    if !access.is_principal {
        return Err(not_where_files_enter());
    }
    let account = headers.get(ACCOUNT_HEADER).and_then(|value| value.to_str().ok());
    let account = account.and_then(|name| AccountName::new(name).ok()).ok_or_else(|| {
        let message = format!("the header {ACCOUNT_HEADER} must name the account that writes");
        ApiError::new(ErrorCode::BadRequest, message)
    })?;
    Ok(Author { account, server })
}
