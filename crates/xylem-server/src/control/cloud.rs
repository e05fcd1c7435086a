//! How the root fills the cloud distribution point: `/v1/control/cloud/…`. What is decided is in
//! [`CloudService`]; who is answered is the root alone.

use axum::extract::State;
use axum::{Json, Router};
use http::StatusCode;
use utoipa_axum::routes;
use xylem_api::control_cloud::{
    AskCloudAddress, AskCloudNext, AskCloudUpload, CloudAddress, CloudContent, CloudGivenUp,
    CloudNext, CloudProof, CloudSampled, CloudUpload, MAX_BUSY, SignedPieces, TellCloudParts,
};
use xylem_api::control_folder::{FolderErrands, TellFolder};
use xylem_api::control_read_back::{AskCloudReadBack, CloudReadBack, TellCloudReadBack};
use xylem_api::error::ErrorCode;
use xylem_http::ApiJson;
use xylem_model::DistributionServerId;

use super::uploads::require_ingest_server;
use crate::cloud::CloudService;
use crate::failure::Failure;
use crate::permission::{Caller, Permission, Routes};

/// The routes by which the root fills the cloud, each behind its guard.
pub fn router(service: &CloudService) -> Router {
    cloud_routes().into_router(service)
}

pub(crate) fn cloud_routes() -> Routes<CloudService> {
    Routes::new()
        .add(Permission::DistributionServer, routes!(cloud_next))
        .add(Permission::DistributionServer, routes!(cloud_parts))
        .add(Permission::DistributionServer, routes!(cloud_finish))
        .add(Permission::DistributionServer, routes!(cloud_sampled))
        .add(Permission::DistributionServer, routes!(cloud_given_up))
        .add(Permission::DistributionServer, routes!(cloud_upload))
        .add(Permission::DistributionServer, routes!(cloud_address))
        .add(Permission::DistributionServer, routes!(cloud_read_back))
        .add(Permission::DistributionServer, routes!(cloud_read_back_ended))
        .add(Permission::DistributionServer, routes!(cloud_folder))
}

/// What the root is to send next: one content, or as many as it asks for. It has them for two minutes
/// from then on, and from each later call for one.
#[utoipa::path(
    post, path = "/v1/control/cloud/next", tag = "control", request_body = AskCloudNext,
    responses((status = 200, description = "Contents, or when to ask again.", body = CloudNext))
)]
async fn cloud_next(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(asked): ApiJson<AskCloudNext>,
) -> Result<Json<CloudNext>, Failure> {
    let server = filling(&service, &caller).await?;
    if asked.busy.len() > MAX_BUSY {
        let why = format!("at most {MAX_BUSY} contents are on their way at once");
        return Err(Failure::new(ErrorCode::BadRequest, why));
    }
    Ok(Json(Box::pin(service.next(server, &asked)).await?))
}

/// Takes what was answered to parts, and signs requests for further ones. 409: the content is not
/// this server's to send any more.
#[utoipa::path(
    post, path = "/v1/control/cloud/parts", tag = "control", request_body = TellCloudParts,
    responses((status = 200, description = "Signed requests.", body = SignedPieces))
)]
async fn cloud_parts(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(told): ApiJson<TellCloudParts>,
) -> Result<Json<SignedPieces>, Failure> {
    let server = filling(&service, &caller).await?;
    Ok(Json(Box::pin(service.parts(server, &told)).await?))
}

/// Ends an upload of which all parts arrived; the provider may take minutes. 503: the same again
/// after a wait. 409: the content is not this server's to send any more, or parts are lacking.
#[utoipa::path(
    post, path = "/v1/control/cloud/finish", tag = "control", request_body = CloudContent,
    responses((status = 200, description = "It is there, to be looked at.", body = CloudProof))
)]
async fn cloud_finish(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(asked): ApiJson<CloudContent>,
) -> Result<Json<CloudProof>, Failure> {
    let server = filling(&service, &caller).await?;
    Ok(Json(Box::pin(service.finish(server, asked)).await?))
}

