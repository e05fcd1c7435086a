//! Which version another one is compared with, and what the audit trail is told of it.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};
use serde_json::Value;
use xylem_model::{ContentId, InspectedVersion, Severity, Timestamp, compare_inspections};

use crate::DbError;
use crate::convert::{bytes32, count, uint};
use crate::entity::{file, version};
use crate::files::{Version, version_row};
use crate::transaction::Outcome;

/// A version, as far as it leads to the one before.
#[derive(Debug, Clone, Copy)]
struct Link {
    content: ContentId,
    replaces: Option<u32>,
}

impl Version {
    /// The one of all versions of its file that it is compared with: what was in production when it
    /// came, so that another version that only waited hides nothing. Where nothing was, or nobody
    /// knows, the last one before it. A new name alone is a version too, and is passed over.
    pub fn before<'a>(&self, all: &'a [Self]) -> Option<&'a Self> {
        let links = all.iter().map(|it| (it.number, it.link())).collect();
        let number = number_before(&links, self.number, self.link())?;
        all.iter().find(|it| it.number == number)
    }

    const fn link(&self) -> Link {
        Link { content: self.content, replaces: self.replaces }
    }
}

fn number_before(all: &BTreeMap<u32, Link>, number: u32, to: Link) -> Option<u32> {
    let (mut number, mut replaces) = (number, to.replaces);
    loop {
        let replaced = replaces.filter(|it| *it < number && all.contains_key(it));
        let last = || all.range(..number).next_back().map(|(last, _)| *last);
        let found = replaced.or_else(last)?;
        let link = all.get(&found)?;
        if link.content != to.content {
            return Some(found);
        }
        (number, replaces) = (found, link.replaces);
    }
}

/// The words of the warnings about the next version of a file. Whoever brings it by WebDAV sees no
/// answer, and the comparison is stored nowhere else.
pub(crate) async fn warnings(
    tx: &DatabaseTransaction,
    row: &file::Model,
    new: InspectedVersion<'_>,
    now: Timestamp,
) -> Outcome<Vec<&'static str>> {
    let number = count("version number", row.latest)?.saturating_add(1);
    let replaces = row.production.map(|it| count("version number", it)).transpose()?;
    let to = Link { content: new.content, replaces };
    let found = number_before(&links(tx, row).await?, number, to);
    let Some(number) = found.and_then(|number| i32::try_from(number).ok()) else {
        return Ok(Vec::new());
    };
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

/// All versions of a file, without what their inspections found.
async fn links(tx: &DatabaseTransaction, row: &file::Model) -> Outcome<BTreeMap<u32, Link>> {
    let rows: Vec<(i32, Vec<u8>, Option<i32>)> = version::Entity::find()
        .select_only()
        .column(version::Column::Number)
        .column(version::Column::ContentId)
        .column(version::Column::Replaces)
        .filter(version::Column::FileId.eq(row.id))
        .into_tuple()
        .all(tx)
        .await?;
    let link = |(number, content, replaces): (i32, Vec<u8>, Option<i32>)| {
        let link = Link {
            content: ContentId::from_bytes(bytes32("content id", &content)?),
            replaces: replaces.map(|it| count("version number", it)).transpose()?,
        };
        Ok((count("version number", number)?, link))
    };
    Ok(rows.into_iter().map(link).collect::<Result<_, DbError>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(content: &str, replaces: Option<u32>) -> Link {
        Link { content: ContentId::of(content.as_bytes()), replaces }
    }

    #[test]
    fn a_version_is_compared_with_what_it_takes_the_place_of() {
        // The second and third only waited, the fourth is a new name of the first.
        let all = BTreeMap::from([
            (1, link("a", None)),
            (2, link("b", Some(1))),
            (3, link("c", Some(1))),
            (4, link("a", Some(1))),
        ]);
        for (number, to, expected) in [
            (1, link("a", None), None),
            (3, link("c", Some(1)), Some(1)),
            (5, link("d", Some(4)), Some(4)),
            (5, link("d", None), Some(4)),
            // The same again says what changed when it came first.
            (5, link("a", Some(4)), None),
            (5, link("c", Some(3)), Some(1)),
            // What cannot be is not known.
            (5, link("d", Some(9)), Some(4)),
            (5, link("d", Some(0)), Some(4)),
        ] {
            assert_eq!(number_before(&all, number, to), expected, "{number} {to:?}");
        }
    }
}
