//! The cloud as principal: whether a point is that, and until when an upload wants a content there.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, boolean};

use super::add_columns;

pub(super) struct AddCloudPrincipal;

impl MigrationName for AddCloudPrincipal {
    fn name(&self) -> &str {
        "m0024_cloud_principal"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCloudPrincipal {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let principal = boolean("is_principal").default(false).take();
        add_columns(manager, "cloud_points", [principal]).await?;
        add_columns(manager, "cloud_copies", [big_integer_null("upload_until")]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the other.
        Some(true)
    }
}
