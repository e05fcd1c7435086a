//! Looking through what distribution servers hold.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, text_null};

pub(super) struct AddScrub;

impl MigrationName for AddScrub {
    fn name(&self) -> &str {
        "m0006_scrub"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddScrub {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One statement for each: SQLite adds one column at a time.
        for mut column in [big_integer_null("scrub_asked_at"), text_null("scrub_report")] {
            let mut servers = Table::alter();
            let servers = servers.table("distribution_servers").add_column(column.take());
            manager.alter_table(servers.take()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the other.
        Some(true)
    }
}
