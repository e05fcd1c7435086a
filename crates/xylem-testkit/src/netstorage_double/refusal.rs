//! What is refused, and paths that are none.

use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use xylem_client::{RequestBody, full_body};

/// A refusal: its status, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: String,
}

pub(super) fn refused(status: u16, why: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::from_u16(status).unwrap(), why: why.into() }
}

impl Refusal {
    /// As it is answered: unstructured text, as the documents say of NetStorage.
    pub(super) fn response(self) -> Response<RequestBody> {
        plain(self.status.as_u16(), self.why)
    }
}

/// An answer with a text.
pub(super) fn plain(status: u16, text: impl Into<String>) -> Response<RequestBody> {
    let mut response = Response::new(full_body(text.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A path as it lies there, from the one on a request line: decoded, without `/` at its end.
///
/// # Errors
/// When a step of it is empty, `.` or `..`, or has a `/`, a control character or what is no UTF-8
/// encoded in it.
pub(super) fn decoded(path: &str) -> Result<String, Refusal> {
    let steps = path.strip_prefix('/').ok_or_else(|| refused(400, "the path begins with no /"))?;
    let mut whole = String::new();
    for step in steps.strip_suffix('/').unwrap_or(steps).split('/') {
        let step = percent_decode_str(step).decode_utf8();
        let step = step.map_err(|_| refused(400, "the path is no UTF-8"))?;
        let is_odd = step.contains('/') || step.chars().any(char::is_control);
        if is_odd || matches!(&*step, "" | "." | "..") {
            return Err(refused(400, "a step of the path is none"));
        }
        whole.push('/');
        whole.push_str(&step);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        assert_eq!(decoded("/1/a%20b+%C3%A9/").unwrap(), "/1/a b+é");
        for odd in ["", "/", "//1", "/1//a", "/1/..", "/1/%2e%2e/a", "/1/./a", "/1/a%2Fb", "/%ff"] {
            assert_eq!(decoded(odd).unwrap_err().status, 400, "{odd}");
        }
    }
}
