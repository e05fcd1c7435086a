//! How far a content is that a server works on. Only the holder of the lease says so.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    sea_query::OnConflict,
};
use xylem_model::{CloudPointId, ContentId, Timestamp};

use super::record::{CloudCopy, CloudPart, CloudWork};
use super::rows::{self, BATCH};
use crate::convert::{self, int, uint};
use crate::entity::cloud_part::{Column, Entity, Model};
use crate::transaction::{Outcome, report};
use crate::{Database, DbError};

impl Database {
    /// Keeps the lease that a server has; gives the content, or none where the lease is another's,
    /// the content is unwanted, or in another state than *sending* or *proving*.
    pub async fn keep_cloud_copy(
        &self,
        work: CloudWork,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "keeping a content for whoever sends it into the cloud", |tx| {
            let keeping = rows::step(tx, point, content, |copy| copy.keep(server, until));
            let (step, copy) = keeping.await?;
            Ok(copy.filter(|_| step.is_done()))
        })
    }

    /// Notes how an upload was begun: from *sending*, with no parts. Says whether it was noted.
    pub async fn note_cloud_begun(
        &self,
        work: CloudWork,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "noting that an upload into the cloud was begun", |tx| {
            // Parts come with the row locked: none does from here on.
            if rows::locked(tx, point, content).await?.is_none()
                || Entity::find().filter(rows::parts_of(point, content)).count(tx).await? > 0
            {
                return Ok(false);
            }
            let beginning =
                rows::step(tx, point, content, |copy| copy.begin(server, part_bytes, reference));
            let (step, _) = beginning.await?;
            Ok(step.is_done())
        })
    }

    /// Notes until when requests that were signed for a content can write other bytes there, from
    /// *sending* alone. Says whether it was noted: if not, none may be given out.
    pub async fn note_cloud_signed(
        &self,
        work: CloudWork,
        until: Timestamp,
    ) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "noting what was signed for the cloud", |tx| {
            let (step, _) = rows::step(tx, point, content, |copy| copy.sign(server, until)).await?;
            Ok(step.is_done())
        })
    }

    /// Notes parts that arrived, from *sending* alone. One that is there already is replaced. Says
    /// whether it was noted.
    ///
    /// # Errors
    /// [`DbError::Invalid`] where a number or length is none, or a tag is longer than any provider's.
    pub async fn note_cloud_parts(
        &self,
        work: CloudWork,
        parts: &[CloudPart],
    ) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        // The last word on each number counts.
        let mut rows = BTreeMap::new();
        for part in parts {
            rows.insert(part.number, row(point, content, part)?);
        }
        let bytes = rows.values().fold(0, |sum: i64, row| sum.saturating_add(row.bytes));
        let bytes = uint("length of parts", bytes)?;
        report!(self, "noting parts that arrived in the cloud", |tx| {
            // Locked first: what is replaced is counted once.
            if rows::locked(tx, point, content).await?.is_none() {
                return Ok(false);
            }
            let replaced = replaced_bytes(tx, point, content, &rows).await?;
            let (step, _) =
                rows::step(tx, point, content, |copy| copy.arrive(server, bytes, replaced)).await?;
            if step.is_done() {
                let rows: Vec<Model> = rows.values().cloned().collect();
                store(tx, rows).await?;
            }
            Ok(step.is_done())
        })
    }

    /// Notes that all parts arrived: from *sending* to *proving*, where it may be already. Says
    /// whether it is so.
    pub async fn note_cloud_proving(&self, work: CloudWork) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "noting that all parts are in the cloud", |tx| {
            let (step, _) = rows::step(tx, point, content, |copy| copy.prove(server)).await?;
            Ok(step.is_done())
        })
    }

    /// Notes that a content is there: from *proving* to *present*. Its parts are forgotten. Says
    /// whether it was noted.
    pub async fn note_cloud_present(
        &self,
        work: CloudWork,
        etag: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "noting that a content is in the cloud", |tx| {
            let (step, _) =
                rows::step(tx, point, content, |copy| copy.finish(server, etag, now)).await?;
            if step.is_done() {
                rows::forget_parts(tx, point, &[content]).await?;
            }
            Ok(step.is_done())
        })
    }

    /// Notes that it did not succeed: from *sending* or *proving* to *failed*. `anew` forgets how it
    /// was begun, and its parts. A `next_try` of none is never by itself. Says whether it was noted.
    pub async fn note_cloud_failed(
        &self,
        work: CloudWork,
        reason: &str,
        anew: bool,
        now: Timestamp,
        next_try: Option<Timestamp>,
    ) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "noting that a content did not get into the cloud", |tx| {
            let failing = rows::step(tx, point, content, |copy| {
                copy.fail(server, reason, anew, now, next_try)
            });
            let (step, _) = failing.await?;
            if step.is_done() && anew {
                rows::forget_parts(tx, point, &[content]).await?;
            }
            Ok(step.is_done())
        })
    }

    /// Ends the lease that a server has: somebody else may go on at once. Says whether it had one.
    pub async fn release_cloud_copy(&self, work: CloudWork) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "releasing a content on its way into the cloud", |tx| {
            let (step, _) = rows::step(tx, point, content, |copy| copy.release(server)).await?;
            Ok(step.is_done())
        })
    }
}

fn row(point: CloudPointId, content: ContentId, part: &CloudPart) -> Result<Model, DbError> {
    rows::check_word("provider's word for a part", &part.tag)?;
    Ok(Model {
        point_id: point.uuid(),
        content_id: rows::bytes(content),
        number: convert::small("number of a part", part.number)?,
        bytes: int("length of a part", part.bytes)?,
        md5: part.md5.as_bytes().to_vec(),
        sha256: part.sha256.as_bytes().to_vec(),
        tag: part.tag.clone(),
    })
}

/// How many bytes the parts have whose places these take.
async fn replaced_bytes(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    content: ContentId,
    parts: &BTreeMap<u32, Model>,
) -> Outcome<u64> {
    let numbers: Vec<i32> = parts.values().map(|part| part.number).collect();
    let mut bytes: u64 = 0;
    for batch in numbers.chunks(BATCH) {
        let there = Entity::find()
            .filter(rows::parts_of(point, content))
            .filter(Column::Number.is_in(batch.iter().copied()));
        for part in there.all(tx).await? {
            bytes = bytes.saturating_add(uint("length of a part", part.bytes)?);
        }
    }
    Ok(bytes)
}

async fn store(tx: &DatabaseTransaction, rows: Vec<Model>) -> Outcome<()> {
    for batch in rows.chunks(BATCH) {
        let mut replace = OnConflict::columns([Column::PointId, Column::ContentId, Column::Number]);
        replace.update_columns([Column::Bytes, Column::Md5, Column::Sha256, Column::Tag]);
        let rows = batch.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).on_conflict(replace).exec_without_returning(tx).await?;
    }
    Ok(())
}
