//! `xylem ca …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `xylem ca …`
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// The authorities that are believed, and how far a change of them is
    Show,
    /// Bring in a new root
    ///
    /// It is made known first; once every distribution server believes it, it signs; once every
    /// certificate of the root before is replaced, that one is not believed any more. All of this
    /// happens by itself, and nothing stops meanwhile.
    Rotate,
    /// Write a request for an intermediate certificate, for your own root to sign
    Request {
        /// Where to; standard output where left out
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Bring in the intermediate that your own root signed
    ///
    /// The file holds, in PEM, the intermediate certificate, what signed it, and so on up to the
    /// root. From there on it goes as with `xylem ca rotate`.
    Install {
        /// The certificates
        chain: PathBuf,
    },
    /// Give up the authority that is to follow
    Abandon,
    /// Sign with the next authority from now on
    Switch(ChangeOptions),
    /// Believe the authority before no more
    Finish(ChangeOptions),
}

/// Options of `xylem ca switch` and `xylem ca finish`.
#[derive(Debug, Args)]
pub struct ChangeOptions {
    /// Go on although some have not followed: they have to be enrolled again
    #[arg(long)]
    pub despite_missing: bool,
}
