//! Since when a version is in production.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, integer_null};
use serde_json::Value;

use super::add_columns;

const TABLE: &str = "files";

pub(super) struct AddProductionSince;

impl MigrationName for AddProductionSince {
    fn name(&self) -> &str {
        "m0018_production_since"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddProductionSince {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, [big_integer_null("production_since")]).await?;
        // The last promotion or rollback, where one is known. Of others the version itself says it.
        let since = Query::update()
            .table(TABLE)
            .value("production_since", Expr::col("previous_since"))
            .take();
        manager.get_connection().execute(&since).await?;
        // `m0016_marks` was without this column for a while, before any release.
        if !manager.has_column("versions", "replaces").await? {
            add_columns(manager, "versions", [integer_null("replaces")]).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave promotions of which nobody knows when they were.
        Some(true)
    }
}

/// The same for a row of a backup from before this change.
pub(super) fn upgrade(table: &str, row: &mut Value) {
    let Some(row) = row.as_object_mut().filter(|_| table == TABLE) else { return };
    if let Some(since) = row.get("previous_since").cloned() {
        row.insert("production_since".to_owned(), since);
    }
}
