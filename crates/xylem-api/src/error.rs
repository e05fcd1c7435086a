//! What an error answer holds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every answer with a status of 400 or above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// A stable word for programs.
    pub code: ErrorCode,
    /// A sentence for a person: what was attempted, on what, why not, what to do.
    pub message: String,
    /// Finds the request in the server's log.
    pub request_id: String,
}

/// Stable words for what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not understood: a parameter, the body or a header.
    BadRequest,
    /// The machines' clocks disagree too much for certificates to work.
    ClockSkew,
    /// It contradicts what is there, e.g. a name that is taken.
    Conflict,
    /// The bytes are not what was declared.
    DigestMismatch,
    /// The caller may not do this.
    Forbidden,
    /// Our own fault; the log has the rest.
    Internal,
    /// The invitation has expired.
    InvitationExpired,
    /// No such invitation.
    InvitationUnknown,
    /// The invitation was used as often as it may be.
    InvitationUsedUp,
    /// The method means nothing at this address.
    MethodNotAllowed,
    /// The name is one that not every distribution point can store.
    NameRefused,
    /// No such thing, or none that the caller may see.
    NotFound,
    /// The file is not acceptable: damaged, not what its name says, or dangerous.
    Refused,
    /// The caller's certificate was revoked.
    Revoked,
    /// No room on the disk.
    NoSpace,
    /// Larger than a limit.
    TooLarge,
    /// Too much at once; try later.
    TooManyRequests,
    /// The caller did not say who it is.
    Unauthorized,
    /// Something needed is out of reach at present; trying again helps.
    Unavailable,
    /// What was asked for goes on and takes its time; the same again later is told how far it is.
    Waiting,
}

impl ErrorCode {
    /// The status it is answered with (RFC 9110 section 15; 507 is of RFC 4918).
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::ClockSkew | Self::NameRefused => 400,
            Self::Unauthorized => 401,
            Self::Forbidden
            | Self::InvitationExpired
            | Self::InvitationUnknown
            | Self::InvitationUsedUp
            | Self::Revoked => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::DigestMismatch | Self::Refused => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable | Self::Waiting => 503,
            Self::NoSpace => 507,
        }
    }
}
