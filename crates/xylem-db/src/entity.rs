//! The tables as the driver sees them; nothing here leaves the crate.
//!
//! A row is also what a backup holds, one JSON object each, so a column added later needs
//! `#[serde(default)]` for older backups to stay loadable.

/// Declares one table: its row (`Model`) and what SeaORM derives from it.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:tt { $($body:tt)* }) => {
        $(#[$doc])*
        pub(crate) mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(
                Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize, serde::Deserialize,
            )]
            #[sea_orm(table_name = $table)]
            pub(crate) struct Model { $($body)* }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub(crate) enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

mod catalogue;
mod cloud;
mod digests;
mod hex_bytes;
mod indexes;
mod parties;
mod records;
mod scripts;
mod search;
mod trust;

pub(crate) use catalogue::{category, file, order, placement, site, upload, version};
pub(crate) use cloud::{cloud_copy, cloud_part, cloud_point, cloud_usage};
pub(crate) use digests::{chunk_digest, content_digest};
pub(crate) use indexes::content_index;
pub(crate) use parties::{account, computer, distribution_server, further_parent};
pub(crate) use records::record_revision;
pub(crate) use scripts::{script, script_edit, script_version};
pub(crate) use search::search_term;
pub(crate) use trust::{audit, certificate, invitation, setting, state, token};
