//! The cloud distribution point: at most one is active, and beside it at most one is being left
//! (`docs/design/cloud.md`).
//!
//! Settings and results of tests are JSON whose form is their writers' affair. Keys arrive sealed,
//! as text that this crate cannot read; they are in no record that is listed, in no audit entry,
//! and come out by [`Database::cloud_secrets`] alone.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    Set, sea_query::Expr,
};
use serde_json::{Value, json};
use xylem_model::{CloudPointId, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::{self, MAX_SEALED_CHARS};
use crate::entity::cloud_point::{Column, Entity, Model};
use crate::state::raise;
use crate::transaction::{Outcome, change, query, report};
use crate::{Database, DbError};

/// Largest settings of a point as JSON, and largest result of its test, in bytes: every backend's
/// text column holds it, and a certificate of an authority fits.
pub const MAX_CLOUD_SETTINGS_BYTES: usize = 48_000;

const WHAT: &str = "cloud distribution point";
/// What the one active point has in a column whose values are unique.
const ACTIVE: &str = "x";

/// A cloud distribution point, without its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudPoint {
    /// Which.
    pub id: CloudPointId,
    /// Whether it is in use; if not, it is being left.
    pub is_active: bool,
    /// The provider's word.
    pub provider: String,
    /// What is set, none of it secret.
    pub settings: Value,
    /// When its keys were set.
    pub secrets_set: Timestamp,
    /// How often settings or keys were changed, from 1.
    pub revision: u32,
    /// What its last test found.
    pub last_test: Option<Value>,
    /// When it was set.
    pub created: Timestamp,
    /// When settings or keys were last changed.
    pub changed: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// Under which stamp.
    pub stamp: Stamp,
}

/// A point to be set.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCloudPoint {
    /// Its id.
    pub id: CloudPointId,
    /// The provider's word.
    pub provider: String,
    /// What is set, none of it secret.
    pub settings: Value,
    /// Its keys, sealed.
    pub sealed: String,
    /// What its test found.
    pub test: Option<Value>,
    /// The point that it replaces, which is being left from then on.
    pub replaces: Option<CloudPointId>,
}

/// A change of a point; what is `None` stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CloudPointChange {
    /// Other settings, all of them.
    pub settings: Option<Value>,
    /// Other keys, sealed, all of them.
    pub sealed: Option<String>,
    /// What the test of both found.
    pub test: Option<Value>,
}

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

    /// The sealed keys of a point, for whoever has the key to them.
    pub async fn cloud_secrets(&self, id: CloudPointId) -> Result<String, DbError> {
        let row = query!(self, "reading the keys of a cloud distribution point", |db| {
            Ok(Entity::find_by_id(id.uuid()).one(db).await?)
        })?;
        Ok(row.ok_or_else(|| missing(id))?.secrets)
    }

    /// Sets a point. One that it replaces is being left from then on, in the same transaction.
    ///
    /// # Errors
    /// [`DbError::SecondCloudPoint`] where another one than `replaces` is active;
    /// [`DbError::WrongState`] where the one before that is still being left.
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
            make_room(tx, new.replaces).await?;
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
            };
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail =
                json!({ "id": new.id, "settings": new.settings, "replaces": new.replaces });
            audit::append(tx, actor, now, "cloud.set", &row.provider, &detail).await?;
            Ok(CloudPoint::try_from(row)?)
        })
    }

    /// Changes a point, as it was at a revision. The audit record has the settings; of the keys it
    /// says whether they were changed.
    ///
    /// # Errors
    /// [`DbError::Stale`] where it was changed since.
    pub async fn change_cloud_point(
        &self,
        id: CloudPointId,
        revision: u32,
        asked: &CloudPointChange,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        let based_on = convert::small("revision", revision)?;
        let settings = asked.settings.as_ref();
        let settings = settings.map(|it| document("settings of the cloud distribution point", it));
        let settings = settings.transpose()?;
        let test = test_text(asked.test.as_ref())?;
        if let Some(sealed) = &asked.sealed {
            check_sealed(sealed)?;
        }
        change!(self, "changing the cloud distribution point", |tx| {
            let row = require(tx, id).await?;
            if row.revision != based_on {
                return Err(stale(&row, revision)?.into());
            }
            let (epoch, generation) = convert::columns(raise(tx).await?)?;
            let (provider, next) = (row.provider.clone(), row.revision.saturating_add(1));
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

    /// Notes what a test of a point found. A point that is gone meanwhile is none's business.
    pub async fn note_cloud_test(&self, id: CloudPointId, test: &Value) -> Result<(), DbError> {
        let text = document("result of a test", test)?;
        report!(self, "noting a test of the cloud distribution point", |tx| {
            Entity::update_many()
                .col_expr(Column::LastTest, Expr::value(text.clone()))
                .filter(Column::Id.eq(id.uuid()))
                .exec(tx)
                .await?;
            Ok(())
        })
    }

    /// Forgets a point with its keys.
    pub async fn forget_cloud_point(
        &self,
        id: CloudPointId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change!(self, "forgetting a cloud distribution point", |tx| {
            let row = require(tx, id).await?;
            Entity::delete_by_id(row.id).exec(tx).await?;
            raise(tx).await?;
            let detail = json!({ "id": id, "active": row.active_key.is_some() });
            audit::append(tx, actor, now, "cloud.forget", &row.provider, &detail).await
        })
    }
}

/// Sees to it that no point is active: the one that is replaced is being left from now on.
async fn make_room(tx: &DatabaseTransaction, replaces: Option<CloudPointId>) -> Outcome<()> {
    let points = Entity::find().all(tx).await?;
    let Some(active) = points.iter().find(|point| point.active_key.is_some()) else {
        return Ok(());
    };
    if replaces.map(CloudPointId::uuid) != Some(active.id) {
        return Err(DbError::SecondCloudPoint { provider: active.provider.clone() }.into());
    }
    if let Some(leaving) = points.iter().find(|point| point.active_key.is_none()) {
        return Err(DbError::WrongState {
            what: WHAT,
            name: leaving.provider.clone(),
            state: "still being left",
            wanted: "joined by another: remove it first, with `xylem cloud remove --former`",
        }
        .into());
    }
    let mut change = active.clone().into_active_model();
    change.active_key = Set(None);
    change.update(tx).await?;
    Ok(())
}

async fn require(tx: &DatabaseTransaction, id: CloudPointId) -> Outcome<Model> {
    Ok(Entity::find_by_id(id.uuid()).one(tx).await?.ok_or_else(|| missing(id))?)
}

fn missing(id: CloudPointId) -> DbError {
    DbError::NotFound { what: WHAT, name: id.to_string() }
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

impl TryFrom<Model> for CloudPoint {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let test = row.last_test.as_deref();
        let last_test = test.map(|text| convert::parsed_json("result of a cloud test", text));
        Ok(Self {
            id: CloudPointId::from_uuid(row.id),
            is_active: row.active_key.is_some(),
            settings: convert::parsed_json("cloud settings", &row.settings)?,
            secrets_set: Timestamp::from_unix_ms(row.secrets_at),
            revision: convert::count("revision", row.revision)?,
            last_test: last_test.transpose()?,
            created: Timestamp::from_unix_ms(row.created_at),
            changed: Timestamp::from_unix_ms(row.changed_at),
            stamp: convert::stamp(row.epoch, row.generation)?,
            provider: row.provider,
            changed_by: row.changed_by,
        })
    }
}
