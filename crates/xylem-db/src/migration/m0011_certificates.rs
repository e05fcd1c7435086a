//! What distribution servers show to browsers and other clients.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

pub(super) struct AddCertificates;

impl MigrationName for AddCertificates {
    fn name(&self) -> &str {
        "m0011_certificates"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCertificates {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["public_chain", "public_chain_sha256", "shown_certificate"] {
            let table = "distribution_servers";
            let mut column = text_null(column);
            manager
                .alter_table(Table::alter().table(table).add_column(column.take()).take())
                .await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one column without the others.
        Some(true)
    }
}
