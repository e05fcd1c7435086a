//! What is said of packages, apps and books.
//!
//! * [`fields`]: how each field is called and written.
//! * [`shown`]: as tables and sentences.

mod fields;
mod shown;

use serde::Serialize;
use xylem_api::catalogue::FileDetail;
use xylem_api::records::{ChangeRecord, FileRecord, RecordRevision, RecordSaved, RestoreRecord};
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
    pub(super) record: FileRecord,
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
