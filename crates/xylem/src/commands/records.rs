//! What is said of packages, apps and books.
//!
//! * [`fields`]: how each field is called and written.
//! * [`shown`]: as tables and sentences.

mod fields;
mod shown;

use serde::Serialize;
use xylem_api::catalogue::FileDetail;
use xylem_api::error::ErrorCode;
use xylem_api::records::{ChangeRecord, FileRecord, RecordRevision, RecordSaved, RestoreRecord};
use xylem_client::ClientError;
use xylem_model::FileKind;

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

pub(super) use fields::are_meant;
pub(super) use shown::{about, difference, revisions, saved};

/// A file with its record, as `package show --json` prints it.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    pub(super) detail: FileDetail,
    /// None from a server of a version that has no records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) record: Option<FileRecord>,
}

/// What is said of a file, where the server has records.
pub(super) async fn known(
    kind: FileKind,
    name: &str,
    access: &Access,
) -> Result<Option<FileRecord>, Failure> {
    or_none(access.admin.record(kind, name, None).await)
}

/// An older server has nothing at that address.
fn or_none(answer: Result<FileRecord, ClientError>) -> Result<Option<FileRecord>, Failure> {
    match answer {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.code() == Some(ErrorCode::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn set(
    kind: FileKind,
    name: &str,
    settings: &[String],
    revision: Option<u64>,
    access: &Access,
) -> Result<RecordSaved, Failure> {
    let fields = fields::change(settings)?;
    let revision = match revision {
        Some(revision) => revision,
        None => access.admin.record(kind, name, None).await?.revision.revision,
    };
    Ok(access.admin.change_record(kind, name, &ChangeRecord { revision, fields }).await?)
}

pub(super) async fn history(
    kind: FileKind,
    name: &str,
    access: &Access,
) -> Result<Vec<RecordRevision>, Failure> {
    let mut revisions = Vec::new();
    let mut before = None;
    loop {
        let page = access.admin.record_revisions(kind, name, before).await?;
        revisions.extend(page.items);
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(revisions),
        }
    }
}

pub(super) async fn restore(
    kind: FileKind,
    name: &str,
    revision: u64,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let based_on = access.admin.record(kind, name, None).await?.revision.revision;
    let asked = RestoreRecord { revision, based_on };
    let saved = access.admin.restore_record(kind, name, &asked).await?;
    output.value(&saved, |saved| {
        let newest = saved.record.revision.revision;
        match saved.changed {
            true => format!("{name} is described as in revision {revision}: revision {newest}"),
            false => format!("{name} is already described as in revision {revision}."),
        }
    })
}

#[cfg(test)]
mod tests {
    use xylem_api::error::ErrorBody;

    use super::*;

    #[test]
    fn a_server_without_records_is_no_failure_and_any_other_refusal_is() {
        let refused = |code: ErrorCode| {
            let body = ErrorBody { code, message: "no".into(), request_id: "1".into() };
            or_none(Err(ClientError::Answer { status: code.status(), body, retry_after: None }))
        };
        assert!(matches!(refused(ErrorCode::NotFound), Ok(None)));
        assert!(refused(ErrorCode::Forbidden).is_err());
        assert!(refused(ErrorCode::Internal).is_err());
    }
}
