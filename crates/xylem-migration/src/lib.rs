//! Moving in: what of an old file share, a Munki repository or a folder becomes packages, apps,
//! eBooks and scripts, and under which names.
//!
//! How a migration goes, in the order in which the command does it:
//!
//! 1. [`Migration::open`] opens the source, for reading only, and the state folder.
//! 2. [`Migration::survey`] walks the source, digests what may be taken, and notes each digest in a
//!    journal, so that an interrupted run goes on.
//! 3. [`plan`] decides, purely, from the [`Survey`] and what the server has ([`Existing`]): each
//!    path gets one [`Decision`]. A dry run ends here.
//! 4. For each item that is not there yet, [`Migration::open_item`] gives a plain file to upload,
//!    after having made sure that it is still what was planned. Folders that are packages are
//!    zipped into a nameless file of the state folder.
//! 5. A [`Report`] has a line for each path; what came of each item is told to it.
//!
//! Relied on: the server refuses content that differs from what was declared, so that nothing here
//! can publish the wrong bytes. Deliberately not here: the network, what a script may be
//! ([`ScriptReader`]), and what is in a package (the server looks into it).
//!
//! The design page is `docs/design/migration.md`.

mod bundle;
mod digest;
mod error;
mod journal;
mod munki;
mod names;
mod path;
mod plan;
mod reason;
mod report;
mod run;
mod scan;
mod script;
mod survey;
pub mod testing;
mod tree;

pub use digest::{Content, digest};
pub use error::MigrationError;
pub use munki::Hints;
pub use path::SourcePath;
pub use plan::{Decision, Existing, Item, ItemKind, Plan, Renamed, Taking, plan};
pub use reason::{Reason, ReasonCode};
pub use report::{
    Document, Line, Outcome, Outcomes, REPORT_VERSION, Report, RunPart, Sent, Totals,
};
pub use run::{Migration, Opened};
pub use scan::{Layout, Limits};
pub use script::{MAX_SCRIPT_BYTES, ReadScript, ScriptReader};
pub use survey::{Entry, Finding, Object, Progress, Survey};
