//! Whom each distribution server fetches from: its first parent, in its own row, and the further
//! ones, by position, in a table of theirs.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, sea_query::Expr,
};
use uuid::Uuid;
use xylem_model::{DistributionServerId, Stamp, Tree};

use crate::DbError;
use crate::convert;
use crate::entity::distribution_server as server;
use crate::entity::further_parent::{Column, Entity, Model};
use crate::servers;
use crate::transaction::Outcome;

/// The tree of the servers that have not been removed.
pub(crate) async fn read_tree<C: ConnectionTrait>(connection: &C) -> Outcome<Tree> {
    let mut further: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    let rows = Entity::find().order_by_asc(Column::ServerId).order_by_asc(Column::Position);
    for row in rows.all(connection).await? {
        further.entry(row.server_id).or_default().push(row.parent_id);
    }
    let servers = servers::live(connection).await?.into_iter().map(|row| {
        let further = further.remove(&row.id).unwrap_or_default();
        let parents = row.parent_id.into_iter().chain(further);
        let parents = parents.map(DistributionServerId::from_uuid).collect();
        (DistributionServerId::from_uuid(row.id), parents)
    });
    let tree = Tree::from_servers(servers.collect::<Vec<_>>());
    Ok(tree.map_err(|error| DbError::Corrupt {
        what: "tree of distribution servers",
        problem: error.to_string(),
    })?)
}

/// Gives a server other parents, as far as the tree allows; the caller stores the first of them,
/// which is given back, in the server's own row.
pub(crate) async fn change(
    tx: &DatabaseTransaction,
    id: DistributionServerId,
    parents: &[DistributionServerId],
) -> Outcome<Option<Uuid>> {
    let mut tree = read_tree(tx).await?;
    tree.set_parents(id, parents).map_err(DbError::Tree)?;
    store_further(tx, id, parents).await?;
    Ok(parents.first().map(|first| first.uuid()))
}

/// Takes a server out of the tree, and out of the lists of those that name it.
pub(crate) async fn remove(
    tx: &DatabaseTransaction,
    id: DistributionServerId,
    stamp: Stamp,
) -> Outcome<()> {
    let mut tree = read_tree(tx).await?;
    let children = tree.children(id);
    tree.remove(id).map_err(DbError::Tree)?;
    store_further(tx, id, &[]).await?;
    store(tx, &tree, &children, stamp).await
}

/// Gives all children of a server another parent in its place, and says which they are.
pub(crate) async fn move_children(
    tx: &DatabaseTransaction,
    of: DistributionServerId,
    to: DistributionServerId,
    stamp: Stamp,
) -> Outcome<Vec<DistributionServerId>> {
    let mut tree = read_tree(tx).await?;
    let children = tree.move_children(of, to).map_err(DbError::Tree)?;
    store(tx, &tree, &children, stamp).await?;
    Ok(children)
}

/// Stores the parents that servers have in a tree.
pub(crate) async fn store(
    tx: &DatabaseTransaction,
    tree: &Tree,
    servers: &[DistributionServerId],
    stamp: Stamp,
) -> Outcome<()> {
    let (epoch, generation) = convert::columns(stamp)?;
    for id in servers {
        let parents = tree.parents(*id);
        store_further(tx, *id, parents).await?;
        let first = parents.first().map(|first| first.uuid());
        server::Entity::update_many()
            .col_expr(server::Column::ParentId, Expr::value(first))
            .col_expr(server::Column::Epoch, Expr::value(epoch))
            .col_expr(server::Column::Generation, Expr::value(generation))
            .filter(server::Column::Id.eq(id.uuid()))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Stores the parents after the first.
async fn store_further(
    tx: &DatabaseTransaction,
    id: DistributionServerId,
    parents: &[DistributionServerId],
) -> Outcome<()> {
    Entity::delete_many().filter(Column::ServerId.eq(id.uuid())).exec(tx).await?;
    let further = parents.iter().zip(0_i32..).skip(1);
    let rows: Vec<_> = further
        .map(|(parent, position)| {
            let (server_id, parent_id) = (id.uuid(), parent.uuid());
            Model { server_id, position, parent_id }.into_active_model()
        })
        .collect();
    if !rows.is_empty() {
        Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}
