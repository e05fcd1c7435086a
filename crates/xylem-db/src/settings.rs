//! Small settings that administrators change while the program runs.

use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel, sea_query::OnConflict};
use serde_json::json;
use xylem_model::Timestamp;

use crate::audit::{self, Actor};
use crate::convert;
use crate::entity::setting::{Column, Entity, Model};
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError};

impl Database {
    /// The value of a setting, where it has been set.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, DbError> {
        let key = convert::name("setting's key", key)?;
        let row =
            query!(self, "reading a setting", |db| Ok(Entity::find_by_id(&*key).one(db).await?))?;
        Ok(row.map(|row| row.value))
    }

    /// Sets a setting, or with `None` returns it to its default. The audit record names the key
    /// only: some values are nobody's business.
    pub async fn set_setting(
        &self,
        key: &str,
        value: Option<&str>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let key = convert::name("setting's key", key)?;
        if let Some(value) = value {
            convert::storable("setting's value", value)?;
        }
        change!(self, "changing a setting", |tx| {
            match value {
                Some(value) => put(tx, &key, value).await?,
                None => {
                    Entity::delete_by_id(&*key).exec(tx).await?;
                }
            }
            let detail = json!({ "set": value.is_some() });
            audit::append(tx, actor, now, "setting.change", &key, &detail).await
        })
    }
}

/// Stores a value within a change.
pub(crate) async fn put(tx: &DatabaseTransaction, key: &str, value: &str) -> Outcome<()> {
    let row = Model { key: key.to_owned(), value: value.to_owned() };
    let mut replace = OnConflict::column(Column::Key);
    replace.update_column(Column::Value);
    let insert = Entity::insert(row.into_active_model()).on_conflict(replace);
    insert.exec_without_returning(tx).await?;
    Ok(())
}
