//! What can go wrong with a call.

use std::io;
use std::time::Duration;

use xylem_api::error::{ErrorBody, ErrorCode};

use crate::{BaseUrl, BaseUrlError};

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The other side answered, and the answer is no.
    #[error("{}", .body.message)]
    Answer {
        /// The HTTP status.
        status: u16,
        /// Its own words.
        body: ErrorBody,
        /// When it suggests to come back.
        retry_after: Option<Duration>,
    },
    /// A server's address is no address.
    #[error(transparent)]
    Address(#[from] BaseUrlError),
    /// Nobody there.
    #[error("cannot connect to {server}: is it running, and does nothing block the way?")]
    Connect {
        /// Where to.
        server: BaseUrl,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Somebody is there, but not who is wanted, or they do not want us.
    #[error("no trusted connection to {server}: {explanation}")]
    Tls {
        /// Where to.
        server: BaseUrl,
        /// Why, in a person's words.
        explanation: String,
    },
    /// Nothing happened for too long.
    #[error("{server} took longer than {} s over {doing}", .limit.as_secs())]
    Timeout {
        /// Who.
        server: BaseUrl,
        /// With what.
        doing: &'static str,
        /// The limit that ran out.
        limit: Duration,
    },
    /// The connection broke.
    #[error("the connection to {server} broke while {doing}")]
    Broken {
        /// Who.
        server: BaseUrl,
        /// What was under way.
        doing: &'static str,
        /// What the system says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The other side does not keep to the protocol.
    #[error("{server} sent an answer that is not understood: {reason}")]
    Protocol {
        /// Who.
        server: BaseUrl,
        /// What is wrong with it.
        reason: String,
    },
    /// What was to be sent could not be read.
    #[error("what was to be sent could not be read")]
    Source(#[source] io::Error),
}

impl ClientError {
    /// The other side's word, where it answered.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Answer { body, .. } => Some(body.code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later, or elsewhere.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Answer { status, .. } => matches!(*status, 408 | 429 | 500 | 502..=504 | 507),
            Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Tls { .. } | Self::Protocol { .. } | Self::Source(_) | Self::Address(_) => false,
        }
    }
}
