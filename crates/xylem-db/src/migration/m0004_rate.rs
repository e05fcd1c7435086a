//! How fast a copy is arriving.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

pub(super) struct AddRate;

impl MigrationName for AddRate {
    fn name(&self) -> &str {
        "m0004_rate"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddRate {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = big_integer_null("rate");
        manager.alter_table(Table::alter().table("placements").add_column(column).take()).await
    }
}
