//! Versions in production, for testing, and in production before.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, boolean, integer_null};
use serde_json::Value;

use super::add_columns;

const TABLE: &str = "files";

pub(super) struct AddMarks;

impl MigrationName for AddMarks {
    fn name(&self) -> &str {
        "m0016_marks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddMarks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            integer_null("production"),
            integer_null("test"),
            integer_null("previous"),
            big_integer_null("previous_since"),
        ];
        add_columns(manager, TABLE, columns).await?;
        add_columns(manager, "uploads", [boolean("test").default(false).take()]).await?;
        add_columns(manager, "versions", [integer_null("replaces")]).await?;
        let newest = Query::update().table(TABLE).value("production", Expr::col("latest")).take();
        manager.get_connection().execute(&newest).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave files without a version in production.
        Some(true)
    }
}

/// The same for a row of a backup from before this change: the newest version was the one in
/// production.
pub(super) fn upgrade(table: &str, row: &mut Value) {
    let Some(row) = row.as_object_mut().filter(|_| table == TABLE) else { return };
    if let Some(newest) = row.get("latest").cloned() {
        row.insert("production".to_owned(), newest);
    }
}
