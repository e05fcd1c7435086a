//! Why keys are not to be had, and what is said of it.

use xylem_db::DbError;
use xylem_http::ApiError;

use crate::failure::Failure;
use crate::sealed::Unsealable;
use crate::wish::WishError;

/// Why the keys of a point are not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// They could not be read.
    #[error(transparent)]
    Database(#[from] DbError),
    /// They cannot be opened.
    #[error(transparent)]
    Sealed(#[from] Unsealable),
    /// Another program wrote them. What the reader says of a text could repeat it.
    #[error(
        "the keys of the cloud distribution point have a form that this program does not know: set \
         them again"
    )]
    Form,
}

impl From<KeysError> for WishError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Database(error) => error.into(),
            error => Self::Store(Box::new(error)),
        }
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Database(error) => error.into(),
            KeysError::Sealed(error) => error.into(),
            KeysError::Form => {
                let doing = "reading the keys of the cloud distribution point";
                Self(ApiError::internal(doing, error))
            }
        }
    }
}
