//! Distribution servers: who they are and what was last heard of them.
//!
//! How they hang together is in `server_tree`.

use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, Set, sea_query::Expr,
};
use serde_json::json;
use uuid::Uuid;
use xylem_model::{
    ByteSize, DistributionServerId, ScrubReport, SetCount, SiteId, Stamp, Timestamp,
};
use xylem_sync::{Choice, Selection, SelectionError, ServerSettings};

use crate::audit::{self, Actor};
use crate::convert::{self, MAX_TEXT_CHARS, clip, int, moment, uint};
use crate::entity::distribution_server::{ActiveModel, Column, Entity, Model};
use crate::sites::require_site;
use crate::state::raise;
use crate::transaction::{Outcome, change, query, report};
use crate::{Believing, Database, DbError, parents};

pub(crate) const WHAT: &str = "distribution server";

const SETTINGS: &str = "settings of a distribution server";

const SELECTION: &str = "selection of a distribution server";

/// A distribution server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionServer {
    /// Which.
    pub id: DistributionServerId,
    /// Its name, unique without regard to case among those not removed.
    pub name: String,
    /// Where it stands.
    pub site: Option<SiteId>,
    /// Where clients and peers reach it.
    pub public_url: String,
    /// Its first parent; the root has none. All of them are in the [`Tree`](xylem_model::Tree).
    pub parent: Option<DistributionServerId>,
    /// Whether it is the root: the top of the tree, holding every file.
    pub is_root: bool,
    /// Whether it is the principal: where new files enter.
    pub is_principal: bool,
    /// What was decided of how it works.
    pub settings: ServerSettings,
    /// What was chosen for it to hold; none: everything.
    pub selection: Choice,
    /// Whether it is to hold everything whatever was chosen, to become root or principal.
    pub filling: bool,
    /// When it enrolled.
    pub enrolled: Timestamp,
    /// When it was removed.
    pub removed: Option<Timestamp>,
    /// When it last reported.
    pub last_seen: Option<Timestamp>,
    /// The version of its program.
    pub program_version: Option<String>,
    /// The address it last came from.
    pub address: Option<String>,
    /// Room left in its repository.
    pub free: Option<ByteSize>,
    /// Size of the file system its repository is on.
    pub total: Option<ByteSize>,
    /// The newest wish it has carried out.
    pub held: Stamp,
    /// When an administrator last asked that everything it holds be looked through.
    pub scrub_asked: Option<Timestamp>,
    /// How far it says it is with that.
    pub scrub: Option<ScrubReport>,
    /// How much of what it is to hold is there, as it says.
    pub set: Option<SetCount>,
    /// SHA-256 of chain and key that an administrator brought for it, in hexadecimal.
    pub public_chain_sha256: Option<String>,
    /// Which certificate it says it shows, as JSON.
    pub shown_certificate: Option<String>,
    /// What it says of its machine, as JSON.
    pub inventory: Option<String>,
    /// When its key was found on two machines: neither is let in.
    pub set_aside: Option<Timestamp>,
    /// Its last change by an administrator.
    pub stamp: Stamp,
}

/// What a server says of itself with each report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// The version of its program.
    pub program_version: String,
    /// The address it came from.
    pub address: String,
    /// Room left in its repository.
    pub free: ByteSize,
    /// Size of the file system its repository is on.
    pub total: ByteSize,
    /// The newest wish it has carried out.
    pub held: Stamp,
    /// How far the looking through of everything it holds is; a program that does not say so
    /// leaves what was said before.
    pub scrub: Option<ScrubReport>,
    /// How much of what it is to hold is there.
    pub set: Option<SetCount>,
    /// What it says of the certificate authorities.
    pub believing: Believing,
    /// Which certificate it shows, as JSON.
    pub shown_certificate: Option<String>,
    /// What its machine is, as JSON; where it does not say, what it said before stays.
    pub inventory: Option<String>,
}

