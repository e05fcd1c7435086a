//! The first tables.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, integer_null, string_len, string_len_null,
    text, text_null, uuid, uuid_null,
};

use super::{digest, digest_null};

/// Room for a name of 200 characters after case folding, which can lengthen it threefold.
const NAME_KEY: u32 = 640;
/// Room for the collision key of a file name of 255 bytes.
const FILE_KEY: u32 = 512;
/// Room for one word of a fixed list, a serial number in hexadecimal or a party's URI.
const WORD: u32 = 100;
/// Room for a name of 200 characters.
const NAME: u32 = 200;

pub(super) struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &str {
        "m0001_initial"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Initial {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            state(),
            settings(),
            named("sites"),
            named("categories"),
            invitations(),
            tokens(),
            certificates(),
            distribution_servers(),
            computers(),
            files(),
            versions(),
            uploads(),
            placements(),
            orders(),
            audit(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        for (table, columns, unique) in INDEXES {
            manager.create_index(index(table, columns, *unique)).await?;
        }
        manager.execute(first_state()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave half of the tables behind.
        Some(true)
    }
}

/// Table, columns, unique.
const INDEXES: &[(&str, &[&str], bool)] = &[
    ("sites", &["name_key"], true),
    ("categories", &["name_key"], true),
    ("invitations", &["code_hash"], true),
    ("tokens", &["token_hash"], true),
    ("certificates", &["party"], false),
    ("certificates", &["revoked_at"], false),
    ("distribution_servers", &["live_key"], true),
    ("computers", &["live_key"], true),
    ("files", &["live_key"], true),
    ("files", &["generation"], false),
    ("versions", &["content_id"], false),
    ("uploads", &["state", "expires_at"], false),
    ("placements", &["content_id", "state"], false),
    ("orders", &["computer_id", "state"], false),
];

fn index(table: &'static str, columns: &[&'static str], unique: bool) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(format!("{table}_{}", columns.join("_"))).table(table);
    for column in columns {
        index.col(*column);
    }
    if unique {
        index.unique();
    }
    index
}

/// The counter row, so that every later change is an update.
fn first_state() -> InsertStatement {
    let columns =
        ["id", "epoch", "generation", "restore_unconfirmed", "audit_sequence", "audit_hash"];
    let values =
        [1.into(), 1_i64.into(), 0_i64.into(), false.into(), 0_i64.into(), vec![0_u8; 32].into()];
    let mut insert = Query::insert();
    insert.into_table("state").columns(columns).values_panic(values);
    insert
}

fn table(name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    table
}

/// A column for bytes of any length.
fn bytes(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().take()
}

/// The epoch and generation of a row's last change.
fn stamped(table: &mut TableCreateStatement) -> TableCreateStatement {
    table.col(big_integer("epoch")).col(big_integer("generation")).to_owned()
}

fn state() -> TableCreateStatement {
    let mut table = table("state");
    table
        .col(integer("id").primary_key())
        .col(boolean("restore_unconfirmed"))
        .col(uuid_null("organization_id"))
        .col(string_len_null("organization_name", NAME))
        .col(big_integer("audit_sequence"))
        .col(digest("audit_hash"));
    stamped(&mut table)
}

fn settings() -> TableCreateStatement {
    table("settings").col(string_len("key", NAME).primary_key()).col(text("value")).to_owned()
}

fn named(name: &'static str) -> TableCreateStatement {
    let mut table = table(name);
    table
        .col(uuid("id").primary_key())
        .col(string_len("name", NAME))
        .col(string_len("name_key", NAME_KEY))
        .col(big_integer("created_at"));
    stamped(&mut table)
}

