//! How far a cloud distribution point is on its way out.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, string_len_null};

use super::add_columns;

/// Room for one word of a fixed list.
const WORD: u32 = 20;

pub(super) struct AddLeaving;

impl MigrationName for AddLeaving {
    fn name(&self) -> &str {
        "m0023_leaving"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddLeaving {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            big_integer_null("leaving_since"),
            big_integer_null("left_at"),
            string_len_null("objects", WORD),
        ];
        add_columns(manager, "cloud_points", columns).await
    }
}
