//! What an ingest server says of the uploads it takes.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::{Committed, Ingested, RefusedUpload};
use xylem_http::ApiJson;
use xylem_model::{FileId, UploadId};
use xylem_trust::Envelope;

use super::ControlService;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::wish::CommitOutcome;

/// The bytes have arrived: compares, signs, records. The answer is the signed descriptor.
#[utoipa::path(
    post, path = "/v1/control/uploads/{id}/ingested", tag = "control",
    params(("id" = uuid::Uuid, Path, description = "The upload.")), request_body = Ingested,
    responses((status = 200, description = "Committed.", body = Committed))
)]
pub(super) async fn ingested(
    State(service): State<ControlService>,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
    ApiJson(found): ApiJson<Ingested>,
) -> Result<Json<Committed>, Failure> {
    require_ingest_server(&service, &caller, id).await?;
    let environment = service.environment();
    let new_file = environment.new_id(FileId::from_parts);
    let sign = |descriptor: &xylem_trust::Descriptor| {
        Envelope::sign(descriptor, &[service.signer()]).map(|envelope| envelope.to_bytes())
    };
    let now = environment.clock.now();
    let outcome = service
        .store()
        .commit_upload(id, caller.distribution_server()?, &found, new_file, now, &sign)
        .await?;
    service.refresh().await?;
    match outcome {
        CommitOutcome::Committed(bytes) => {
            Ok(Json(Committed { descriptor: Envelope::from_bytes(&bytes)? }))
        }
        CommitOutcome::Failed(reason) => Err(Failure::new(ErrorCode::Refused, reason)),
    }
}

/// The ingest server will not have it: the upload ends here.
#[utoipa::path(
    post, path = "/v1/control/uploads/{id}/refused", tag = "control",
    params(("id" = uuid::Uuid, Path, description = "The upload.")), request_body = RefusedUpload,
    responses((status = 204, description = "Noted."))
)]
pub(super) async fn refused(
    State(service): State<ControlService>,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
    ApiJson(why): ApiJson<RefusedUpload>,
) -> Result<StatusCode, Failure> {
    require_ingest_server(&service, &caller, id).await?;
    let now = service.environment().clock.now();
    service.store().refuse_upload(id, &why.reason, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The version is there for everybody.
#[utoipa::path(
    post, path = "/v1/control/uploads/{id}/published", tag = "control",
    params(("id" = uuid::Uuid, Path, description = "The upload.")),
    responses((status = 204, description = "Noted."))
)]
pub(super) async fn published(
    State(service): State<ControlService>,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
) -> Result<StatusCode, Failure> {
    require_ingest_server(&service, &caller, id).await?;
    service.store().mark_published(id, service.environment().clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Only the server that was told to take an upload may speak of it. To any other it is not there.
pub(super) async fn require_ingest_server(
    service: &ControlService,
    caller: &Caller,
    id: UploadId,
) -> Result<(), Failure> {
    let chosen = service.store().ingest_server(id).await?;
    if chosen == caller.distribution_server()? {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Forbidden, format!("the upload {id} enters at another server")))
}
