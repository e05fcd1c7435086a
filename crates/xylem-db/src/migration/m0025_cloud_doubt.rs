//! Deletions in the cloud that may still arrive, what is read back whole, and full walks through the
//! catalogue.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

use super::add_columns;

pub(super) struct AddCloudDoubt;

impl MigrationName for AddCloudDoubt {
    fn name(&self) -> &str {
        "m0025_cloud_doubt"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCloudDoubt {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let copies = ["not_before", "doubted_at", "read_back_at"].map(big_integer_null);
        add_columns(manager, "cloud_copies", copies).await?;
        // Nothing there is none so far.
        add_columns(manager, "cloud_points", [big_integer_null("walks")]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave some columns without the others.
        Some(true)
    }
}
