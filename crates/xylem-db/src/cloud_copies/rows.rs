//! Rows of contents and parts: read, locked, stored, forgotten.

use std::num::NonZeroU64;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, Iterable, QueryFilter,
    QuerySelect,
    sea_query::{Condition, OnConflict},
};
use uuid::Uuid;
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Md5, Sha256, Timestamp};
use xylem_sync::Class;

use super::record::{CloudCopy, CloudLease, CloudPart};
use super::steps::CloudStep;
use crate::DbError;
use crate::convert::{self, bytes32, fixed, int, moment, parsed, uint};
use crate::entity::cloud_copy::{Column, Entity, Model};
use crate::entity::{cloud_part, cloud_usage};
use crate::transaction::Outcome;

/// Rows written, deleted or looked for by one statement: twenty-five values each, well below every
/// backend's limit of values in a statement.
pub(super) const BATCH: usize = 500;

/// Longest word of a provider (id of an upload, ETag, what stands for a part), bytes: S3's ids of
/// uploads have some 200, and nothing that is longer is one.
const MAX_WORD_BYTES: usize = 1_024;

/// The row of a content at a point.
pub(super) fn key(point: CloudPointId, content: ContentId) -> (Uuid, Vec<u8>) {
    (point.uuid(), bytes(content))
}

pub(super) fn bytes(content: ContentId) -> Vec<u8> {
    content.as_bytes().to_vec()
}

pub(super) fn parts_of(point: CloudPointId, content: ContentId) -> Condition {
    Condition::all()
        .add(cloud_part::Column::PointId.eq(point.uuid()))
        .add(cloud_part::Column::ContentId.eq(bytes(content)))
}

/// Refuses what no provider says.
pub(super) fn check_word(what: &'static str, word: &str) -> Result<(), DbError> {
    convert::short(what, word, MAX_WORD_BYTES)
}

/// A content that nobody else changes until the transaction ends.
pub(super) async fn locked(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    content: ContentId,
) -> Outcome<Option<CloudCopy>> {
    let row = Entity::find_by_id(key(point, content)).lock_exclusive().one(tx).await?;
    Ok(row.map(CloudCopy::try_from).transpose()?)
}

/// Does a step on a content and stores what came of it. Gives the content as it is then.
pub(super) async fn step(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    content: ContentId,
    decide: impl FnOnce(&mut CloudCopy) -> CloudStep + Send,
) -> Outcome<(CloudStep, Option<CloudCopy>)> {
    let Some(mut copy) = locked(tx, point, content).await? else {
        return Ok((CloudStep::Refused, None));
    };
    let step = decide(&mut copy);
    match step {
        CloudStep::Refused => {}
        CloudStep::Done => store(tx, point, &[&copy]).await?,
        CloudStep::Forgotten => forget(tx, point, &[content]).await?,
    }
    Ok((step, Some(copy)))
}

