//! Which certificate authorities parties believe.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

pub(super) struct AddAuthorities;

impl MigrationName for AddAuthorities {
    fn name(&self) -> &str {
        "m0010_authorities"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddAuthorities {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["distribution_servers", "computers"] {
            for column in ["believes", "certified_by"] {
                let mut column = text_null(column);
                manager
                    .alter_table(Table::alter().table(table).add_column(column.take()).take())
                    .await?;
            }
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the others.
        Some(true)
    }
}
