//! How much of a hurry a file is in: of an upload, and of the version it becomes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len;
use xylem_model::Priority;

/// Room for one word of a fixed list.
const WORD: u32 = 100;

pub(super) struct AddPriority;

impl MigrationName for AddPriority {
    fn name(&self) -> &str {
        "m0002_priority"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddPriority {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["uploads", "versions"] {
            // What is there already was published in no hurry.
            let column = string_len("priority", WORD).default(Priority::Normal.as_str()).take();
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        // A crash in the middle must not leave one table with the column and one without.
        Some(true)
    }
}
