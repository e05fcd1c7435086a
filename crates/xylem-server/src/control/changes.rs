//! What WebDAV accounts have written, renamed, copied and deleted, as distribution servers hand it
//! on.
//!
//! A server that is broken into can say anything here, but only in the name of accounts that may
//! write: for its own, and, where it is the ingest server, for those whose files it takes.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::control::{Author, ChangeFile, DeclareReceived, FileChanged};
use xylem_api::error::ErrorCode;
use xylem_http::{ApiError, ApiJson};
use xylem_model::{AccountAccess, DistributionServerId, FileId, FileName};
use xylem_trust::Envelope;

use super::ControlService;
use crate::failure::{Failure, RETRY_AFTER_SECONDS};
use crate::permission::Caller;
use crate::uploading::{check_size, in_maintenance, ingest_server};
use crate::wish::Overview;

/// The ingest server has received a file from an account. From here on it is an upload like any
/// other, which replaces what is published under its name.
#[utoipa::path(
    post, path = "/v1/control/uploads", tag = "control", request_body = DeclareReceived,
    responses((status = 204, description = "Recorded, now or before."))
)]
pub(super) async fn declare_received(
    State(service): State<ControlService>,
    caller: Caller,
    ApiJson(received): ApiJson<DeclareReceived>,
) -> Result<StatusCode, Failure> {
    let server = caller.distribution_server()?;
    let decide = |overview: &Overview| {
        require_entrance(overview, server)?;
        actor_of(overview, &received.author)
    };
    let actor = service.decide(decide).await?;
    check_size(received.size)?;
    let now = service.environment().clock.now();
    service.store().declare_received(&received, server, &actor, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An account of the calling server renames, copies or deletes a file.
#[utoipa::path(
    post, path = "/v1/control/files", tag = "control", request_body = ChangeFile,
    responses((status = 200, description = "Done, or nothing to do.", body = FileChanged))
)]
pub(super) async fn change_file(
    State(service): State<ControlService>,
    caller: Caller,
    ApiJson(asked): ApiJson<ChangeFile>,
) -> Result<Json<FileChanged>, Failure> {
    if asked.author.server != caller.distribution_server()? {
        return Err(Failure::new(
            ErrorCode::Forbidden,
            "the change cannot be made: a distribution server speaks for its own accounts only, \
             and this one names another server's",
        ));
    }
    let actor = service.decide(|overview| actor_of(overview, &asked.author)).await?;
    if let Some(to) = asked.change.new_name() {
        check_ending(&asked.name, to)?;
    }
    let environment = service.environment();
    let new_file = environment.new_id(FileId::from_parts);
    let sign = |descriptor: &xylem_trust::Descriptor| {
        Envelope::sign(descriptor, &[service.signer()]).map(|envelope| envelope.to_bytes())
    };
    let now = environment.clock.now();
    let stamp = service.store().change_file(&asked, new_file, &actor, now, &sign).await?;
    service.refresh().await?;
    Ok(Json(FileChanged { stamp }))
}

impl ControlService {
    /// Decides on the newest state, without asking the store for the whole of it again.
    async fn decide<T>(
        &self,
        decide: impl FnOnce(&Overview) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut documents = self.inner.documents.lock().await;
        documents.follow(self.store()).await?;
        let overview = documents
            .overview()
            .ok_or_else(|| ApiError::internal("reading what is wished", "nothing was followed"))?;
        decide(overview)
    }
}

/// Only the server where new files enter may announce any.
fn require_entrance(overview: &Overview, caller: DistributionServerId) -> Result<(), Failure> {
    match ingest_server(&overview.servers) {
        Some(server) if server.id == caller && server.settings.maintenance => {
            Err(ApiError::unavailable(in_maintenance(&server.name), RETRY_AFTER_SECONDS).into())
        }
        Some(server) if server.id == caller => Ok(()),
        Some(server) => Err(Failure::new(
            ErrorCode::Forbidden,
            format!("the file cannot be taken here: new files enter at `{}`", server.name),
        )),
        None => Err(Failure::new(ErrorCode::Forbidden, "there is no place for new files")),
    }
}

/// As the audit log names an account that may write.
fn actor_of(overview: &Overview, author: &Author) -> Result<String, Failure> {
    let forbidden = |message: String| Err(Failure::new(ErrorCode::Forbidden, message));
    let name = &author.account;
    let Some(server) = overview.server(author.server) else {
        return forbidden(format!(
            "the WebDAV account `{name}` cannot write: its distribution server is not enrolled"
        ));
    };
    let of = &server.name;
    match server.accounts.iter().find(|account| account.name == *name) {
        Some(account) if account.access == AccountAccess::Write => {
            Ok(format!("account {name} on {of}"))
        }
        Some(_) => forbidden(format!(
            "the WebDAV account `{name}` on `{of}` may only read: use one that may write"
        )),
        None => forbidden(format!(
            "there is no WebDAV account `{name}` on `{of}`: it was removed, or never added"
        )),
    }
}

/// What was inspected under one ending is not published under another.
fn check_ending(from: &FileName, to: &FileName) -> Result<(), Failure> {
    if from.ending() == to.ending() {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Refused,
        format!(
            "`{from}` cannot be called `{to}`: with another ending it would be a file that is not \
             what its name says; keep the ending `{}`",
            from.ending()
        ),
    ))
}
