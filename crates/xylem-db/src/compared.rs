//! What the audit trail is told of a version that takes the place of another.

use sea_orm::DatabaseTransaction;
use serde_json::Value;
use xylem_model::{ContentId, InspectedVersion, Severity, Timestamp, compare_inspections};

use crate::convert::{bytes32, uint};
use crate::entity::file;
use crate::files::version_row;
use crate::transaction::Outcome;

/// The words of the warnings about the next version of a file. Whoever brings it by WebDAV sees no
/// answer, and the comparison is stored nowhere else.
pub(crate) async fn warnings(
    tx: &DatabaseTransaction,
    row: &file::Model,
    new: InspectedVersion<'_>,
    now: Timestamp,
) -> Outcome<Vec<&'static str>> {
    // What everybody has counts, not what only waited beside it.
    let number = row.production.unwrap_or(row.latest);
    let Some(before) = version_row(tx, row.id, number).await? else { return Ok(Vec::new()) };
    // One that cannot be read says nothing, and is in nobody's way.
    let inspection: Value = serde_json::from_str(&before.inspection).unwrap_or_default();
    let old = InspectedVersion {
        content: ContentId::from_bytes(bytes32("content id", &before.content_id)?),
        size: uint("size", before.size)?,
        inspection: &inspection,
    };
    let said = compare_inspections(Some(old), new, now).into_iter();
    Ok(said.filter(|it| it.severity == Severity::Warning).map(|it| it.code).collect())
}
