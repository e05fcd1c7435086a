//! What is where, as the distribution servers report it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Condition, OnConflict},
};
use uuid::Uuid;
use xylem_model::{ContentId, DistributionServerId, Stamp, Timestamp};

use crate::convert::{self, bytes32, clip, int, moment, parsed, uint};
use crate::entity::distribution_server;
use crate::entity::placement::{Column, Entity, Model};
use crate::servers::require_live;
use crate::transaction::{Outcome, query, report};
use crate::words::words;
use crate::{Database, DbError};

/// Rows written or deleted by one statement: eleven values each, well below every backend's limit of
/// values in a statement.
const BATCH: usize = 500;

words! {
    /// How far a content has come on one server.
    PlacementState, "state of a placement" {
        /// It shall be there; nothing has been done yet.
        Wanted => "wanted",
        /// Its turn will come.
        Queued => "queued",
        /// Bytes are arriving.
        Transferring => "transferring",
        /// All bytes are there and being checked.
        Verifying => "verifying",
        /// There and verified.
        Present => "present",
        /// It did not work; the reason says why.
        Failed => "failed",
    }
}

/// One content on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementReport {
    /// Which content.
    pub content: ContentId,
    /// How far it has come.
    pub state: PlacementState,
    /// Bytes that have arrived.
    pub bytes: u64,
    /// Bytes per second at which they arrive, while they do.
    pub rate: Option<u64>,
    /// When it was last verified.
    pub verified: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it will be tried again.
    pub next_try: Option<Timestamp>,
    /// The wish that this answers.
    pub stamp: Stamp,
}

/// One content on one server, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Which server.
    pub server: DistributionServerId,
    /// What it reported.
    pub report: PlacementReport,
    /// When.
    pub updated: Timestamp,
}

impl Database {
    /// Stores what a server reports. A `full` report names everything that the server holds or is
    /// to hold: what it does not name is dropped.
    pub async fn report_placements(
        &self,
        server: DistributionServerId,
        reports: &[PlacementReport],
        full: bool,
        now: Timestamp,
    ) -> Result<(), DbError> {
        // The last word on each content counts; in one order everywhere, so that two reports
        // cannot wait for each other.
        let mut rows = BTreeMap::new();
        for report in reports {
            rows.insert(report.content, row(server, report, now)?);
        }
        report!(self, "storing placements", |tx| {
            require_live(tx, server).await?;
            let all: Vec<&Model> = rows.values().collect();
            for batch in all.chunks(BATCH) {
                upsert(tx, batch).await?;
            }
            if full {
                drop_unnamed(tx, server, &rows).await?;
            }
            Ok(())
        })
    }

    /// Forgets what a server said of contents that have gone from it.
    pub async fn forget_placements(
        &self,
        server: DistributionServerId,
        contents: &[ContentId],
    ) -> Result<(), DbError> {
        let contents: Vec<Vec<u8>> = contents.iter().map(|it| it.as_bytes().to_vec()).collect();
        report!(self, "forgetting placements", |tx| {
            require_live(tx, server).await?;
            for batch in contents.chunks(BATCH) {
                drop_batch(tx, server, batch.to_vec()).await?;
            }
            Ok(())
        })
    }

    /// Where a content is or shall be, by server.
    pub async fn placements_of_content(
        &self,
        content: ContentId,
    ) -> Result<Vec<Placement>, DbError> {
        let rows = query!(self, "listing the placements of a content", |db| {
            let of_content = Entity::find().filter(is_content(content));
            Ok(of_content.order_by_asc(Column::ServerId).all(db).await?)
        })?;
        rows.into_iter().map(Placement::try_from).collect()
    }

