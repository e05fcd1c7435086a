//! What distribution servers show to browsers and other clients.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

use super::add_columns;

pub(super) struct AddCertificates;

impl MigrationName for AddCertificates {
    fn name(&self) -> &str {
        "m0011_certificates"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCertificates {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = ["public_chain", "public_chain_sha256", "shown_certificate"];
        add_columns(manager, "distribution_servers", columns.map(text_null)).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the others.
        Some(true)
    }
}
