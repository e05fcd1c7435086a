//! WebDAV accounts, and servers that anybody may read from.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, string_len, text, text_null, uuid};

/// Room for one word of a fixed list.
const WORD: u32 = 100;
/// Room for the name of an account.
const ACCOUNT: u32 = 64;

pub(super) struct AddAccounts;

impl MigrationName for AddAccounts {
    fn name(&self) -> &str {
        "m0005_accounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddAccounts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Nobody is let in without saying who they are until an administrator wishes it.
        let column = boolean("open_to_all").default(false).take();
        let mut servers = Table::alter();
        manager
            .alter_table(servers.table("distribution_servers").add_column(column).take())
            .await?;
        manager.create_table(accounts()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave the column without the table.
        Some(true)
    }
}

fn accounts() -> TableCreateStatement {
    let mut server = ForeignKey::create();
    server.from("accounts", "server_id").to("distribution_servers", "id");
    Table::create()
        .table("accounts")
        .col(uuid("server_id"))
        .col(string_len("name", ACCOUNT))
        .col(string_len("access", WORD))
        .col(big_integer("created_at"))
        .col(big_integer("password_at"))
        .col(text("password_hash"))
        .col(text_null("previous_hash"))
        .primary_key(Index::create().col("server_id").col("name"))
        .foreign_key(&mut server)
        .take()
}
