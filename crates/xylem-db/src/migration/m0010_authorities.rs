//! Which certificate authorities parties believe.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

use super::add_columns;

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
            add_columns(manager, table, ["believes", "certified_by"].map(text_null)).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the others.
        Some(true)
    }
}