/// Changes of a server; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerChange {
    /// A new name.
    pub name: Option<String>,
    /// A new site, or none (`Some(None)`).
    pub site: Option<Option<SiteId>>,
    /// A new address for clients and peers.
    pub public_url: Option<String>,
    /// Other parents, in order.
    pub parents: Option<Vec<DistributionServerId>>,
    /// A change of its settings, as a JSON merge patch.
    pub settings: Option<serde_json::Value>,
    /// What it is to hold from now on, or everything (`Some(None)`).
    pub selection: Option<Option<Selection>>,
    /// Whether the rules of `selection` are added to those there are. A server that holds everything
    /// has none.
    pub add_rules: bool,
}

impl Database {
    /// All servers that have not been removed, by name.
    pub async fn distribution_servers(&self) -> Result<Vec<DistributionServer>, DbError> {
        let rows = query!(self, "listing distribution servers", |db| live(db).await)?;
        rows.into_iter().map(DistributionServer::try_from).collect()
    }

    /// One server, removed or not.
    pub async fn distribution_server(
        &self,
        id: DistributionServerId,
    ) -> Result<DistributionServer, DbError> {
        let row = query!(self, "looking up a distribution server", |db| {
            let row = Entity::find_by_id(id.uuid()).one(db).await?;
            Ok(row.ok_or_else(|| not_found(id))?)
        })?;
        row.try_into()
    }

    /// The server of this name, without regard to case, that has not been removed.
    pub async fn distribution_server_by_name(
        &self,
        name: &str,
    ) -> Result<DistributionServer, DbError> {
        let row = query!(self, "looking up a distribution server", |db| {
            let row = named(db, name).await?;
            Ok(row.ok_or_else(|| DbError::NotFound { what: WHAT, name: clip(name) })?)
        })?;
        row.try_into()
    }

