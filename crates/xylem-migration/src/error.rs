//! What ends a migration, or one item of it.

use std::io;
use std::path::PathBuf;

use xylem_artifact::build::BundleError;

use crate::path::SourcePath;

/// Why something could not be done. What is wrong with single files of the source is no error: it
/// is in the plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// It is not what was planned any more.
    #[error("`{0}` was changed since it was looked at: run the migration again")]
    Changed(SourcePath),
    /// An item of the source.
    #[error("cannot read `{path}` of the source")]
    Item {
        /// Which.
        path: SourcePath,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The source itself.
    #[error("cannot read the folder {}", path.display())]
    Source {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The state folder.
    #[error("cannot use the state folder {}", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Nothing may be written to the source.
    #[error(
        "the state folder {} lies in the source, which is never written to: choose another one",
        path.display()
    )]
    StateInSource {
        /// The folder.
        path: PathBuf,
    },
    /// A folder could not be zipped.
    #[error("cannot zip `{path}` into the state folder")]
    Zip {
        /// The folder.
        path: SourcePath,
        /// The cause.
        #[source]
        source: BundleError,
    },
}
