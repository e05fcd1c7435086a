//! Moving the root and the principal.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean};

pub(super) struct AddHandOver;

impl MigrationName for AddHandOver {
    fn name(&self) -> &str {
        "m0009_hand_over"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddHandOver {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let epoch = big_integer("root_epoch").default(1).take();
        let filling = boolean("filling").default(false).take();
        for (table, mut column) in [("state", epoch), ("distribution_servers", filling)] {
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
