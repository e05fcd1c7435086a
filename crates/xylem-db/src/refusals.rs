//! The end of an upload that its ingest server turned down: damaged, not what its name says, or
//! dangerous.

use serde_json::json;
use xylem_model::{Timestamp, UploadId};

use crate::audit::{self, Actor};
use crate::convert::clip;
use crate::transaction::change;
use crate::uploads::{self, Upload, UploadState};
use crate::{Database, DbError};

impl Database {
    /// Ends an upload as failed, with the reason for whoever sent it. Idempotent: the first
    /// reason stays.
    ///
    /// # Errors
    /// [`DbError::WrongState`] where the upload is committed, cancelled or expired.
    pub async fn refuse_upload(
        &self,
        id: UploadId,
        reason: &str,
        now: Timestamp,
    ) -> Result<Upload, DbError> {
        change!(self, "refusing an upload", |tx| {
            let row = uploads::find(tx, id).await?;
            match uploads::state(&row)? {
                UploadState::Failed => return Ok(Upload::try_from(row)?),
                UploadState::Declared => {}
                present => return Err(uploads::wrong_state(id, present, "refused").into()),
            }
            let detail = json!({ "id": id, "reason": clip(reason) });
            audit::append(tx, &Actor::system(), now, "upload.refuse", &row.name, &detail).await?;
            let ended = uploads::end(tx, row, UploadState::Failed, Some(clip(reason)), now).await?;
            Ok(ended.try_into()?)
        })
    }
}
