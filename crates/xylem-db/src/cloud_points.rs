//! The cloud distribution point: at most one is active, and beside it at most one is being left
//! (`docs/design/cloud.md`). Here is how one is set and changed; [`leaving`] is how it goes, and
//! [`running`] what is decided of it while it works.
//!
//! Settings and results of tests are JSON whose form is their writers' affair. Keys arrive sealed,
//! as text that this crate cannot read; they are in no record that is listed, in no audit entry,
//! and come out by [`Database::cloud_secrets`] alone.

mod leaving;
mod principal;
mod record;
mod running;

use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QuerySelect, Set, sea_query::Expr,
};
use serde_json::{Value, json};
use uuid::Uuid;
use xylem_model::{CloudPointId, Timestamp};
use xylem_sync::Choice;

pub use principal::UPLOAD_WANTED_FOR;
pub(crate) use principal::{give_up, require_in_principal, the_principal};
pub use record::{
    CloudForgotten, CloudLeaving, CloudObjects, CloudPoint, CloudPointChange, CloudReplaced,
    NewCloudPoint,
};

use crate::audit::{self, Actor};
use crate::convert::{self, MAX_SEALED_CHARS};
use crate::entity::cloud_point::{Column, Entity, Model};
use crate::state::raise;
use crate::transaction::{Outcome, change, query, report};
use crate::{Database, DbError, cloud_copies};

/// Largest settings of a point as JSON, and largest result of its test, in bytes: every backend's
/// text column holds it, and a certificate of an authority fits.
pub const MAX_CLOUD_SETTINGS_BYTES: usize = 48_000;

const WHAT: &str = "cloud distribution point";
const SELECTION: &str = "selection of the cloud distribution point";
/// What the one active point has in a column whose values are unique.
const ACTIVE: &str = "x";

impl Database {
    /// The active point, if one is set.
    pub async fn cloud_point(&self) -> Result<Option<CloudPoint>, DbError> {
        let row = query!(self, "reading the cloud distribution point", |db| {
            Ok(Entity::find().filter(Column::ActiveKey.eq(ACTIVE)).one(db).await?)
        })?;
        row.map(CloudPoint::try_from).transpose()
    }

    /// The point that is being left, if there is one.
    pub async fn leaving_cloud_point(&self) -> Result<Option<CloudPoint>, DbError> {
        let row = query!(self, "reading the cloud distribution point that is left", |db| {
            Ok(Entity::find().filter(Column::ActiveKey.is_null()).one(db).await?)
        })?;
        row.map(CloudPoint::try_from).transpose()
    }

    /// The sealed keys of a point as it was read, for whoever has the key to them; none where it was changed
    /// since, or is gone. Keys and settings belong together: a new password is nothing for the former place.
    pub async fn cloud_secrets(&self, point: &CloudPoint) -> Result<Option<String>, DbError> {
        let revision = convert::small("revision", point.revision)?;
        let row = query!(self, "reading the keys of a cloud distribution point", |db| {
            let same = Entity::find_by_id(point.id.uuid()).filter(Column::Revision.eq(revision));
            Ok(same.one(db).await?)
        })?;
        Ok(row.map(|row| row.secrets))
    }

    /// Sets a point. One that it replaces is being left from then on, in the same transaction.
    ///
    /// # Errors
    /// [`DbError::SecondCloudPoint`] where another one than `replaces` is active; [`DbError::Stale`] where
    /// that was changed, or is being left, since; [`DbError::WrongState`] where the one before that is
    /// still being left, or it is the principal.
    pub async fn set_cloud_point(
        &self,
        new: &NewCloudPoint,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        let provider = convert::name("provider", &new.provider)?;
        let settings = document("settings of the cloud distribution point", &new.settings)?;
        let test = test_text(new.test.as_ref())?;
        check_sealed(&new.sealed)?;
        change!(self, "setting the cloud distribution point", |tx| {
            leaving::make_room(tx, new.replaces, actor, now).await?;
            let (epoch, generation) = convert::columns(raise(tx).await?)?;
            let row = Model {
                id: new.id.uuid(),
                active_key: Some(ACTIVE.into()),
                provider: provider.clone(),
                settings: settings.clone(),
                secrets: new.sealed.clone(),
                secrets_at: now.unix_ms(),
                revision: 1,
                last_test: test.clone(),
                created_at: now.unix_ms(),
                changed_at: now.unix_ms(),
                changed_by: actor.as_str().to_owned(),
                epoch,
                generation,
                selection: None,
                paused: false,
                followed: 0,
                broken: None,
                last_inventory: None,
                month_ceiling: None,
                is_principal: false,
                walks: None,
                leaving_since: None,
                left_at: None,
                objects: None,
            };
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let replaces = new.replaces.map(|replaced| replaced.id);
            let detail = json!({ "id": new.id, "settings": new.settings, "replaces": replaces });
            audit::append(tx, actor, now, "cloud.set", &row.provider, &detail).await?;
            Ok(CloudPoint::try_from(row)?)
        })
    }

