//! What is set for the cloud distribution point.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, string_len, string_len_null, text, text_null,
    uuid,
};

/// Room for one word of a fixed list.
const WORD: u32 = 20;
/// Room for the mark of the active point.
const MARK: u32 = 1;

pub(super) struct AddCloud;

impl MigrationName for AddCloud {
    fn name(&self) -> &str {
        "m0020_cloud"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCloud {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(points()).await?;
        // Of equal values there is one, of those that are none there are many, on every backend.
        let mut active = Index::create();
        active.name("cloud_points_active_key").table("cloud_points").col("active_key").unique();
        manager.create_index(active.take()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave the table without its index.
        Some(true)
    }
}

fn points() -> TableCreateStatement {
    Table::create()
        .table("cloud_points")
        .col(uuid("id").primary_key())
        .col(string_len_null("active_key", MARK))
        .col(string_len("provider", WORD))
        .col(text("settings"))
        .col(text("secrets"))
        .col(big_integer("secrets_at"))
        .col(integer("revision"))
        .col(text_null("last_test"))
        .col(big_integer("created_at"))
        .col(big_integer("changed_at"))
        .col(text("changed_by"))
        .col(big_integer("epoch"))
        .col(big_integer("generation"))
        .col(text_null("selection"))
        .col(boolean("paused"))
        .col(big_integer("followed"))
        .col(text_null("broken"))
        .col(big_integer_null("last_inventory"))
        .col(big_integer_null("month_ceiling"))
        .take()
}
