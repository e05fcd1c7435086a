//! What files are found by.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, string_len, uuid};

/// Room for one word of a fixed list.
const WORD: u32 = 20;
/// Room for a term, which has at most so many bytes.
const TERM: u32 = 255;

pub(super) struct AddSearch;

impl MigrationName for AddSearch {
    fn name(&self) -> &str {
        "m0017_search"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddSearch {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(terms()).await?;
        let mut exact = Index::create();
        exact.name("search_terms_field_term").table("search_terms").col("field").col("term");
        manager.create_index(exact.take()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave the table without its index.
        Some(true)
    }
}

fn terms() -> TableCreateStatement {
    Table::create()
        .table("search_terms")
        .col(uuid("file_id"))
        .col(integer("position"))
        .col(string_len("field", WORD))
        .col(string_len("term", TERM))
        .primary_key(Index::create().col("file_id").col("position"))
        .foreign_key(ForeignKey::create().from("search_terms", "file_id").to("files", "id"))
        .take()
}
