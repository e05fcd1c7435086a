//! Until when something could still write a content in the cloud that was signed for other bytes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

use super::add_columns;

pub(super) struct AddUnbound;

impl MigrationName for AddUnbound {
    fn name(&self) -> &str {
        "m0022_unbound"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddUnbound {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "cloud_copies", [big_integer_null("unbound_until")]).await
    }
}
