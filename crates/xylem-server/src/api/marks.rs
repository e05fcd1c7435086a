//! Which version of a file is in production: promotion and rollback.

use axum::Json;
use axum::extract::State;
use xylem_api::catalogue::{File, VersionStep};
use xylem_api::error::ErrorCode;
use xylem_db::{DbError, Version, VersionFacts};
use xylem_http::ApiJson;
use xylem_model::{FileKind, VersionMark};
use xylem_trust::{Envelope, EnvelopeError};

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::wish::descriptor;

/// Makes the version that waits to be promoted the one in production.
#[utoipa::path(
    post, path = "/v1/files/{kind}/{name}/promote", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    request_body = VersionStep,
    responses((status = 200, description = "The file.", body = File))
)]
pub(super) async fn promote(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiJson(step): ApiJson<VersionStep>,
) -> Result<Json<File>, Failure> {
    let (name, number) = (app.live_file(&file).await?.file.name, number(step)?);
    let sign = |facts: &VersionFacts| app.signed(facts);
    app.database.promote_version(&name, number, &caller.actor(), app.now(), sign).await?;
    Ok(Json(app.file_now(app.live_file(&file).await?).await?))
}

/// Makes the version that was in production before the last promotion or rollback the one in
/// production.
#[utoipa::path(
    post, path = "/v1/files/{kind}/{name}/rollback", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    request_body = VersionStep,
    responses((status = 200, description = "The file.", body = File))
)]
pub(super) async fn roll_back(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiJson(step): ApiJson<VersionStep>,
) -> Result<Json<File>, Failure> {
    let (name, number) = (app.live_file(&file).await?.file.name, number(step)?);
    let sign = |facts: &VersionFacts| app.signed(facts);
    app.database.roll_back(&name, number, &caller.actor(), app.now(), sign).await?;
    Ok(Json(app.file_now(app.live_file(&file).await?).await?))
}

/// The version that a step names.
fn number(step: VersionStep) -> Result<u32, Failure> {
    u32::try_from(step.version).map_err(|_| {
        let message = format!("there is no version {}: no file has so many", step.version);
        Failure::new(ErrorCode::BadRequest, message)
    })
}

impl App {
    /// The version of a file that waits to be promoted.
    pub(super) async fn test_version(&self, file: &(FileKind, String)) -> Result<Version, Failure> {
        let live = self.live_file(file).await?.file;
        let versions = self.database.marked_versions(&[live.id]).await?;
        let test = versions.into_iter().find(|version| Some(version.number) == live.test);
        let name = live.name.to_string();
        Ok(test.ok_or(DbError::NoMark { name, mark: VersionMark::Test })?)
    }

    /// The descriptor of a version, signed with the online key.
    fn signed(&self, facts: &VersionFacts) -> Result<Vec<u8>, EnvelopeError> {
        let envelope = Envelope::sign(&descriptor(facts), &[self.control.signer()])?;
        Ok(envelope.to_bytes())
    }
}
