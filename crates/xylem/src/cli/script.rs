//! `xylem script …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use xylem_model::ScriptPriority;

/// Scripts: text that managed Macs run. They are kept in the database, with every version, and on
/// no distribution point.
#[derive(Debug, Subcommand)]
pub enum ScriptCommand {
    /// All scripts
    List {
        /// Those that were deleted and can be brought back
        #[arg(long)]
        deleted: bool,
    },
    /// Print the contents of one; with --json all that is known of it
    // Its --version is that of the script, not of this program.
    #[command(disable_version_flag = true)]
    Show {
        /// Its name
        name: String,
        /// Print this version
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        /// Print what is said of it instead
        #[arg(long, conflicts_with = "version")]
        about: bool,
    },
    /// Add scripts from files
    ///
    /// A script begins with the line that names its interpreter, such as #!/bin/sh. Encoding and
    /// line endings are brought to UTF-8 and LF, and what was changed is printed. AppleScripts are
    /// not taken.
    Upload(UploadScriptOptions),
    /// Change one in your editor: $VISUAL, $EDITOR or vi
    ///
    /// Where somebody else has changed it meanwhile, nothing is overwritten: your text stays in a
    /// file, and what they changed is shown.
    Edit {
        /// Its name
        name: String,
        /// Make a new one
        #[arg(long)]
        new: bool,
        /// What to say of it in the history
        #[arg(long, default_value = "", hide_default_value = true)]
        comment: String,
    },
    /// Change what is said of one
    ///
    /// name=NEW; category=NAME; info=TEXT; notes=TEXT; priority=before, after or at-reboot;
    /// os='10.6.8, 10.6.x, >=10.13'; label.4=TEXT to label.11=TEXT. An empty value takes away.
    Set {
        /// Its name
        name: String,
        /// The settings
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// Its versions, newest first
    History {
        /// Its name
        name: String,
    },
    /// What differs between two versions
    Diff {
        /// Its name
        name: String,
        /// From this version; the one before the newest where left out
        from: Option<u64>,
        /// To this version; the newest where left out
        to: Option<u64>,
    },
    /// Make an earlier version the newest, or bring a deleted script back
    ///
    /// What was written since stays in the history.
    Restore {
        /// Its name
        name: String,
        /// The version; the script itself was deleted where left out
        #[arg(value_name = "VERSION")]
        to: Option<u64>,
    },
    /// Delete one; it can be restored for 30 days, with its whole history
    Delete {
        /// Its name
        name: String,
    },
    /// What holds for all scripts
    ///
    /// change-contents=editor-and-api, or editor-only: contents change in `xylem script edit`
    /// alone. allow-osascript=yes or no: whether osascript may run a script.
    Settings {
        /// The settings to change; without any they are shown
        #[arg(value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
}

/// Options of `xylem script upload`.
#[derive(Debug, Args)]
pub struct UploadScriptOptions {
    /// The files; each becomes a script of its own name
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Another name, for a single file
    #[arg(long)]
    pub name: Option<String>,
    /// Make it the next version where there is a script of this name
    #[arg(long)]
    pub replace: bool,
    /// What to say of it in the history
    #[arg(long, default_value = "", hide_default_value = true)]
    pub comment: String,
    /// What is said of it
    #[command(flatten)]
    pub about: DeclareOptions,
}

/// What is said of a script; with --replace, what is left out stays.
#[derive(Debug, Args)]
pub struct DeclareOptions {
    /// Category
    #[arg(long)]
    pub category: Option<String>,
    /// When it runs, beside the packages of the same policy: after them where left out
    #[arg(long, value_name = "before|after|at-reboot")]
    pub priority: Option<ScriptPriority>,
    /// The versions of macOS that it is for, such as '10.6.8, 10.6.x, >=10.13'
    #[arg(long, value_name = "VERSIONS")]
    pub os: Option<String>,
    /// What a parameter from 4 to 11 stands for; may be given more than once
    #[arg(long = "label", value_name = "NUMBER=TEXT")]
    pub labels: Vec<String>,
    /// Shown to whoever uses it
    #[arg(long)]
    pub info: Option<String>,
    /// For those who keep it
    #[arg(long)]
    pub notes: Option<String>,
}
