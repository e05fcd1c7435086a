//! Moving the root, and the principal, to another server: one transaction each, and only to a server
//! that holds everything.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait, IntoActiveModel,
    JoinType, QueryFilter, QuerySelect, Set, sea_query::Expr,
};
use serde_json::json;
use xylem_model::{DistributionServerId, SetCount, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::{self, uint};
use crate::entity::distribution_server::{ActiveModel, Column, Entity, Model};
use crate::entity::{file, placement, state, upload, version};
use crate::marks::held_versions;
use crate::placements::PlacementState;
use crate::servers::{require_live, store_stamped};
use crate::state::{raise, row as state_row};
use crate::transaction::{Outcome, change, query};
use crate::uploads::UploadState;
use crate::{Database, DbError, cloud_points, parents};

/// What a server lacks of all there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Contents that it has not reported as present.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Database {
    /// How often the root or the principal was moved; begins at 1.
    pub async fn root_epoch(&self) -> Result<u64, DbError> {
        let row = query!(self, "reading the root epoch", |db| state_row(db).await)?;
        uint("root epoch", row.root_epoch)
    }

    /// What a server lacks of all there is.
    pub async fn missing_on(&self, id: DistributionServerId) -> Result<Missing, DbError> {
        query!(self, "comparing what a server holds", |db| {
            let (missing, _) = missing(db, id).await?;
            Ok(missing)
        })
    }

    /// Has a server hold everything, whatever was chosen for it, so that it can become root or
    /// principal. Choosing again what it holds calls that off.
    pub async fn fill_distribution_server(
        &self,
        id: DistributionServerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change!(self, "filling a distribution server", |tx| {
            let row = require_live(tx, id).await?;
            if row.filling {
                return Ok(());
            }
            let mut change = row.clone().into_active_model();
            change.filling = Set(true);
            store_stamped(tx, change).await?;
            let detail = json!({ "filling": true });
            audit::append(tx, actor, now, "server.fill", &row.name, &detail).await?;
            Ok(())
        })
    }

    /// Makes a server the root; the former root becomes its child. Children of the former root
    /// become children of the new one, unless they are to stay. Gives the new root epoch.
    ///
    /// # Errors
    /// [`DbError::Incomplete`] where it does not hold everything, [`DbError::Tree`] where the tree
    /// does not allow it; then nothing has changed.
    pub async fn hand_over_root(
        &self,
        to: DistributionServerId,
        keep_children: bool,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<u64, DbError> {
        change!(self, "handing over the root", |tx| {
            let row = require_live(tx, to).await?;
            if row.is_root {
                return Ok(uint("root epoch", state_row(tx).await?.root_epoch)?);
            }
            require_complete(tx, &row).await?;
            let mut tree = parents::read_tree(tx).await?;
            let former = tree.root();
            let moved = tree.hand_over(to, keep_children).map_err(DbError::Tree)?;
            let stamp = raise(tx).await?;
            parents::store(tx, &tree, &moved, stamp).await?;
            take_role(tx, Column::IsRoot).await?;
            let mut change = require_live(tx, to).await?.into_active_model();
            change.is_root = Set(true);
            give_role(tx, change).await?;
            if cloud_points::the_principal(tx).await?.is_some() {
                // What is written through to the cloud enters at the root, whichever that is. That it
                // holds everything was seen before its row changed.
                let root = require_live(tx, to).await?;
                if !root.is_principal {
                    move_ingest(tx, root).await?;
                }
            }
            let detail = json!({ "from": former, "keep_children": keep_children });
            audit::append(tx, actor, now, "root.hand-over", &row.name, &detail).await?;
            raise_root_epoch(tx).await
        })
    }

    /// Makes a server the principal, where new files enter; the former one, which may be the cloud, is
    /// that no more, and uploads that are under way go on at the new one. Gives the new root epoch.
    ///
    /// # Errors
    /// [`DbError::Incomplete`] where it does not hold everything: what entered at the former
    /// principal and went nowhere yet would be out of reach.
    pub async fn set_principal(
        &self,
        id: DistributionServerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<u64, DbError> {
        change!(self, "setting the principal", |tx| {
            let row = require_live(tx, id).await?;
            if row.is_principal && cloud_points::the_principal(tx).await?.is_none() {
                return Ok(uint("root epoch", state_row(tx).await?.root_epoch)?);
            }
            require_complete(tx, &row).await?;
            let was_cloud = cloud_points::give_up(tx).await?;
            move_ingest(tx, row.clone()).await?;
            let detail = json!({ "from_cloud": was_cloud });
            audit::append(tx, actor, now, "principal.set", &row.name, &detail).await?;
            raise_root_epoch(tx).await
        })
    }
}

/// Has new files enter at a server, which holds everything.
async fn move_ingest(tx: &DatabaseTransaction, to: Model) -> Outcome<()> {
    take_role(tx, Column::IsPrincipal).await?;
    move_uploads(tx, DistributionServerId::from_uuid(to.id)).await?;
    let mut change = to.into_active_model();
    change.is_principal = Set(true);
    give_role(tx, change).await
}

/// Has new files enter at the root, where they do not yet; gives its name.
///
/// # Errors
/// As [`Database::set_principal`].
pub(crate) async fn move_ingest_to_root(tx: &DatabaseTransaction) -> Outcome<String> {
    let root = Entity::find().filter(Column::IsRoot.eq(true)).one(tx).await?;
    let root = root.ok_or_else(|| DbError::NotFound {
        what: "distribution server that is the root",
        name: "root".to_owned(),
    })?;
    let name = root.name.clone();
    if !root.is_principal {
        require_complete(tx, &root).await?;
        move_ingest(tx, root).await?;
    }
    Ok(name)
}

/// Uploads that are not committed yet are to be sent to another server from now on: who asks for
/// their address is told that one, and the former principal may speak of them no more.
async fn move_uploads(tx: &DatabaseTransaction, to: DistributionServerId) -> Outcome<()> {
    upload::Entity::update_many()
        .col_expr(upload::Column::ServerId, Expr::value(to.uuid()))
        .filter(upload::Column::State.eq(UploadState::Declared.as_str()))
        .filter(upload::Column::EndedAt.is_null())
        .exec(tx)
        .await?;
    Ok(())
}

/// Nobody has a role any more.
async fn take_role(tx: &DatabaseTransaction, role: Column) -> Outcome<()> {
    let nobody = Entity::update_many().col_expr(role, Expr::value(false)).filter(role.eq(true));
    nobody.exec(tx).await?;
    Ok(())
}

/// Whoever has a role holds everything: nothing is chosen for it any more.
async fn give_role(tx: &DatabaseTransaction, mut row: ActiveModel) -> Outcome<()> {
    row.selection = Set(None);
    row.filling = Set(false);
    store_stamped(tx, row).await?;
    Ok(())
}

pub(crate) async fn raise_root_epoch(tx: &DatabaseTransaction) -> Outcome<u64> {
    state::Entity::update_many()
        .col_expr(state::Column::RootEpoch, Expr::col(state::Column::RootEpoch).add(1))
        .exec(tx)
        .await?;
    Ok(uint("root epoch", state_row(tx).await?.root_epoch)?)
}

async fn require_complete(tx: &DatabaseTransaction, row: &Model) -> Outcome<()> {
    let id = DistributionServerId::from_uuid(row.id);
    let (Missing { contents, bytes }, files) = missing(tx, id).await?;
    if contents > 0 {
        return Err(DbError::Incomplete { name: row.name.clone(), contents, bytes, files }.into());
    }
    // What it reported of each content counts only if it has heard since what it is to hold, which
    // follows from all servers' rows: before that it may just be removing some of it. And only in
    // this epoch: after a restore its rows are as old as the backup.
    let set: Option<SetCount> =
        row.set_count.as_deref().and_then(|set| serde_json::from_str(set).ok());
    let held = convert::stamp(row.held_epoch, row.held_generation)?;
    let mut newest = convert::stamp(state_row(tx).await?.epoch, 0)?;
    for server in Entity::find().all(tx).await? {
        newest = newest.max(convert::stamp(server.epoch, server.generation)?);
    }
    let heard = held >= newest;
    match set {
        Some(set) if heard && set.missing == 0 => Ok(()),
        Some(set) if heard => Err(DbError::Incomplete {
            name: row.name.clone(),
            contents: set.missing,
            bytes: set.missing_bytes,
            files: Vec::new(),
        }
        .into()),
        _ => Err(DbError::Unproven { name: row.name.clone() }.into()),
    }
}

/// How many of the missing files are named.
const NAMED: usize = 5;

/// Compares the versions of all live files that are to be held with what a server reported as
/// present. Names some of the files besides.
async fn missing<C: ConnectionTrait>(
    connection: &C,
    id: DistributionServerId,
) -> Outcome<(Missing, Vec<String>)> {
    let present: Vec<Vec<u8>> = placement::Entity::find()
        .filter(placement::Column::ServerId.eq(id.uuid()))
        .filter(placement::Column::State.eq(PlacementState::Present.as_str()))
        .select_only()
        .column(placement::Column::ContentId)
        .into_tuple()
        .all(connection)
        .await?;
    lacking(connection, present.into_iter().collect()).await
}

/// What is not present of the versions of all live files that are to be held.
pub(crate) async fn lacking<C: ConnectionTrait>(
    connection: &C,
    present: BTreeSet<Vec<u8>>,
) -> Outcome<(Missing, Vec<String>)> {
    let wanted: Vec<(Vec<u8>, i64, String)> = file::Entity::find()
        .filter(file::Column::DeletedAt.is_null())
        .join(JoinType::InnerJoin, held_versions())
        .select_only()
        .column(version::Column::ContentId)
        .column(version::Column::Size)
        .column(file::Column::Name)
        .into_tuple()
        .all(connection)
        .await?;
    let (mut lacking, mut files) = (BTreeMap::new(), Vec::new());
    for (content, size, name) in wanted.into_iter().filter(|it| !present.contains(&it.0)) {
        lacking.insert(content, size);
        if files.len() < NAMED && !files.contains(&name) {
            files.push(name);
        }
    }
    let mut missing = Missing::default();
    for size in lacking.into_values() {
        missing.contents += 1;
        missing.bytes = missing.bytes.saturating_add(uint("size", size)?);
    }
    Ok((missing, files))
}
