//! Records of files, with every revision.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, integer_null, text, uuid};

pub(super) struct AddRecords;

impl MigrationName for AddRecords {
    fn name(&self) -> &str {
        "m0014_records"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddRecords {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(revisions()).await
    }
}

fn revisions() -> TableCreateStatement {
    Table::create()
        .table("record_revisions")
        .col(uuid("file_id"))
        .col(integer("number"))
        .col(text("record"))
        .col(text("changed"))
        .col(text("author"))
        .col(big_integer("created_at"))
        .col(integer_null("restores"))
        .primary_key(Index::create().col("file_id").col("number"))
        .foreign_key(ForeignKey::create().from("record_revisions", "file_id").to("files", "id"))
        .take()
}
