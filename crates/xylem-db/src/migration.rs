//! The numbered changes of the schema, one set for every backend.
//!
//! Only what SQLite, PostgreSQL and MySQL share: no partial indexes, no native enums, no JSON
//! columns, no defaults computed by the server. A change that has been released is never edited;
//! the next one is added below it.

use sea_orm_migration::prelude::*;

mod m0001_initial;
mod m0002_priority;
mod m0003_parents;
mod m0004_rate;
mod m0005_accounts;
mod m0006_scrub;
mod m0007_settings;
mod m0008_selection;
mod m0009_hand_over;
mod m0010_authorities;
mod m0011_certificates;
mod m0012_inventory;
mod m0013_scripts;
mod m0014_records;
mod m0015_digests;
mod m0016_marks;
mod m0017_search;
mod m0018_production_since;
mod m0019_indexes;
mod m0020_cloud;
mod m0021_cloud_copies;
mod m0022_unbound;
mod m0023_leaving;
mod m0024_cloud_principal;
mod m0025_cloud_doubt;

/// All changes, in order.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_initial::Initial),
            Box::new(m0002_priority::AddPriority),
            Box::new(m0003_parents::AddParents),
            Box::new(m0004_rate::AddRate),
            Box::new(m0005_accounts::AddAccounts),
            Box::new(m0006_scrub::AddScrub),
            Box::new(m0007_settings::AddSettings),
            Box::new(m0008_selection::AddSelection),
            Box::new(m0009_hand_over::AddHandOver),
            Box::new(m0010_authorities::AddAuthorities),
            Box::new(m0011_certificates::AddCertificates),
            Box::new(m0012_inventory::AddInventory),
            Box::new(m0013_scripts::AddScripts),
            Box::new(m0014_records::AddRecords),
            Box::new(m0015_digests::AddDigests),
            Box::new(m0016_marks::AddMarks),
            Box::new(m0017_search::AddSearch),
            Box::new(m0018_production_since::AddProductionSince),
            Box::new(m0019_indexes::AddIndexes),
            Box::new(m0020_cloud::AddCloud),
            Box::new(m0021_cloud_copies::AddCloudCopies),
            Box::new(m0022_unbound::AddUnbound),
            Box::new(m0024_cloud_principal::AddCloudPrincipal),
            Box::new(m0025_cloud_doubt::AddCloudDoubt),
            Box::new(m0023_leaving::AddLeaving),
        ]
    }
}

/// Room for a digest.
const DIGEST: u32 = 32;

/// A column for a digest. Its length matters to MySQL alone, which indexes no others.
fn digest(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).var_binary(DIGEST).not_null().take()
}

fn digest_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).var_binary(DIGEST).null().take()
}

/// Adds columns to a table.
async fn add_columns(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: impl IntoIterator<Item = ColumnDef>,
) -> Result<(), DbErr> {
    for mut column in columns {
        manager.alter_table(Table::alter().table(table).add_column(column.take()).take()).await?;
    }
    Ok(())
}

/// Brings a row of a backup that was made at an earlier schema to this one, where a change since did
/// more than add columns.
pub(crate) fn upgrade_row(schema: usize, table: &str, row: &mut serde_json::Value) {
    if schema < 7 {
        m0007_settings::upgrade(table, row);
    }
    if schema < 16 {
        m0016_marks::upgrade(table, row);
    }
    if schema < 18 {
        m0018_production_since::upgrade(table, row);
    }
}
