//! What is at the cloud distribution point, how far it is on its way there, and what it was used for.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer, string_len, text, text_null, uuid, uuid_null,
};

use super::digest;

/// Room for one word of a fixed list.
const WORD: u32 = 20;
/// Room for a digest of 128 bits.
const SHORT_DIGEST: u32 = 16;

pub(super) struct AddCloudCopies;

impl MigrationName for AddCloudCopies {
    fn name(&self) -> &str {
        "m0021_cloud_copies"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddCloudCopies {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [copies(), parts(), usage()] {
            manager.create_table(table).await?;
        }
        // What is sent next is looked for in this order.
        let mut order = Index::create();
        order.name("cloud_copies_order").table("cloud_copies");
        for column in ["point_id", "state", "class", "size"] {
            order.col(column);
        }
        manager.create_index(order.take()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one table without the others.
        Some(true)
    }
}

fn copies() -> TableCreateStatement {
    let mut point = ForeignKey::create();
    point.from("cloud_copies", "point_id").to("cloud_points", "id");
    Table::create()
        .table("cloud_copies")
        .col(uuid("point_id"))
        .col(digest("content_id"))
        .col(big_integer("size"))
        .col(digest("sha256"))
        .col(text("name"))
        .col(string_len("priority", WORD))
        .col(integer("class"))
        .col(string_len("state", WORD))
        .col(big_integer("since"))
        .col(text_null("upload_ref"))
        .col(big_integer_null("part_bytes"))
        .col(big_integer("arrived"))
        .col(text_null("etag"))
        .col(uuid_null("lease_server"))
        .col(big_integer_null("lease_until"))
        .col(integer("tries"))
        .col(text_null("reason"))
        .col(big_integer_null("next_try"))
        .col(big_integer_null("unwanted_at"))
        .col(big_integer_null("looked_at"))
        .primary_key(Index::create().col("point_id").col("content_id"))
        .foreign_key(&mut point)
        .take()
}

fn parts() -> TableCreateStatement {
    let mut copy = ForeignKey::create();
    copy.from_tbl("cloud_parts").from_col("point_id").from_col("content_id");
    copy.to_tbl("cloud_copies").to_col("point_id").to_col("content_id");
    Table::create()
        .table("cloud_parts")
        .col(uuid("point_id"))
        .col(digest("content_id"))
        .col(integer("number"))
        .col(big_integer("bytes"))
        .col(ColumnDef::new("md5").var_binary(SHORT_DIGEST).not_null())
        .col(digest("sha256"))
        .col(text("tag"))
        .primary_key(Index::create().col("point_id").col("content_id").col("number"))
        .foreign_key(&mut copy)
        .take()
}

fn usage() -> TableCreateStatement {
    let mut point = ForeignKey::create();
    point.from("cloud_usage", "point_id").to("cloud_points", "id");
    let mut table = Table::create();
    table.table("cloud_usage").col(uuid("point_id")).col(integer("month"));
    for counted in ["sent", "read_back", "told_by_agents", "writes", "reads", "lists"] {
        table.col(big_integer(counted));
    }
    table.primary_key(Index::create().col("point_id").col("month")).foreign_key(&mut point).take()
}
