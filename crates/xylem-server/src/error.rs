//! Why the server cannot be set up, started, backed up or restored.

use std::io;
use std::path::{Path, PathBuf};

use xylem_ca::CaError;
use xylem_db::DbError;
use xylem_http::ListenError;
use xylem_model::Timestamp;
use xylem_pki::{AnchorError, FileError, HostError, TlsSetupError};
use xylem_trust::{EnvelopeError, KeyError, TrustError};

use crate::sealed::Unsealable;

/// A failure outside of requests. Each says what was attempted on what, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data folder holds a server already.
    #[error("{} holds a management server already; nothing was changed", folder.display())]
    AlreadyThere {
        /// The data folder.
        folder: PathBuf,
    },
    /// Nothing was set up in the data folder.
    #[error("{} holds no management server: run `xylem server init` first", folder.display())]
    NotThere {
        /// The data folder.
        folder: PathBuf,
    },
    /// A restore needs an empty folder.
    #[error("{} is not empty: restore into a new or empty folder", folder.display())]
    NotEmpty {
        /// The data folder.
        folder: PathBuf,
    },
    /// The data folder was written by a newer version.
    #[error(
        "{} was written by a newer version of xylem (format {found}, this program knows up to \
         {known}): upgrade this program",
        folder.display()
    )]
    NewerFormat {
        /// The data folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// A file holds something else than it should.
    #[error("{} is damaged ({problem}): restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The certificate authority.
    #[error("the certificate authority cannot be used")]
    Authority(#[from] CaError),
    /// A sealed secret.
    #[error(transparent)]
    Sealed(#[from] Unsealable),
    /// The root certificates just loaded cannot be used.
    #[error("the root certificate cannot be used")]
    Anchors(#[from] AnchorError),
    /// The public URL names no host that a certificate could be for.
    #[error("no certificate can be made for the host of public_url")]
    Host(#[from] HostError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A signing key cannot be used.
    #[error("the signing keys cannot be used")]
    Key(#[from] KeyError),
    /// The trust document is not good.
    #[error("the trust document cannot be used")]
    Trust(#[from] TrustError),
    /// A document could not be signed.
    #[error("a document could not be signed")]
    Sign(#[from] EnvelopeError),
    /// The trust document has run out, and with it everything it vouches for.
    #[error(
        "the trust document expired on {expired}, and this machine's clock says {now}: if the \
         clock is right, the server was away for too long and every machine must enrol again"
    )]
    TrustExpired {
        /// When.
        expired: Timestamp,
        /// The present moment.
        now: Timestamp,
    },
    /// A round of looking after the cloud distribution point was given up.
    #[error("{reason}")]
    Cloud {
        /// What was attempted, why it did not succeed, what to do.
        reason: String,
    },
    /// The wishes cannot be read.
    #[error("what is wished cannot be read")]
    Wish(#[from] crate::WishError),
    /// Not a backup of a management server, or a newer one.
    #[error("{} is no backup that this program can restore: {problem}", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl ServerError {
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        Self::File(FileError::reading(path, source))
    }

    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        Self::File(FileError::writing(path, source))
    }

    pub(crate) fn damaged(path: &Path, problem: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.to_string() }
    }
}
