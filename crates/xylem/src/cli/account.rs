//! `xylem ds account …`

use clap::{ArgGroup, Args, Subcommand};
use xylem_model::{AccountAccess, AccountName};

/// WebDAV accounts of a distribution server.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Add one; its password is made for it and printed once
    Add(AddAccountOptions),
    /// All accounts of a distribution server
    List {
        /// The distribution server's name
        name: String,
    },
    /// Remove one; its passwords count no more
    Remove {
        /// The distribution server's name
        name: String,
        /// The account's name
        user: AccountName,
    },
    /// Make a new password, printed once, while the old one still counts
    ///
    /// Change the password where it is used, then end the rotation with --finish. A second new
    /// password ends it too: only the newest two count.
    Rotate {
        /// The distribution server's name
        name: String,
        /// The account's name
        user: AccountName,
        /// End the rotation: only the newest password counts from now on
        #[arg(long)]
        finish: bool,
    },
}

/// Options of `xylem ds account add`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("access").required(true))]
pub struct AddAccountOptions {
    /// The distribution server's name
    pub name: String,
    /// The account's name: letters, digits and . _ - @
    pub user: AccountName,
    /// It may read what is published there
    #[arg(long, group = "access")]
    pub read: bool,
    /// It may also publish, rename and delete
    #[arg(long, group = "access")]
    pub write: bool,
}

impl AddAccountOptions {
    /// What the account may do.
    pub const fn access(&self) -> AccountAccess {
        match self.write {
            true => AccountAccess::Write,
            false => AccountAccess::Read,
        }
    }
}
