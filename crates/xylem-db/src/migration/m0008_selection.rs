//! What distribution servers hold of all there is.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

pub(super) struct AddSelection;

impl MigrationName for AddSelection {
    fn name(&self) -> &str {
        "m0008_selection"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddSelection {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("distribution_servers", "selection"),
            ("distribution_servers", "set_count"),
            ("files", "marked_sites"),
        ];
        // One statement for each: SQLite adds one column at a time.
        for (table, column) in columns {
            let mut column = text_null(column);
            manager
                .alter_table(Table::alter().table(table).add_column(column.take()).take())
                .await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the other.
        Some(true)
    }
}