    /// Changes the active point, as it was at a revision. What failed there is due at once, and nothing
    /// stands still any more because of what was before; where it moved, everything is wanted anew. The
    /// audit record has the settings; of the keys it says whether they were changed.
    ///
    /// # Errors
    /// [`DbError::Stale`] where it was changed since, or is being left; [`DbError::WrongState`] where it
    /// is the principal and would move.
    pub async fn change_cloud_point(
        &self,
        id: CloudPointId,
        revision: u32,
        asked: &CloudPointChange,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        let settings = asked.settings.as_ref();
        let settings = settings.map(|it| document("settings of the cloud distribution point", it));
        let settings = settings.transpose()?;
        let test = test_text(asked.test.as_ref())?;
        if let Some(sealed) = &asked.sealed {
            check_sealed(sealed)?;
        }
        change!(self, "changing the cloud distribution point", |tx| {
            let row = require_locked(tx, id).await?;
            require_as_seen(&row, revision)?;
            if asked.moved {
                principal::refuse(&row, "moved to another place")?;
            }
            let (epoch, generation) = convert::columns(raise(tx).await?)?;
            let (provider, next) = (row.provider.clone(), row.revision.saturating_add(1));
            let walks = row.walks.unwrap_or_default();
            let mut change = row.into_active_model();
            if let Some(settings) = &settings {
                change.settings = Set(settings.clone());
            }
            if let Some(sealed) = &asked.sealed {
                change.secrets = Set(sealed.clone());
                change.secrets_at = Set(now.unix_ms());
            }
            if let Some(test) = &test {
                change.last_test = Set(Some(test.clone()));
            }
            change.broken = Set(None);
            if asked.moved {
                cloud_copies::forget_contents(tx, id.uuid()).await?;
                change.followed = Set(0);
                change.last_inventory = Set(None);
                // What a walk that is under way wanted before has no row any more.
                change.walks = Set(Some(walks.saturating_add(1)));
            } else {
                cloud_copies::retry_failed(tx, id.uuid(), now).await?;
            }
            change.revision = Set(next);
            change.changed_at = Set(now.unix_ms());
            change.changed_by = Set(actor.as_str().to_owned());
            change.epoch = Set(epoch);
            change.generation = Set(generation);
            let stored = change.update(tx).await?;
            let keys = asked.sealed.is_some();
            let detail = json!({ "id": id, "settings": asked.settings, "keys": keys });
            audit::append(tx, actor, now, "cloud.change", &provider, &detail).await?;
            Ok(CloudPoint::try_from(stored)?)
        })
    }

    /// Notes what a test of a point found as it was at a revision. One that was changed since, or is gone,
    /// is none's business.
    pub async fn note_cloud_test(
        &self,
        id: CloudPointId,
        revision: u32,
        test: &Value,
    ) -> Result<(), DbError> {
        let revision = convert::small("revision", revision)?;
        let text = document("result of a test", test)?;
        report!(self, "noting a test of the cloud distribution point", |tx| {
            Entity::update_many()
                .col_expr(Column::LastTest, Expr::value(text.clone()))
                .filter(Column::Id.eq(id.uuid()))
                .filter(Column::Revision.eq(revision))
                .exec(tx)
                .await?;
            Ok(())
        })
    }
}

/// A point, with all who follow its wants or add rows waiting until the transaction ends.
async fn require_locked(tx: &DatabaseTransaction, id: CloudPointId) -> Outcome<Model> {
    let row = Entity::find_by_id(id.uuid()).lock_exclusive().one(tx).await?;
    Ok(row.ok_or_else(|| missing(id))?)
}

/// Whether what was chosen for a point names something by its id.
pub(crate) async fn is_selecting(tx: &DatabaseTransaction, id: Uuid) -> Outcome<bool> {
    // An id stands nowhere in a text but where it is meant.
    let naming = Entity::find().filter(Column::Selection.contains(id.to_string()));
    Ok(naming.count(tx).await? > 0)
}

/// What was chosen for a point.
pub(crate) fn chosen(row: &Model) -> Result<Choice, DbError> {
    Ok(convert::from_json_text(SELECTION, row.selection.as_deref())?.map(Arc::new))
}

fn missing(id: CloudPointId) -> DbError {
    DbError::NotFound { what: WHAT, name: id.to_string() }
}

/// Refuses a point that is not the active one as it was at a revision.
fn require_as_seen(row: &Model, revision: u32) -> Result<(), DbError> {
    match row.active_key.is_some() && row.revision == convert::small("revision", revision)? {
        true => Ok(()),
        false => Err(stale(row, revision)?),
    }
}

fn stale(row: &Model, based_on: u32) -> Result<DbError, DbError> {
    Ok(DbError::Stale {
        name: row.provider.clone(),
        what: "revision",
        based_on,
        now: convert::count("revision", row.revision)?,
        by: row.changed_by.clone(),
        at: Timestamp::from_unix_ms(row.changed_at),
    })
}

fn check_sealed(sealed: &str) -> Result<(), DbError> {
    convert::short("sealed keys of the cloud distribution point", sealed, MAX_SEALED_CHARS)
}

fn test_text(test: Option<&Value>) -> Result<Option<String>, DbError> {
    test.map(|test| document("result of a test", test)).transpose()
}

/// JSON that fits the column of every backend.
fn document(what: &'static str, value: &Value) -> Result<String, DbError> {
    let text = convert::json(what, value)?;
    convert::short(what, &text, MAX_CLOUD_SETTINGS_BYTES)?;
    Ok(text)
}
