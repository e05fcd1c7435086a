//! What can go wrong with an agent as a whole.
//!
//! Failures of one order are no errors of the agent: they are reported and the next order has its
//! turn.

use std::path::PathBuf;

use xylem_client::enroll::EnrollError;
use xylem_client::{BaseUrl, BaseUrlError, ClientError};
use xylem_model::{ComputerId, FileName, Party};
use xylem_pki::{StoreError, TlsSetupError};
use xylem_trust::TrustError;

use crate::fetch::FetchError;
use crate::folder::FolderError;
use crate::target::TargetError;

/// Why an agent could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Key or certificate cannot be used.
    #[error(transparent)]
    Identity(#[from] StoreError),
    /// The folder belongs to an agent already.
    #[error(
        "{} is enrolled already, as {party}: use another --data folder, or remove this one first",
        path.display()
    )]
    AlreadyEnrolled {
        /// The folder.
        path: PathBuf,
        /// Who lives there.
        party: Party,
    },
    /// The certificate is not a computer's.
    #[error("the identity in the data folder is {party}, which is no computer")]
    NotAComputer {
        /// Who it is.
        party: Party,
    },
    /// The management server did not take this computer in.
    #[error("cannot enrol with {server}")]
    Enroll {
        /// The management server.
        server: BaseUrl,
        /// Why.
        #[source]
        source: EnrollError,
    },
    /// The certificate ran out and no new one could be had.
    #[error("this computer's certificate has expired and cannot be renewed with {server}")]
    Renew {
        /// The management server.
        server: BaseUrl,
        /// Why.
        #[source]
        source: EnrollError,
    },
    /// The address in `agent.json` is none.
    #[error(transparent)]
    Address(#[from] BaseUrlError),
    /// TLS settings cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The management server gave no answer, or a refusal.
    #[error("cannot check in with {server}")]
    CheckIn {
        /// The management server.
        server: BaseUrl,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// A signed document is not believed.
    #[error("the management server's {what} is not believed, so nothing was done")]
    Trust {
        /// Which document.
        what: &'static str,
        /// Why.
        #[source]
        source: TrustError,
    },
    /// The orders are for somebody else.
    #[error("the orders are for computer {found}, and this is {ours}: nothing was done")]
    ForeignOrders {
        /// This computer.
        ours: ComputerId,
        /// Whom they name.
        found: ComputerId,
    },
    /// The management server does not know where a package is.
    #[error("cannot ask the management server where {name} is")]
    Sources {
        /// The package.
        name: FileName,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// The descriptor is that of another file.
    #[error("asked for {asked}, the management server answered with {found}")]
    OtherFile {
        /// What was asked for.
        asked: FileName,
        /// What came.
        found: FileName,
    },
    /// No distribution server gave the package.
    #[error("cannot fetch {name}")]
    Fetch {
        /// The package.
        name: FileName,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// The target cannot be installed to.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl AgentError {
    /// Whether the cause is how the program was set up, not what happened: exit code 64.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Folder(error) => matches!(
                error,
                FolderError::Newer { .. }
                    | FolderError::Foreign { .. }
                    | FolderError::NotEnrolled { .. }
                    | FolderError::Damaged { .. }
            ),
            Self::Identity(_)
            | Self::AlreadyEnrolled { .. }
            | Self::NotAComputer { .. }
            | Self::Address(_)
            | Self::Target(_) => true,
            _ => false,
        }
    }
}