    /// What a server holds or shall hold, by content id, from the one after `after` on; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn placements_of_server(
        &self,
        server: DistributionServerId,
        after: Option<ContentId>,
        limit: u64,
    ) -> Result<Vec<Placement>, DbError> {
        let rows = query!(self, "listing the placements of a server", |db| {
            let mut held = Entity::find().filter(Column::ServerId.eq(server.uuid()));
            if let Some(after) = after {
                held = held.filter(Column::ContentId.gt(after.as_bytes().to_vec()));
            }
            Ok(held.order_by_asc(Column::ContentId).limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(Placement::try_from).collect()
    }

    /// The servers that hold a verified copy.
    pub async fn servers_holding(
        &self,
        content: ContentId,
    ) -> Result<Vec<DistributionServerId>, DbError> {
        let rows = query!(self, "listing the holders of a content", |db| {
            let present = Column::State.eq(PlacementState::Present.as_str());
            let holders = Entity::find().filter(is_content(content)).filter(present);
            Ok(holders.order_by_asc(Column::ServerId).all(db).await?)
        })?;
        Ok(rows.into_iter().map(|row| DistributionServerId::from_uuid(row.server_id)).collect())
    }

    /// The servers that hold a verified copy of each of these contents; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE) contents are looked for.
    pub async fn holders(
        &self,
        contents: &[ContentId],
    ) -> Result<HashMap<ContentId, Vec<DistributionServerId>>, DbError> {
        let looked_for = usize::try_from(convert::MAX_PAGE).unwrap_or(usize::MAX);
        let wanted: Vec<Vec<u8>> =
            contents.iter().take(looked_for).map(|it| it.as_bytes().to_vec()).collect();
        let rows: Vec<(Vec<u8>, Uuid)> = query!(self, "listing the holders of contents", |db| {
            let present = Column::State.eq(PlacementState::Present.as_str());
            let holders = Entity::find()
                .select_only()
                .column(Column::ContentId)
                .column(Column::ServerId)
                .filter(Column::ContentId.is_in(wanted.clone()))
                .filter(present);
            Ok(holders.order_by_asc(Column::ServerId).into_tuple().all(db).await?)
        })?;
        let mut holders: HashMap<ContentId, Vec<DistributionServerId>> = HashMap::new();
        for (content, server) in rows {
            let content = ContentId::from_bytes(bytes32("content id", &content)?);
            holders.entry(content).or_default().push(DistributionServerId::from_uuid(server));
        }
        Ok(holders)
    }

    /// How many contents each server holds, verified.
    pub async fn present_counts(&self) -> Result<HashMap<DistributionServerId, u64>, DbError> {
        let rows: Vec<(Uuid, i64)> = query!(self, "counting copies by server", |db| {
            let counts = Entity::find()
                .select_only()
                .column(Column::ServerId)
                .column_as(Column::State.count(), "count")
                .filter(Column::State.eq(PlacementState::Present.as_str()))
                .group_by(Column::ServerId);
            Ok(counts.into_tuple().all(db).await?)
        })?;
        let count =
            |(server, count)| Ok((DistributionServerId::from_uuid(server), uint("count", count)?));
        rows.into_iter().map(count).collect()
    }
}

/// Whether the root, or the server where files enter, holds a verified copy: from there it goes
/// everywhere.
pub(crate) async fn is_held_at_the_top(tx: &DatabaseTransaction, content: &[u8]) -> Outcome<bool> {
    let holders: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::ServerId)
        .filter(Column::ContentId.eq(content.to_vec()))
        .filter(Column::State.eq(PlacementState::Present.as_str()))
        .into_tuple()
        .all(tx)
        .await?;
    let is_top = Condition::any()
        .add(distribution_server::Column::IsRoot.eq(true))
        .add(distribution_server::Column::IsPrincipal.eq(true));
    let at_the_top = distribution_server::Entity::find()
        .filter(distribution_server::Column::Id.is_in(holders))
        .filter(is_top);
    Ok(at_the_top.one(tx).await?.is_some())
}

fn is_content(content: ContentId) -> sea_orm::sea_query::Expr {
    Column::ContentId.eq(content.as_bytes().to_vec())
}

fn row(
    server: DistributionServerId,
    report: &PlacementReport,
    now: Timestamp,
) -> Result<Model, DbError> {
    let (epoch, generation) = convert::columns(report.stamp)?;
    Ok(Model {
        server_id: server.uuid(),
        content_id: report.content.as_bytes().to_vec(),
        state: report.state.as_str().into(),
        bytes: int("bytes", report.bytes)?,
        rate: report.rate.map(|rate| int("rate", rate)).transpose()?,
        verified_at: report.verified.map(Timestamp::unix_ms),
        reason: report.reason.as_deref().map(clip),
        next_try: report.next_try.map(Timestamp::unix_ms),
        updated_at: now.unix_ms(),
        epoch,
        generation,
    })
}

async fn upsert(tx: &DatabaseTransaction, rows: &[&Model]) -> Outcome<()> {
    let mut replace = OnConflict::columns([Column::ServerId, Column::ContentId]);
    replace.update_columns([
        Column::State,
        Column::Bytes,
        Column::Rate,
        Column::VerifiedAt,
        Column::Reason,
        Column::NextTry,
        Column::UpdatedAt,
        Column::Epoch,
        Column::Generation,
    ]);
    let rows = rows.iter().map(|row| (*row).clone().into_active_model());
    Entity::insert_many(rows).on_conflict(replace).exec_without_returning(tx).await?;
    Ok(())
}

/// Drops what a full report does not name.
async fn drop_unnamed(
    tx: &DatabaseTransaction,
    server: DistributionServerId,
    named: &BTreeMap<ContentId, Model>,
) -> Outcome<()> {
    let named: BTreeSet<&[u8]> = named.keys().map(|content| &content.as_bytes()[..]).collect();
    let stored: Vec<Vec<u8>> = Entity::find()
        .select_only()
        .column(Column::ContentId)
        .filter(Column::ServerId.eq(server.uuid()))
        .into_tuple()
        .all(tx)
        .await?;
    let unnamed: Vec<Vec<u8>> =
        stored.into_iter().filter(|content| !named.contains(content.as_slice())).collect();
    for batch in unnamed.chunks(BATCH) {
        drop_batch(tx, server, batch.to_vec()).await?;
    }
    Ok(())
}

async fn drop_batch(
    tx: &DatabaseTransaction,
    server: DistributionServerId,
    contents: Vec<Vec<u8>>,
) -> Outcome<()> {
    Entity::delete_many()
        .filter(Column::ServerId.eq(server.uuid()))
        .filter(Column::ContentId.is_in(contents))
        .exec(tx)
        .await?;
    Ok(())
}

impl TryFrom<Model> for Placement {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let report = PlacementReport {
            content: ContentId::from_bytes(bytes32("content id", &row.content_id)?),
            state: parsed("placement's state", &row.state)?,
            bytes: uint("bytes", row.bytes)?,
            rate: row.rate.map(|rate| uint("rate", rate)).transpose()?,
            verified: moment(row.verified_at),
            reason: row.reason,
            next_try: moment(row.next_try),
            stamp: convert::stamp(row.epoch, row.generation)?,
        };
        Ok(Self {
            server: DistributionServerId::from_uuid(row.server_id),
            report,
            updated: Timestamp::from_unix_ms(row.updated_at),
        })
    }
}
