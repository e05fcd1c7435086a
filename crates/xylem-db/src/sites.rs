//! Sites and categories: named things that others refer to.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, Set, sea_query::Expr,
};
use serde_json::json;
use xylem_model::{CategoryId, SiteId, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::convert;
use crate::entity::{
    category, computer, distribution_server, file, invitation, script, site, upload,
};
use crate::state::raise;
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError, cloud_points, records, servers};

/// What is named, and how its rows are reached.
macro_rules! named {
    (
        $(#[$doc:meta])* $Record:ident, $Id:ident, $entity:ident, $what:literal,
        add: $add:ident, list: $list:ident, by_name: $by_name:ident, rename: $rename:ident,
        remove: $remove:ident, users: $users:ident, forget: $forget:ident
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $Record {
            /// Which.
            pub id: $Id,
            /// Its name, unique without regard to case.
            pub name: String,
            /// When it was added.
            pub created: Timestamp,
            /// Its last change.
            pub stamp: Stamp,
        }

        impl Database {
            #[doc = concat!("Adds a ", $what, "; [`DbError::Conflict`] where the name is taken.")]
            pub async fn $add(
                &self,
                id: $Id,
                name: &str,
                actor: &Actor,
                now: Timestamp,
            ) -> Result<$Record, DbError> {
                let name = convert::name($what, name)?;
                let name_key = convert::name_key(&name);
                change!(self, concat!("adding a ", $what), |tx| {
                    let same = find_key!($entity, &name_key).one(tx).await?;
                    refuse_taken($what, same.map(|row| row.name))?;
                    let (epoch, generation) = convert::columns(raise(tx).await?)?;
                    let row = $entity::Model {
                        id: id.uuid(),
                        name: name.clone(),
                        name_key: name_key.clone(),
                        created_at: now.unix_ms(),
                        epoch,
                        generation,
                    };
                    let inserted = row.clone().into_active_model();
                    $entity::Entity::insert(inserted).exec_without_returning(tx).await?;
                    let action = concat!($what, ".add");
                    audit::append(tx, actor, now, action, &name, &json!({ "id": id })).await?;
                    Ok($Record::try_from(row)?)
                })
            }

            #[doc = concat!("All of them, by name.")]
            pub async fn $list(&self) -> Result<Vec<$Record>, DbError> {
                let rows = query!(self, concat!("listing: ", $what), |db| {
                    let all = $entity::Entity::find().order_by_asc($entity::Column::NameKey);
                    Ok(all.all(db).await?)
                })?;
                rows.into_iter().map($Record::try_from).collect()
            }

            #[doc = concat!("The ", $what, " of this name, without regard to case.")]
            pub async fn $by_name(&self, name: &str) -> Result<$Record, DbError> {
                let row = query!(self, concat!("looking up a ", $what), |db| {
                    by_name!($entity, $what, db, name)
                })?;
                row.try_into()
            }

            #[doc = concat!("Renames a ", $what, "; the case of its letters alone may change too.")]
            pub async fn $rename(
                &self,
                name: &str,
                new_name: &str,
                actor: &Actor,
                now: Timestamp,
            ) -> Result<$Record, DbError> {
                let new_name = convert::name($what, new_name)?;
                let key = convert::name_key(&new_name);
                change!(self, concat!("renaming a ", $what), |tx| {
                    let row = by_name!($entity, $what, tx, name)?;
                    let same = find_key!($entity, &key).one(tx).await?;
                    let other = same.filter(|same| same.id != row.id);
                    refuse_taken($what, other.map(|row| row.name))?;
                    let (epoch, generation) = convert::columns(raise(tx).await?)?;
                    let mut change = row.clone().into_active_model();
                    change.name = Set(new_name.clone());
                    change.name_key = Set(key.clone());
                    change.epoch = Set(epoch);
                    change.generation = Set(generation);
                    let renamed = change.update(tx).await?;
                    let action = concat!($what, ".rename");
                    let detail = json!({ "to": new_name });
                    audit::append(tx, actor, now, action, &row.name, &detail).await?;
                    Ok($Record::try_from(renamed)?)
                })
            }

            #[doc = concat!("Removes a ", $what, " that nothing uses; [`DbError::InUse`] says what does.")]
            pub async fn $remove(
                &self,
                name: &str,
                actor: &Actor,
                now: Timestamp,
            ) -> Result<Stamp, DbError> {
                change!(self, concat!("removing a ", $what), |tx| {
                    let row = by_name!($entity, $what, tx, name)?;
                    let users = $users(tx, row.id).await?;
                    if !users.is_empty() {
                        let by = users.join(", ");
                        return Err(DbError::InUse { what: $what, name: row.name, by }.into());
                    }
                    $forget(tx, row.id, actor, now).await?;
                    $entity::Entity::delete_by_id(row.id).exec(tx).await?;
                    let action = concat!($what, ".remove");
                    audit::append(tx, actor, now, action, &row.name, &json!({})).await?;
                    raise(tx).await
                })
            }
        }

        impl TryFrom<$entity::Model> for $Record {
            type Error = DbError;

            fn try_from(row: $entity::Model) -> Result<Self, DbError> {
                Ok(Self {
                    id: $Id::from_uuid(row.id),
                    name: row.name,
                    created: Timestamp::from_unix_ms(row.created_at),
                    stamp: convert::stamp(row.epoch, row.generation)?,
                })
            }
        }
    };
}

macro_rules! find_key {
    ($entity:ident, $key:expr) => {
        $entity::Entity::find().filter($entity::Column::NameKey.eq($key))
    };
}

macro_rules! by_name {
    ($entity:ident, $what:literal, $tx:expr, $name:expr) => {
        match find_key!($entity, &convert::name_key($name)).one($tx).await? {
            Some(row) => Ok(row),
            None => not_found($what, $name),
        }
    };
}

named! {
    /// A site: a school, a branch, a campus.
    Site, SiteId, site, "site",
    add: add_site, list: sites, by_name: site_by_name, rename: rename_site,
    remove: remove_site, users: users_of_site, forget: forget_site
}

named! {
    /// A category that packages and scripts are sorted into.
    Category, CategoryId, category, "category",
    add: add_category, list: categories, by_name: category_by_name, rename: rename_category,
    remove: remove_category, users: users_of_category, forget: forget_category
}

fn not_found<T>(what: &'static str, name: &str) -> Outcome<T> {
    Err(DbError::NotFound { what, name: convert::clip(name) }.into())
}

fn refuse_taken(what: &'static str, taken: Option<String>) -> Result<(), DbError> {
    match taken {
        Some(name) => Err(DbError::Conflict { what, name }),
        None => Ok(()),
    }
}

/// Counts rows, in words that fit into "in use by …".
macro_rules! users {
    ($tx:expr, $($entity:ident where $condition:expr => $noun:literal),*) => {{
        let mut users = Vec::new();
        $(
            let count = $entity::Entity::find().filter($condition).count($tx).await?;
            if count > 0 {
                users.push(format!("{count} {}{}", $noun, if count == 1 { "" } else { "s" }));
            }
        )*
        Outcome::Ok(users)
    }};
}

/// Those who name it in the text of a column.
async fn namers(tx: &DatabaseTransaction, id: uuid::Uuid) -> Outcome<Vec<String>> {
    let marked = file::Column::MarkedSites.contains(id.to_string());
    let mut users: Vec<String> = users!(tx,
        file where marked.and(file::Column::DeletedAt.is_null()) => "mark of file")?;
    match servers::selecting(tx, id).await? {
        0 => {}
        1 => users.push("the selection of 1 distribution server".to_owned()),
        more => users.push(format!("the selections of {more} distribution servers")),
    }
    if cloud_points::is_selecting(tx, id).await? {
        users.push("the selection of the cloud distribution point".to_owned());
    }
    Ok(users)
}

async fn users_of_site(tx: &DatabaseTransaction, id: uuid::Uuid) -> Outcome<Vec<String>> {
    let mut users: Vec<String> = users!(tx,
        distribution_server where distribution_server::Column::SiteId.eq(id)
            .and(distribution_server::Column::RemovedAt.is_null()) => "distribution server",
        computer where computer::Column::SiteId.eq(id)
            .and(computer::Column::RemovedAt.is_null()) => "computer",
        file where file::Column::SiteId.eq(id)
            .and(file::Column::DeletedAt.is_null()) => "file",
        invitation where invitation::Column::SiteId.eq(id)
            .and(invitation::Column::RevokedAt.is_null())
            .and(invitation::Column::UsesLeft.gt(0)) => "open invitation",
        upload where upload::Column::SiteId.eq(id)
            .and(upload::Column::EndedAt.is_null()) => "running upload"
    )?;
    users.extend(namers(tx, id).await?);
    Ok(users)
}

async fn users_of_category(tx: &DatabaseTransaction, id: uuid::Uuid) -> Outcome<Vec<String>> {
    let mut users: Vec<String> = users!(tx,
        file where file::Column::CategoryId.eq(id)
            .and(file::Column::DeletedAt.is_null()) => "file",
        script where script::Column::CategoryId.eq(id)
            .and(script::Column::DeletedAt.is_null()) => "script",
        upload where upload::Column::CategoryId.eq(id)
            .and(upload::Column::EndedAt.is_null()) => "running upload"
    )?;
    users.extend(namers(tx, id).await?);
    Ok(users)
}

/// Clears references from rows that are only history, so that none points nowhere.
macro_rules! forget {
    ($tx:expr, $id:expr, $($entity:ident.$column:ident),*) => {{
        $(
            $entity::Entity::update_many()
                .col_expr($entity::Column::$column, Expr::value(None::<uuid::Uuid>))
                .filter($entity::Column::$column.eq($id))
                .exec($tx)
                .await?;
        )*
        Ok(())
    }};
}

async fn forget_site(
    tx: &DatabaseTransaction,
    id: uuid::Uuid,
    _: &Actor,
    _: Timestamp,
) -> Outcome<()> {
    forget!(
        tx,
        id,
        distribution_server.SiteId,
        computer.SiteId,
        file.SiteId,
        invitation.SiteId,
        upload.SiteId
    )
}

async fn forget_category(
    tx: &DatabaseTransaction,
    id: uuid::Uuid,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    // Before the column is cleared: the record in force has what the column has.
    records::note_removal(tx, id, actor, now).await?;
    forget!(tx, id, file.CategoryId, script.CategoryId, upload.CategoryId)
}

/// Refuses an id of a site that is not there.
pub(crate) async fn require_site<C: ConnectionTrait>(
    connection: &C,
    id: Option<SiteId>,
) -> Outcome<()> {
    let Some(id) = id else { return Ok(()) };
    match site::Entity::find_by_id(id.uuid()).one(connection).await? {
        Some(_) => Ok(()),
        None => not_found("site", &id.to_string()),
    }
}

/// Refuses an id of a category that is not there.
pub(crate) async fn require_category<C: ConnectionTrait>(
    connection: &C,
    id: Option<CategoryId>,
) -> Outcome<()> {
    let Some(id) = id else { return Ok(()) };
    match category::Entity::find_by_id(id.uuid()).one(connection).await? {
        Some(_) => Ok(()),
        None => not_found("category", &id.to_string()),
    }
}
