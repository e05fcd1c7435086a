//! Scripts, the versions of their contents, and edits that are under way.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer, integer_null, string_len, string_len_null, text, uuid,
    uuid_null,
};

use super::digest;

/// Room for the collision key of a name of 255 bytes.
const NAME_KEY: u32 = 512;
/// Room for one word of a fixed list.
const WORD: u32 = 100;

pub(super) struct AddScripts;

impl MigrationName for AddScripts {
    fn name(&self) -> &str {
        "m0013_scripts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddScripts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [scripts(), versions(), edits()] {
            manager.create_table(table).await?;
        }
        let mut name = Index::create();
        name.name("scripts_live_key").table("scripts").col("live_key").unique();
        manager.create_index(name.take()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one table without the others.
        Some(true)
    }
}

fn scripts() -> TableCreateStatement {
    Table::create()
        .table("scripts")
        .col(uuid("id").primary_key())
        .col(text("name"))
        .col(string_len("collision_key", NAME_KEY))
        .col(string_len_null("live_key", NAME_KEY))
        .col(uuid_null("category_id"))
        .col(text("info"))
        .col(text("notes"))
        .col(string_len("priority", WORD))
        .col(text("labels"))
        .col(text("os_requirement"))
        .col(integer("latest"))
        .col(integer("revision"))
        .col(big_integer("created_at"))
        .col(big_integer("changed_at"))
        .col(text("changed_by"))
        .col(big_integer_null("deleted_at"))
        .take()
}

fn versions() -> TableCreateStatement {
    Table::create()
        .table("script_versions")
        .col(uuid("script_id"))
        .col(integer("number"))
        .col(text("contents"))
        .col(digest("digest"))
        .col(big_integer("bytes"))
        .col(text("author"))
        .col(big_integer("created_at"))
        .col(text("comment"))
        .col(integer_null("restores"))
        .primary_key(Index::create().col("script_id").col("number"))
        .foreign_key(ForeignKey::create().from("script_versions", "script_id").to("scripts", "id"))
        .take()
}

fn edits() -> TableCreateStatement {
    Table::create()
        .table("script_edits")
        .col(uuid("id").primary_key())
        .col(uuid_null("script_id"))
        .col(string_len("collision_key", NAME_KEY))
        .col(text("actor"))
        .col(big_integer("opened_at"))
        .col(big_integer("expires_at"))
        .foreign_key(ForeignKey::create().from("script_edits", "script_id").to("scripts", "id"))
        .take()
}
