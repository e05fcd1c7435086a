//! How distribution servers hang together: enrolling, moving, removing.
//!
//! Every change reads the whole tree, tries itself on it and stores the result in one
//! transaction. Such transactions follow one another (see `transaction`), so two moves that are
//! each allowed alone cannot make a cycle together.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    Set,
};
use serde_json::json;
use xylem_model::{DistributionServerId, Party, SiteId, Stamp, Timestamp, Tree};

use crate::audit::{self, Actor};
use crate::certificates::revoke_all;
use crate::convert::{self, clip};
use crate::entity::distribution_server::{Entity, Model};
use crate::entity::placement;
use crate::servers::{self, DistributionServer, WHAT, require_live, store_stamped};
use crate::sites::require_site;
use crate::state::raise;
use crate::transaction::{Outcome, change, read};
use crate::{Database, DbError, accounts, parents};

/// A distribution server that enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDistributionServer {
    /// Its id.
    pub id: DistributionServerId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub site: Option<SiteId>,
    /// Where clients and peers reach it.
    pub public_url: String,
    /// Whom it shall fetch from; the root where nothing is said.
    pub parent: Option<DistributionServerId>,
}

impl Database {
    /// The tree of the servers that have not been removed.
    pub async fn tree(&self) -> Result<Tree, DbError> {
        read!(self, "reading the tree of servers", |tx| parents::read_tree(tx).await)
    }

    /// Enrols a server. The first becomes root and principal; later ones hang below the root or
    /// the parent they name.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where the name is taken, [`DbError::Tree`] where the parent is
    /// unknown or too deep.
    pub async fn enroll_distribution_server(
        &self,
        new: &NewDistributionServer,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<DistributionServer, DbError> {
        let name = convert::name(WHAT, &new.name)?;
        change!(self, "enrolling a distribution server", |tx| {
            servers::refuse_taken(tx, &name, None).await?;
            require_site(tx, new.site).await?;
            let mut tree = parents::read_tree(tx).await?;
            let parent = new.parent.or(tree.root());
            tree.set_parent(new.id, parent).map_err(DbError::Tree)?;
            let (epoch, generation) = convert::columns(raise(tx).await?)?;
            let row = Model {
                believes: None,
                certified_by: None,
                public_chain: None,
                public_chain_sha256: None,
                shown_certificate: None,
                inventory: None,
                lives: None,
                set_aside_at: None,
                id: new.id.uuid(),
                name: name.clone(),
                live_key: Some(convert::name_key(&name)),
                site_id: new.site.map(SiteId::uuid),
                public_url: clip(&new.public_url),
                parent_id: parent.map(DistributionServerId::uuid),
                is_root: parent.is_none(),
                is_principal: parent.is_none(),
                enrolled_at: now.unix_ms(),
                removed_at: None,
                last_seen: None,
                program_version: None,
                address: None,
                free_bytes: None,
                total_bytes: None,
                held_epoch: 0,
                held_generation: 0,
                epoch,
                generation,
                settings: None,
                selection: None,
                set_count: None,
                filling: false,
                scrub_asked_at: None,
                scrub_report: None,
            };
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail = json!({ "id": new.id, "site": new.site, "parent": parent });
            audit::append(tx, actor, now, "server.enroll", &name, &detail).await?;
            Ok(DistributionServer::try_from(row)?)
        })
    }

    /// Gives a server, with its branch, another first parent; its further ones stay.
    pub async fn set_parent(
        &self,
        id: DistributionServerId,
        parent: DistributionServerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<DistributionServer, DbError> {
        change!(self, "moving a distribution server", |tx| {
            let row = require_live(tx, id).await?;
            let tree = parents::read_tree(tx).await?;
            let further = tree.parents(id).iter().skip(1).filter(|other| **other != parent);
            let wanted: Vec<_> = [parent].into_iter().chain(further.copied()).collect();
            let mut change = row.clone().into_active_model();
            change.parent_id = Set(parents::change(tx, id, &wanted).await?);
            let changed = store_stamped(tx, change).await?;
            let detail = json!({ "parent": parent });
            audit::append(tx, actor, now, "server.set-parent", &row.name, &detail).await?;
            Ok(DistributionServer::try_from(changed)?)
        })
    }

    /// Gives all children of a server another parent in its place, all of them or none. Gives the
    /// children.
    ///
    /// # Errors
    /// [`DbError::Tree`] where that is not possible.
    pub async fn move_children(
        &self,
        of: DistributionServerId,
        to: DistributionServerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<DistributionServerId>, DbError> {
        change!(self, "moving the children of a distribution server", |tx| {
            let (row, target) = (require_live(tx, of).await?, require_live(tx, to).await?);
            let stamp = raise(tx).await?;
            let children = parents::move_children(tx, of, to, stamp).await?;
            let detail = json!({ "to": target.name, "children": children });
            audit::append(tx, actor, now, "server.move-children", &row.name, &detail).await?;
            Ok(children)
        })
    }

    /// Removes a server: its certificates are revoked, its accounts and what it held are
    /// forgotten, its name is free again. Servers that name it among several parents go on with the others. Refused for
    /// the root, the principal, and where it is somebody's only parent.
    pub async fn remove_distribution_server(
        &self,
        id: DistributionServerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "removing a distribution server", |tx| {
            let row = require_live(tx, id).await?;
            refuse_role(&row)?;
            revoke_all(tx, Party::DistributionServer(id), now).await?;
            forget_placements(tx, id).await?;
            accounts::forget_all(tx, id).await?;
            let stamp = raise(tx).await?;
            parents::remove(tx, id, stamp).await?;
            let (epoch, generation) = convert::columns(stamp)?;
            let mut change = row.clone().into_active_model();
            change.live_key = Set(None);
            // Nobody needs the key any more.
            change.public_chain = Set(None);
            change.public_chain_sha256 = Set(None);
            change.removed_at = Set(Some(now.unix_ms()));
            change.epoch = Set(epoch);
            change.generation = Set(generation);
            change.update(tx).await?;
            audit::append(tx, actor, now, "server.remove", &row.name, &json!({})).await?;
            Ok(stamp)
        })
    }
}

fn refuse_role(row: &Model) -> Result<(), DbError> {
    let by = match (row.is_root, row.is_principal) {
        (true, _) => "the whole tree, whose root it is",
        (_, true) => "all uploads, as the principal",
        _ => return Ok(()),
    };
    Err(DbError::InUse { what: WHAT, name: row.name.clone(), by: by.into() })
}

async fn forget_placements(tx: &DatabaseTransaction, id: DistributionServerId) -> Outcome<()> {
    let of_server = placement::Column::ServerId.eq(id.uuid());
    placement::Entity::delete_many().filter(of_server).exec(tx).await?;
    Ok(())
}
