//! From the errors of what handlers use to what callers are told.
//!
//! Handlers return [`Failure`]; everything below converts into it with `?`. Refusals keep the
//! words of whoever refused; faults of our own are told in general and logged in full.

use axum::response::{IntoResponse, Response};
use xylem_api::error::ErrorCode;
use xylem_ca::CaError;
use xylem_client::ClientError;
use xylem_db::{DbError, InvitationRefusal};
use xylem_http::ApiError;
use xylem_model::{FileNameError, LabelError, OsRequirementError, ScriptError, ScriptNameError};
use xylem_trust::EnvelopeError;

use crate::ServerError;
use crate::sealed::Unsealable;
use crate::wish::WishError;

/// When to come back after something was out of reach, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 10;

/// An error on its way to the caller.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) ApiError);

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ApiError::new(code, message))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let code = match &error {
            DbError::NotFound { .. } | DbError::Reference { .. } => ErrorCode::NotFound,
            DbError::Conflict { .. }
            | DbError::Stale { .. }
            | DbError::SecondCloudPoint { .. }
            | DbError::InUse { .. }
            | DbError::TooMany { .. }
            | DbError::WrongState { .. }
            | DbError::NoMark { .. }
            | DbError::MarkMoved { .. }
            | DbError::HoldsEverything { .. }
            | DbError::Incomplete { .. }
            | DbError::Unproven { .. }
            | DbError::Tree(_) => ErrorCode::Conflict,
            DbError::Invalid { .. } | DbError::Settings(_) | DbError::Record(_) => {
                ErrorCode::BadRequest
            }
            DbError::EditorOnly { .. } | DbError::EditOver { .. } => ErrorCode::Forbidden,
            DbError::Behind { .. } | DbError::NotInPrincipal => ErrorCode::Unavailable,
            DbError::Invitation(refusal) => invitation_code(*refusal),
            _ => return Self(ApiError::internal("a query of the database", error)),
        };
        Self::new(code, error.to_string())
    }
}

const fn invitation_code(refusal: InvitationRefusal) -> ErrorCode {
    match refusal {
        InvitationRefusal::Expired => ErrorCode::InvitationExpired,
        InvitationRefusal::UsedUp => ErrorCode::InvitationUsedUp,
        InvitationRefusal::Unknown | InvitationRefusal::WrongKind | InvitationRefusal::Revoked => {
            ErrorCode::InvitationUnknown
        }
    }
}

impl From<WishError> for Failure {
    fn from(error: WishError) -> Self {
        let code = match &error {
            WishError::NotFound { .. } => ErrorCode::NotFound,
            WishError::Conflict(_) => ErrorCode::Conflict,
            WishError::Invalid(_) => ErrorCode::BadRequest,
            WishError::Behind(_) => ErrorCode::Unavailable,
            WishError::Store(_) => {
                return Self(ApiError::internal("looking up what is wished", error));
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Authority(error) => error.into(),
            ServerError::Database(error) => error.into(),
            error => Self(ApiError::internal("changing the certificate authorities", error)),
        }
    }
}

impl From<Unsealable> for Failure {
    fn from(error: Unsealable) -> Self {
        Self(ApiError::internal("opening a secret", error))
    }
}

impl From<CaError> for Failure {
    fn from(error: CaError) -> Self {
        match error {
            CaError::Request(refusal) => Self::new(ErrorCode::BadRequest, refusal.to_string()),
            refusal @ (CaError::Changing | CaError::NotChanging | CaError::Unfinished) => {
                Self::new(ErrorCode::Conflict, refusal.to_string())
            }
            refusal @ (CaError::NotRequested | CaError::Intermediate { .. }) => {
                Self::new(ErrorCode::BadRequest, refusal.to_string())
            }
            error => Self(ApiError::internal("issuing a certificate", error)),
        }
    }
}

impl From<FileNameError> for Failure {
    fn from(error: FileNameError) -> Self {
        Self::new(ErrorCode::NameRefused, error.to_string())
    }
}

impl From<ScriptNameError> for Failure {
    fn from(error: ScriptNameError) -> Self {
        Self::new(ErrorCode::NameRefused, error.to_string())
    }
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Self {
        let code = match error {
            ScriptError::TooLarge(_) => ErrorCode::TooLarge,
            _ => ErrorCode::Refused,
        };
        Self::new(code, error.to_string())
    }
}

impl From<LabelError> for Failure {
    fn from(error: LabelError) -> Self {
        Self::new(ErrorCode::BadRequest, error.to_string())
    }
}

impl From<OsRequirementError> for Failure {
    fn from(error: OsRequirementError) -> Self {
        Self::new(ErrorCode::BadRequest, error.to_string())
    }
}

impl From<EnvelopeError> for Failure {
    fn from(error: EnvelopeError) -> Self {
        Self(ApiError::internal("handling a signed document", error))
    }
}

impl From<ClientError> for Failure {
    /// An ingest server that answers is quoted; one that does not is out of reach.
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Answer { body, retry_after: None, .. } => {
                Self::new(body.code, body.message)
            }
            ClientError::Answer { body, retry_after: Some(wait), .. }
                if body.code == ErrorCode::Waiting =>
            {
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(RETRY_AFTER_SECONDS);
                Self(ApiError::waiting(body.message, seconds))
            }
            error => Self(ApiError::unavailable(
                format!(
                    "the ingest server cannot take the upload at present: {}",
                    xylem_telemetry::chain(&error)
                ),
                RETRY_AFTER_SECONDS,
            )),
        }
    }
}
