//! What distribution servers say of their machines, and those that are set aside.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, text_null};

use super::add_columns;

pub(super) struct AddInventory;

impl MigrationName for AddInventory {
    fn name(&self) -> &str {
        "m0012_inventory"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddInventory {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns =
            [text_null("inventory"), text_null("lives"), big_integer_null("set_aside_at")];
        add_columns(manager, "distribution_servers", columns).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the others.
        Some(true)
    }
}
