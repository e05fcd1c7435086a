//! `xylem migrate`

use std::path::PathBuf;

use clap::Args;
use xylem_model::Priority;

/// Options of `xylem migrate`.
#[derive(Debug, Args)]
pub struct MigrateOptions {
    /// A mounted file share, a Munki repository or a folder; it is only read
    pub folder: PathBuf,
    /// Say what would come of each file, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where the reports go, and what spares a second run reading everything again
    #[arg(long, value_name = "FOLDER", default_value = "xylem-migration")]
    pub state: PathBuf,
    /// How much of a hurry it is in; bulk leaves the lines to everything else
    #[arg(long, value_name = "urgent|normal|bulk", default_value_t = Priority::Bulk)]
    pub priority: Priority,
    /// Owner site of what is new
    #[arg(long)]
    pub site: Option<String>,
    /// Send the bytes through the management server, where the ingest server is out of reach
    #[arg(long)]
    pub through_server: bool,
}