fn invitations() -> TableCreateStatement {
    table("invitations")
        .col(uuid("id").primary_key())
        .col(string_len("kind", WORD))
        .col(uuid_null("site_id"))
        .col(digest("code_hash"))
        .col(integer("uses"))
        .col(integer("uses_left"))
        .col(text("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("revoked_at"))
        .to_owned()
}

fn tokens() -> TableCreateStatement {
    table("tokens")
        .col(uuid("id").primary_key())
        .col(string_len("name", NAME))
        .col(digest("token_hash"))
        .col(text("scopes"))
        .col(text("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer_null("expires_at"))
        .col(big_integer_null("last_used_at"))
        .col(big_integer_null("revoked_at"))
        .to_owned()
}

fn certificates() -> TableCreateStatement {
    table("certificates")
        .col(string_len("serial", WORD).primary_key())
        .col(string_len("party", WORD))
        .col(big_integer("issued_at"))
        .col(big_integer("not_after"))
        .col(big_integer_null("revoked_at"))
        .to_owned()
}

/// Columns that distribution servers and computers share.
fn party(name: &'static str) -> TableCreateStatement {
    table(name)
        .col(uuid("id").primary_key())
        .col(string_len("name", NAME))
        .col(string_len_null("live_key", NAME_KEY))
        .col(uuid_null("site_id"))
        .col(text_null("program_version"))
        .col(text_null("address"))
        .col(big_integer("enrolled_at"))
        .col(big_integer_null("removed_at"))
        .col(big_integer_null("last_seen"))
        .to_owned()
}

fn distribution_servers() -> TableCreateStatement {
    let mut table = party("distribution_servers");
    table
        .col(text("public_url"))
        // No foreign key: the tree is checked as a whole, in the transaction that changes it.
        .col(uuid_null("parent_id"))
        .col(boolean("is_root"))
        .col(boolean("is_principal"))
        .col(boolean("maintenance"))
        .col(big_integer_null("free_bytes"))
        .col(big_integer_null("total_bytes"))
        .col(big_integer("held_epoch"))
        .col(big_integer("held_generation"));
    stamped(&mut table)
}

fn computers() -> TableCreateStatement {
    let mut table = party("computers");
    table
        .col(text_null("serial_number"))
        .col(text_null("os"))
        .col(big_integer("orders_generation"));
    stamped(&mut table)
}

fn files() -> TableCreateStatement {
    let mut table = table("files");
    table
        .col(uuid("id").primary_key())
        .col(string_len("kind", WORD))
        .col(text("name"))
        .col(string_len("collision_key", FILE_KEY))
        .col(string_len_null("live_key", FILE_KEY))
        .col(uuid_null("category_id"))
        .col(uuid_null("site_id"))
        .col(integer("latest"))
        .col(big_integer("created_at"))
        .col(big_integer_null("deleted_at"));
    stamped(&mut table)
}

fn versions() -> TableCreateStatement {
    let mut table = table("versions");
    table
        .col(uuid("file_id"))
        .col(integer("number"))
        .col(digest("content_id"))
        .col(digest("sha256"))
        .col(big_integer("size"))
        .col(string_len("content_id_source", WORD))
        .col(string_len("sha256_source", WORD))
        .col(text("inspection"))
        .col(bytes("descriptor"))
        .col(big_integer("created_at"))
        .col(big_integer_null("published_at"))
        .primary_key(Index::create().col("file_id").col("number"))
        .foreign_key(ForeignKey::create().from("versions", "file_id").to("files", "id"));
    stamped(&mut table)
}

fn uploads() -> TableCreateStatement {
    table("uploads")
        .col(uuid("id").primary_key())
        .col(string_len("kind", WORD))
        .col(text("name"))
        .col(big_integer("size"))
        .col(digest_null("blake3"))
        .col(digest_null("sha256"))
        .col(boolean("replace"))
        .col(uuid_null("site_id"))
        .col(uuid_null("category_id"))
        .col(text("actor"))
        .col(uuid("server_id"))
        .col(string_len("state", WORD))
        .col(text_null("reason"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("ended_at"))
        .col(uuid_null("file_id"))
        .col(integer_null("version"))
        .to_owned()
}

fn placements() -> TableCreateStatement {
    let mut server = ForeignKey::create();
    server.from("placements", "server_id").to("distribution_servers", "id");
    let mut table = table("placements");
    table
        .col(uuid("server_id"))
        .col(digest("content_id"))
        .col(string_len("state", WORD))
        .col(big_integer("bytes"))
        .col(big_integer_null("verified_at"))
        .col(text_null("reason"))
        .col(big_integer_null("next_try"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("server_id").col("content_id"))
        .foreign_key(&mut server);
    stamped(&mut table)
}

fn orders() -> TableCreateStatement {
    table("orders")
        .col(uuid("id").primary_key())
        .col(uuid("computer_id"))
        .col(uuid("file_id"))
        .col(integer("version"))
        .col(digest("content_id"))
        .col(bytes("descriptor"))
        .col(string_len("state", WORD))
        .col(text("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer_null("finished_at"))
        .col(text_null("report"))
        .col(big_integer("generation"))
        .foreign_key(ForeignKey::create().from("orders", "computer_id").to("computers", "id"))
        .to_owned()
}

fn audit() -> TableCreateStatement {
    table("audit")
        .col(big_integer("sequence").primary_key())
        .col(big_integer("at"))
        .col(text("actor"))
        .col(text("action"))
        .col(text("object"))
        .col(text("detail"))
        .col(digest("hash"))
        .to_owned()
}
