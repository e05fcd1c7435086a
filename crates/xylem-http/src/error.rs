//! Errors of handlers, and how they are answered.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use xylem_api::error::{ErrorBody, ErrorCode};

use crate::current_request_id;

/// Largest JSON request body, in bytes: a report on ten thousand copies fits.
pub const MAX_JSON_BODY_BYTES: usize = 8 << 20;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    retry_after_seconds: Option<u32>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error whose message is for the caller.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_seconds: None, source: None }
    }

    /// Our own fault: the caller hears that it happened, the log hears what.
    pub fn internal(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            code: ErrorCode::Internal,
            message: format!("{doing} failed; the server's log has more under this request's id"),
            retry_after_seconds: None,
            source: Some(source.into()),
        }
    }

    /// There is no such thing, or none that the caller may see.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, what)
    }

    /// Something needed is out of reach; the caller is told when to try again.
    pub fn unavailable(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(ErrorCode::Unavailable, message)
        }
    }

    /// It goes on and takes its time; the caller is told when to ask again.
    pub fn waiting(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(ErrorCode::Waiting, message)
        }
    }

    /// Too much was asked; the caller is told when to try again.
    pub fn too_many(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(ErrorCode::TooManyRequests, message)
        }
    }

    /// The stable word.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = current_request_id();
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(source) = &self.source {
            let mut chain = source.to_string();
            let mut next = source.source();
            while let Some(cause) = next {
                chain.push_str(": ");
                chain.push_str(&cause.to_string());
                next = cause.source();
            }
            tracing::error!(request.id = %request_id, cause = %chain, "{}", self.message);
        } else {
            tracing::debug!(request.id = %request_id, status = status.as_u16(), "{}", self.message);
        }
        let body = ErrorBody { code: self.code, message: self.message, request_id };
        let mut response = (status, Json(body)).into_response();
        let mut set = |name: HeaderName, value: HeaderValue| {
            response.headers_mut().insert(name, value);
        };
        if let Some(seconds) = self.retry_after_seconds {
            set(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON request body of at most `LIMIT` bytes, which are [`MAX_JSON_BODY_BYTES`] unless told.
#[derive(Debug)]
pub struct ApiJson<T, const LIMIT: usize = MAX_JSON_BODY_BYTES>(pub T);

impl<T, S, const LIMIT: usize> FromRequest<S> for ApiJson<T, LIMIT>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, ApiError> {
        DefaultBodyLimit::max(LIMIT).apply(&mut request);
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::new(
                ErrorCode::BadRequest,
                "the request body must be JSON: send the header Content-Type: application/json",
            )),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::new(
                    ErrorCode::TooLarge,
                    format!("the request body is larger than {LIMIT} bytes"),
                ))
            }
            Err(rejection) => Err(ApiError::new(
                ErrorCode::BadRequest,
                format!(
                    "the request body is not what this route expects: {}",
                    rejection.body_text()
                ),
            )),
        }
    }
}
