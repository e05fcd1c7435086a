//! The settings of a distribution server in one column.

use sea_orm::{ConnectionTrait, DatabaseExecutor};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;
use serde_json::{Map, Value};
use uuid::Uuid;

const TABLE: &str = "distribution_servers";

/// What goes into the new column.
const MOVED: [&str; 3] = ["maintenance", "open_to_all", "parent_policy"];

pub(super) struct AddSettings;

impl MigrationName for AddSettings {
    fn name(&self) -> &str {
        "m0007_settings"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddSettings {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = text_null("settings");
        manager.alter_table(Table::alter().table(TABLE).add_column(column.take()).take()).await?;
        fill(manager.get_connection()).await?;
        for moved in MOVED {
            // One statement for each: SQLite drops one column at a time.
            manager.alter_table(Table::alter().table(TABLE).drop_column(moved).take()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not lose what was set.
        Some(true)
    }
}

/// Writes each row's settings as the next release reads them. The names of that time: what the
/// type is called or holds later does not count here.
async fn fill(db: &DatabaseExecutor<'_>) -> Result<(), DbErr> {
    let [maintenance, open_to_all, parent_policy] = MOVED;
    let all = Query::select().column("id").columns(MOVED).from(TABLE).take();
    for row in db.query_all(&all).await? {
        let id: Uuid = row.try_get("", "id")?;
        let settings = serde_json::json!({
            maintenance: row.try_get::<bool>("", maintenance)?,
            open_to_all: row.try_get::<bool>("", open_to_all)?,
            parent_policy: row.try_get::<String>("", parent_policy)?,
        });
        let update = Query::update()
            .table(TABLE)
            .value("settings", settings.to_string())
            .and_where(Expr::col("id").eq(id))
            .take();
        db.execute(&update).await?;
    }
    Ok(())
}

/// The same for a row of a backup from before this change.
pub(super) fn upgrade(table: &str, row: &mut Value) {
    let Some(row) = row.as_object_mut().filter(|_| table == TABLE) else { return };
    let moved: Map<String, Value> =
        MOVED.iter().filter_map(|name| row.remove_entry(*name)).collect();
    row.insert("settings".to_owned(), Value::Object(moved).to_string().into());
}
