//! More parents than one, and the order in which they are asked.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, string_len, uuid};
use xylem_model::ParentPolicy;

/// Room for one word of a fixed list.
const WORD: u32 = 100;

pub(super) struct AddParents;

impl MigrationName for AddParents {
    fn name(&self) -> &str {
        "m0003_parents"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddParents {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let policy = ParentPolicy::default();
        let column = string_len("parent_policy", WORD).default(policy.as_str()).take();
        let mut servers = Table::alter();
        manager
            .alter_table(servers.table("distribution_servers").add_column(column).take())
            .await?;
        manager.create_table(further_parents()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave the column without the table.
        Some(true)
    }
}

/// The parents after the first, which stays with the server itself. No foreign keys, for the same
/// reason as there: the tree is checked as a whole, in the transaction that changes it.
fn further_parents() -> TableCreateStatement {
    Table::create()
        .table("further_parents")
        .col(uuid("server_id"))
        .col(integer("position"))
        .col(uuid("parent_id"))
        .primary_key(Index::create().col("server_id").col("position"))
        .take()
}