    /// Changes what [`ServerChange`] names, all of it or nothing.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where the name is taken, [`DbError::Tree`] where the parents are not
    /// possible, [`DbError::Settings`] where the settings are not, [`DbError::HoldsEverything`]
    /// where a selection is for the root or the principal.
    pub async fn update_distribution_server(
        &self,
        id: DistributionServerId,
        change: &ServerChange,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<DistributionServer, DbError> {
        let name = change.name.as_deref().map(|name| convert::name(WHAT, name)).transpose()?;
        change!(self, "changing a distribution server", |tx| {
            let old = require_live(tx, id).await?;
            let mut row = old.clone().into_active_model();
            if let Some(name) = &name {
                refuse_taken(tx, name, Some(id)).await?;
                row.name = Set(name.clone());
                row.live_key = Set(Some(convert::name_key(name)));
            }
            if let Some(site) = change.site {
                require_site(tx, site).await?;
                row.site_id = Set(site.map(SiteId::uuid));
            }
            if let Some(url) = &change.public_url {
                row.public_url = Set(clip(url));
            }
            if let Some(wanted) = &change.parents {
                row.parent_id = Set(parents::change(tx, id, wanted).await?);
            }
            if let Some(patch) = &change.settings {
                let changed = convert::from_json_text(SETTINGS, old.settings.as_deref())?
                    .unwrap_or_else(ServerSettings::default)
                    .changed(patch)
                    .map_err(DbError::Settings)?;
                row.settings = Set(Some(convert::json_text(SETTINGS, &changed)?));
            }
            let more = change.selection.as_ref().map(|selection| match change.add_rules {
                true => added_to(&old, selection.as_ref()),
                false => Ok(selection.clone()),
            });
            if let Some(selection) = more.transpose()? {
                row.selection = Set(selection_text(&old, selection.as_ref())?);
                row.filling = Set(false);
            }
            let changed = store_stamped(tx, row).await?;
            let detail = json!({
                "name": name, "site": change.site, "public_url": change.public_url,
                "parents": change.parents, "settings": change.settings,
                "selection": change.selection,
            });
            audit::append(tx, actor, now, "server.change", &old.name, &detail).await?;
            Ok(DistributionServer::try_from(changed)?)
        })
    }

    /// Has a server look through everything it holds, from now on.
    pub async fn ask_for_scrub(
        &self,
        id: DistributionServerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<DistributionServer, DbError> {
        change!(self, "asking for a scrub", |tx| {
            let old = require_live(tx, id).await?;
            let mut row = old.clone().into_active_model();
            // Later than the time before, also where the clock was ahead then: a moment that was
            // heard of begins nothing.
            let after = old.scrub_asked_at.map_or(i64::MIN, |before| before.saturating_add(1));
            row.scrub_asked_at = Set(Some(now.unix_ms().max(after)));
            let changed = store_stamped(tx, row).await?;
            audit::append(tx, actor, now, "server.scrub", &old.name, &json!({})).await?;
            Ok(DistributionServer::try_from(changed)?)
        })
    }

    /// Notes what a server reports of itself.
    pub async fn touch_distribution_server(
        &self,
        id: DistributionServerId,
        news: &ServerReport,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let (epoch, generation) = convert::columns(news.held)?;
        let (free, total) = (int("free space", news.free.0)?, int("total space", news.total.0)?);
        let scrub = news.scrub.as_ref().and_then(|scrub| serde_json::to_string(scrub).ok());
        let set = news.set.as_ref().and_then(|set| serde_json::to_string(set).ok());
        let (believes, certified_by) = news.believing.columns();
        // Cut off it could not be read: too long it is as if it were not said.
        let is_short = |text: &String| text.len() <= MAX_TEXT_CHARS;
        let shown = news.shown_certificate.clone().filter(is_short);
        let inventory = news.inventory.clone().filter(is_short);
        report!(self, "noting a distribution server's report", |tx| {
            let mut noting = Entity::update_many();
            if let Some(inventory) = &inventory {
                noting = noting.col_expr(Column::Inventory, Expr::value(inventory.clone()));
            }
            if let Some(scrub) = &scrub {
                noting = noting.col_expr(Column::ScrubReport, Expr::value(scrub.clone()));
            }
            let noted = noting
                .col_expr(Column::SetCount, Expr::value(set.clone()))
                .col_expr(Column::ShownCertificate, Expr::value(shown.clone()))
                .col_expr(Column::Believes, Expr::value(believes.clone()))
                .col_expr(Column::CertifiedBy, Expr::value(certified_by.clone()))
                .col_expr(Column::LastSeen, Expr::value(now.unix_ms()))
                .col_expr(Column::ProgramVersion, Expr::value(clip(&news.program_version)))
                .col_expr(Column::Address, Expr::value(clip(&news.address)))
                .col_expr(Column::FreeBytes, Expr::value(free))
                .col_expr(Column::TotalBytes, Expr::value(total))
                .col_expr(Column::HeldEpoch, Expr::value(epoch))
                .col_expr(Column::HeldGeneration, Expr::value(generation))
                .filter(Column::Id.eq(id.uuid()))
                .filter(Column::RemovedAt.is_null())
                .exec(tx)
                .await?;
            match noted.rows_affected {
                0 => Err(not_found(id).into()),
                _ => Ok(()),
            }
        })
    }
}

pub(crate) fn not_found(id: DistributionServerId) -> DbError {
    DbError::NotFound { what: WHAT, name: id.to_string() }
}

/// All rows that have not been removed, by name.
pub(crate) async fn live<C: ConnectionTrait>(connection: &C) -> Outcome<Vec<Model>> {
    let live = Entity::find().filter(Column::RemovedAt.is_null());
    Ok(live.order_by_asc(Column::LiveKey).all(connection).await?)
}

pub(crate) async fn require_live<C: ConnectionTrait>(
    tx: &C,
    id: DistributionServerId,
) -> Outcome<Model> {
    let row = Entity::find_by_id(id.uuid()).one(tx).await?;
    Ok(row.filter(|row| row.removed_at.is_none()).ok_or_else(|| not_found(id))?)
}

async fn named<C: ConnectionTrait>(connection: &C, name: &str) -> Outcome<Option<Model>> {
    let same = Entity::find().filter(Column::LiveKey.eq(convert::name_key(name)));
    Ok(same.one(connection).await?)
}

/// Refuses a name that another server bears.
pub(crate) async fn refuse_taken(
    tx: &DatabaseTransaction,
    name: &str,
    own: Option<DistributionServerId>,
) -> Outcome<()> {
    match named(tx, name).await? {
        Some(row) if Some(row.id) != own.map(DistributionServerId::uuid) => {
            Err(DbError::Conflict { what: WHAT, name: row.name }.into())
        }
        _ => Ok(()),
    }
}

/// Raises the generation and stores the row with it.
pub(crate) async fn store_stamped(
    tx: &DatabaseTransaction,
    mut row: ActiveModel,
) -> Outcome<Model> {
    let (epoch, generation) = convert::columns(raise(tx).await?)?;
    row.epoch = Set(epoch);
    row.generation = Set(generation);
    Ok(row.update(tx).await?)
}

/// A server's selection with more rules.
fn added_to(row: &Model, more: Option<&Selection>) -> Result<Option<Selection>, DbError> {
    let own: Option<Selection> = convert::from_json_text(SELECTION, row.selection.as_deref())?;
    let Some(mut selection) = own else {
        let problem = format!(
            "`{}` holds everything, so a rule adds nothing to that: choose without --add what it is \
             to hold from now on",
            row.name
        );
        return Err(DbError::Invalid { what: "addition to a selection", problem });
    };
    selection.rules.extend(more.into_iter().flat_map(|more| more.rules.clone()));
    Ok(Some(selection))
}

/// A selection as it is stored, where this server can have one.
fn selection_text(row: &Model, selection: Option<&Selection>) -> Result<Option<String>, DbError> {
    let Some(selection) = selection else { return Ok(None) };
    let role = match (row.is_root, row.is_principal) {
        (true, _) => "the root, which feeds all others",
        (_, true) => "the principal, where every new file enters",
        _ => {
            let invalid = |error: SelectionError| DbError::Invalid {
                what: "selection",
                problem: error.to_string(),
            };
            selection.check().map_err(invalid)?;
            return convert::json_text(SELECTION, selection).map(Some);
        }
    };
    Err(DbError::HoldsEverything { name: row.name.clone(), role })
}

/// The servers whose selections name something by its id.
pub(crate) async fn selecting<C: ConnectionTrait>(connection: &C, id: Uuid) -> Outcome<usize> {
    // An id stands nowhere in a text but where it is meant.
    let naming = Column::Selection.contains(id.to_string());
    let live = Entity::find().filter(Column::RemovedAt.is_null()).filter(naming);
    Ok(live.all(connection).await?.len())
}

impl TryFrom<Model> for DistributionServer {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let space =
            |bytes: Option<i64>| bytes.map(|bytes| uint("space", bytes).map(ByteSize)).transpose();
        Ok(Self {
            id: DistributionServerId::from_uuid(row.id),
            name: row.name,
            site: row.site_id.map(SiteId::from_uuid),
            public_url: row.public_url,
            parent: row.parent_id.map(DistributionServerId::from_uuid),
            is_root: row.is_root,
            is_principal: row.is_principal,
            settings: convert::from_json_text(SETTINGS, row.settings.as_deref())?
                .unwrap_or_default(),
            selection: convert::from_json_text(SELECTION, row.selection.as_deref())?.map(Arc::new),
            enrolled: Timestamp::from_unix_ms(row.enrolled_at),
            removed: moment(row.removed_at),
            last_seen: moment(row.last_seen),
            program_version: row.program_version,
            address: row.address,
            free: space(row.free_bytes)?,
            total: space(row.total_bytes)?,
            held: convert::stamp(row.held_epoch, row.held_generation)?,
            scrub_asked: moment(row.scrub_asked_at),
            // What cannot be read is said anew with the next report.
            scrub: row.scrub_report.and_then(|report| serde_json::from_str(&report).ok()),
            filling: row.filling,
            set: row.set_count.and_then(|count| serde_json::from_str(&count).ok()),
            public_chain_sha256: row.public_chain_sha256,
            shown_certificate: row.shown_certificate,
            inventory: row.inventory,
            set_aside: moment(row.set_aside_at),
            stamp: convert::stamp(row.epoch, row.generation)?,
        })
    }
}
