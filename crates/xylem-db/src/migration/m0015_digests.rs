//! Digests that are computed once an upload is acknowledged.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, uuid};

use super::digest;

/// Room for a digest of 512 bits.
const LONG_DIGEST: u32 = 64;

pub(super) struct AddDigests;

impl MigrationName for AddDigests {
    fn name(&self) -> &str {
        "m0015_digests"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddDigests {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [of_contents(), of_chunks()] {
            manager.create_table(table).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one table without the other.
        Some(true)
    }
}

fn of_contents() -> TableCreateStatement {
    let long = |name| ColumnDef::new(name).var_binary(LONG_DIGEST).not_null().take();
    Table::create()
        .table("content_digests")
        .col(digest("content_id").primary_key())
        .col(digest("md5"))
        .col(long("sha512"))
        .col(long("sha3_512"))
        .col(uuid("server_id"))
        .col(big_integer("computed_at"))
        .take()
}

fn of_chunks() -> TableCreateStatement {
    let bytes = |name| ColumnDef::new(name).blob().not_null().take();
    let mut content = ForeignKey::create();
    content.from("chunk_digests", "content_id").to("content_digests", "content_id");
    Table::create()
        .table("chunk_digests")
        .col(digest("content_id"))
        .col(integer("first_chunk"))
        .col(bytes("sha256s"))
        .col(bytes("md5s"))
        .primary_key(Index::create().col("content_id").col("first_chunk"))
        .foreign_key(&mut content)
        .take()
}
