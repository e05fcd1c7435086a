//! After a restore: what an administrator looks at, and confirms.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{ContentId, FileId, FileName};

use crate::app::App;
use crate::failure::Failure;
use crate::permission::Caller;

/// Where a restore stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct RestoreState {
    /// Whether it waits for confirmation; until then nothing is removed anywhere.
    pub(crate) unconfirmed: bool,
    /// Versions that servers hold, that the catalogue lacks, and that could not be adopted.
    pub(crate) unlisted: Vec<UnlistedVersion>,
}

/// A version that servers hold and the catalogue lacks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnlistedVersion {
    /// The file.
    #[schema(value_type = String, format = Uuid)]
    pub(crate) file: FileId,
    /// The name it was published under.
    #[schema(value_type = String)]
    pub(crate) name: FileName,
    /// Which version.
    pub(crate) version: u64,
    /// Its content.
    #[schema(value_type = String)]
    pub(crate) content: ContentId,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Why it was not adopted.
    pub(crate) reason: String,
}

/// Whether a restore is unconfirmed, and what could not be adopted since.
#[utoipa::path(
    get, path = "/v1/restore", tag = "server",
    responses((status = 200, description = "Where the restore stands.", body = RestoreState))
)]
pub(super) async fn restore_state(State(app): State<App>) -> Result<Json<RestoreState>, Failure> {
    let unlisted = app.control.unlisted().into_iter().map(|known| UnlistedVersion {
        file: known.descriptor.file,
        name: known.descriptor.name,
        version: known.descriptor.version,
        content: known.descriptor.content,
        size: known.descriptor.size,
        reason: known.reason,
    });
    let unconfirmed = app.database.restore_unconfirmed().await?;
    Ok(Json(RestoreState { unconfirmed, unlisted: unlisted.collect() }))
}

/// What the restore brought back is right: removals go on.
#[utoipa::path(
    post, path = "/v1/restore/confirm", tag = "server",
    responses((status = 204, description = "Confirmed."))
)]
pub(super) async fn confirm_restore(
    State(app): State<App>,
    caller: Caller,
) -> Result<StatusCode, Failure> {
    app.database.confirm_restore(&caller.actor(), app.now()).await?;
    app.wishes.forget_restore(app.now()).await?;
    app.control.forget_unlisted();
    Ok(StatusCode::NO_CONTENT)
}