/// Takes what was found where an object was looked at as a client would.
#[utoipa::path(
    post, path = "/v1/control/cloud/sampled", tag = "control", request_body = CloudSampled,
    responses((status = 204, description = "Noted."))
)]
async fn cloud_sampled(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(told): ApiJson<CloudSampled>,
) -> Result<StatusCode, Failure> {
    let server = filling(&service, &caller).await?;
    Box::pin(service.sampled(server, &told)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A server does not go on with a content that it has. It may be the root no longer, or be in
/// maintenance: that may be why.
#[utoipa::path(
    post, path = "/v1/control/cloud/given-up", tag = "control", request_body = CloudGivenUp,
    responses((status = 204, description = "Noted."))
)]
async fn cloud_given_up(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(told): ApiJson<CloudGivenUp>,
) -> Result<StatusCode, Failure> {
    service.given_up(caller.distribution_server()?, &told).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether an upload that is all here may be committed. Where the cloud is the principal it is wanted
/// there from now on. Only the server at which it enters is answered.
#[utoipa::path(
    post, path = "/v1/control/cloud/upload", tag = "control", request_body = AskCloudUpload,
    responses((status = 200, description = "How far it is.", body = CloudUpload))
)]
async fn cloud_upload(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(asked): ApiJson<AskCloudUpload>,
) -> Result<Json<CloudUpload>, Failure> {
    require_ingest_server(service.control(), &caller, asked.upload).await?;
    Ok(Json(Box::pin(service.upload(&asked)).await?))
}

/// An address by which a server reads a content that it lacks. Only a server is answered that an
/// administrator has filled from the cloud (`xylem ds fill --from-cloud`).
#[utoipa::path(
    post, path = "/v1/control/cloud/address", tag = "control", request_body = AskCloudAddress,
    responses((status = 200, description = "An address for minutes.", body = CloudAddress))
)]
async fn cloud_address(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(asked): ApiJson<AskCloudAddress>,
) -> Result<Json<CloudAddress>, Failure> {
    let server = caller.distribution_server()?;
    Ok(Json(Box::pin(service.address(server, asked.content)).await?))
}

/// What the root is to read back next, by an address as a client gets it; or a fresh address of what it
/// is reading. It has the content for two minutes from then on. With `going_on` and no content in the
/// answer that one is not to be read any more.
#[utoipa::path(
    post, path = "/v1/control/cloud/read-back", tag = "control", request_body = AskCloudReadBack,
    responses((status = 200, description = "A content, or when to ask again.", body = CloudReadBack))
)]
async fn cloud_read_back(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(asked): ApiJson<AskCloudReadBack>,
) -> Result<Json<CloudReadBack>, Failure> {
    let server = filling(&service, &caller).await?;
    Ok(Json(Box::pin(service.read_back(server, &asked)).await?))
}

/// Takes what came of reading a content back. 409: it is not this server's to read any more. 503: the
/// same again after a wait.
#[utoipa::path(
    post, path = "/v1/control/cloud/read-back-ended", tag = "control",
    request_body = TellCloudReadBack, responses((status = 204, description = "Noted."))
)]
async fn cloud_read_back_ended(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(told): ApiJson<TellCloudReadBack>,
) -> Result<StatusCode, Failure> {
    // It may be the root no longer: that may be why it leaves.
    Box::pin(service.read_back_ended(caller.distribution_server()?, &told)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes what the root did in its own folder, and gives it what is to be done there next, as soon as
/// there is something; nothing after 25 s.
#[utoipa::path(
    post, path = "/v1/control/cloud/folder", tag = "control", request_body = TellFolder,
    responses((status = 200, description = "What is to be done.", body = FolderErrands))
)]
async fn cloud_folder(
    State(service): State<CloudService>,
    caller: Caller,
    ApiJson(told): ApiJson<TellFolder>,
) -> Result<Json<FolderErrands>, Failure> {
    filling(&service, &caller).await?;
    Ok(Json(service.folder(told).await?))
}

/// The server that asks, which has to be the one that fills the cloud.
async fn filling(service: &CloudService, caller: &Caller) -> Result<DistributionServerId, Failure> {
    let server = caller.distribution_server()?;
    service.require_root(server).await?;
    Ok(server)
}