/// Stores contents in the place of their rows, or as new ones.
pub(super) async fn store(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    copies: &[&CloudCopy],
) -> Outcome<()> {
    let is_key = |column: &Column| matches!(column, Column::PointId | Column::ContentId);
    for batch in copies.chunks(BATCH) {
        let mut replace = OnConflict::columns([Column::PointId, Column::ContentId]);
        replace.update_columns(Column::iter().filter(|column| !is_key(column)));
        let mut rows = Vec::with_capacity(batch.len());
        for copy in batch {
            rows.push(row(point, copy)?.into_active_model());
        }
        Entity::insert_many(rows).on_conflict(replace).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Forgets contents with their parts.
pub(super) async fn forget(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    contents: &[ContentId],
) -> Outcome<()> {
    for batch in contents.chunks(BATCH) {
        let contents: Vec<Vec<u8>> = batch.iter().copied().map(bytes).collect();
        forget_parts(tx, point, batch).await?;
        Entity::delete_many()
            .filter(Column::PointId.eq(point.uuid()))
            .filter(Column::ContentId.is_in(contents))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Forgets the parts of contents, at most [`BATCH`].
pub(super) async fn forget_parts(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    contents: &[ContentId],
) -> Outcome<()> {
    cloud_part::Entity::delete_many()
        .filter(cloud_part::Column::PointId.eq(point.uuid()))
        .filter(cloud_part::Column::ContentId.is_in(contents.iter().copied().map(bytes)))
        .exec(tx)
        .await?;
    Ok(())
}

/// Forgets everything that is remembered of what is at a point.
pub(crate) async fn forget_point(tx: &DatabaseTransaction, point: Uuid) -> Outcome<()> {
    forget_contents(tx, point).await?;
    let used = cloud_usage::Entity::delete_many().filter(cloud_usage::Column::PointId.eq(point));
    used.exec(tx).await?;
    Ok(())
}

/// Forgets what is, was and is to be at a point.
pub(crate) async fn forget_contents(tx: &DatabaseTransaction, point: Uuid) -> Outcome<()> {
    let parts = cloud_part::Entity::delete_many().filter(cloud_part::Column::PointId.eq(point));
    parts.exec(tx).await?;
    Entity::delete_many().filter(Column::PointId.eq(point)).exec(tx).await?;
    Ok(())
}

/// The place of a class among all, as it is stored.
pub(super) fn place(class: Class) -> i32 {
    // One of four.
    i32::try_from(class.index()).unwrap_or(i32::MAX)
}

fn row(point: CloudPointId, copy: &CloudCopy) -> Result<Model, DbError> {
    let words = [("id of an upload", &copy.reference), ("ETag of an object", &copy.etag)];
    for (what, word) in words {
        word.as_deref().map(|word| check_word(what, word)).transpose()?;
    }
    let part_bytes = copy.part_bytes.map(|bytes| int("length of a part", bytes.get()));
    Ok(Model {
        point_id: point.uuid(),
        content_id: bytes(copy.content),
        size: int("size", copy.size)?,
        sha256: copy.sha256.as_bytes().to_vec(),
        name: copy.name.as_str().to_owned(),
        priority: copy.priority.as_str().to_owned(),
        class: place(copy.class()),
        state: copy.state.as_str().to_owned(),
        since: copy.since.unix_ms(),
        upload_ref: copy.reference.clone(),
        part_bytes: part_bytes.transpose()?,
        arrived: int("bytes", copy.arrived)?,
        etag: copy.etag.clone(),
        lease_server: copy.lease.map(|lease| lease.server.uuid()),
        lease_until: copy.lease.map(|lease| lease.until.unix_ms()),
        tries: convert::small("number of tries", copy.tries)?,
        reason: copy.reason.clone(),
        next_try: copy.next_try.map(Timestamp::unix_ms),
        unwanted_at: copy.unwanted.map(Timestamp::unix_ms),
        looked_at: copy.looked_at.map(Timestamp::unix_ms),
        unbound_until: copy.unbound_until.map(Timestamp::unix_ms),
        upload_until: copy.upload_until.map(Timestamp::unix_ms),
        not_before: copy.not_before.map(Timestamp::unix_ms),
        doubted_at: copy.doubted.map(Timestamp::unix_ms),
        read_back_at: copy.read_back.map(Timestamp::unix_ms),
    })
}

impl TryFrom<Model> for CloudCopy {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let part_bytes = row.part_bytes.map(|bytes| uint("length of a part", bytes)).transpose()?;
        let lease = row.lease_server.zip(row.lease_until).map(|(server, until)| CloudLease {
            server: DistributionServerId::from_uuid(server),
            until: Timestamp::from_unix_ms(until),
        });
        Ok(Self {
            content: ContentId::from_bytes(bytes32("content id", &row.content_id)?),
            size: uint("size", row.size)?,
            sha256: Sha256::from_bytes(bytes32("SHA-256 digest", &row.sha256)?),
            name: parsed("file name", &row.name)?,
            priority: parsed("priority", &row.priority)?,
            state: parsed("state of a content in the cloud", &row.state)?,
            since: Timestamp::from_unix_ms(row.since),
            reference: row.upload_ref,
            part_bytes: part_bytes.and_then(NonZeroU64::new),
            arrived: uint("bytes", row.arrived)?,
            etag: row.etag,
            lease,
            tries: convert::count("number of tries", row.tries)?,
            reason: row.reason,
            next_try: moment(row.next_try),
            unwanted: moment(row.unwanted_at),
            looked_at: moment(row.looked_at),
            unbound_until: moment(row.unbound_until),
            upload_until: moment(row.upload_until),
            not_before: moment(row.not_before),
            doubted: moment(row.doubted_at),
            read_back: moment(row.read_back_at),
        })
    }
}

impl TryFrom<cloud_part::Model> for CloudPart {
    type Error = DbError;

    fn try_from(row: cloud_part::Model) -> Result<Self, DbError> {
        Ok(Self {
            number: convert::count("number of a part", row.number)?,
            bytes: uint("length of a part", row.bytes)?,
            md5: Md5::from_bytes(fixed("MD5 digest", &row.md5)?),
            sha256: Sha256::from_bytes(bytes32("SHA-256 digest", &row.sha256)?),
            tag: row.tag,
        })
    }
}
