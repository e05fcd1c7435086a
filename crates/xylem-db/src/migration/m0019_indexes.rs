//! What contents put on a Mac.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::integer;

use super::digest;

pub(super) struct AddIndexes;

impl MigrationName for AddIndexes {
    fn name(&self) -> &str {
        "m0019_indexes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddIndexes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("content_indexes")
            .col(digest("content_id").primary_key())
            .col(integer("entries"))
            .col(ColumnDef::new("packed").blob().not_null());
        manager.create_table(table.take()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave a table that nobody knows of.
        Some(true)
    }
}
