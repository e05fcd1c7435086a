//! What is let in.

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;

use crate::conditions;
use crate::place::{Place, PlaceError};
use crate::xml;

/// Longest body of any method but PUT, in bytes.
const MAX_BODY_BYTES: usize = 64 << 10;

/// The methods that are answered (RFC 9110 section 9.3, RFC 4918 section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are called what they are called")]
pub enum Method {
    Copy,
    Delete,
    Get,
    Head,
    Lock,
    MkCol,
    Move,
    Options,
    PropFind,
    PropPatch,
    Put,
    Unlock,
}

impl Method {
    fn of(method: &http::Method) -> Option<Self> {
        Some(match method.as_str() {
            "COPY" => Self::Copy,
            "DELETE" => Self::Delete,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "LOCK" => Self::Lock,
            "MKCOL" => Self::MkCol,
            "MOVE" => Self::Move,
            "OPTIONS" => Self::Options,
            "PROPFIND" => Self::PropFind,
            "PROPPATCH" => Self::PropPatch,
            "PUT" => Self::Put,
            "UNLOCK" => Self::Unlock,
            _ => return None,
        })
    }

    /// Whether it may change something, and so needs the right to write.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::Options | Self::PropFind)
    }

    /// Whether its body is XML. Those that take none refuse any themselves.
    const fn reads_xml(self) -> bool {
        matches!(self, Self::Lock | Self::PropFind | Self::PropPatch)
    }

    /// Whether it names a second place.
    const fn has_destination(self) -> bool {
        matches!(self, Self::Copy | Self::Move)
    }
}

/// A request that may be handed to the methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub method: Method,
    /// What comes before the share's root in the path.
    pub prefix: &'static str,
    /// Of what.
    pub place: Place,
    /// Where to, for COPY and MOVE.
    pub destination: Option<Place>,
}

impl Question {
    /// Reads a request below `prefix`. `authorities` are the names under which this server is
    /// known, beside the one by which it was asked.
    ///
    /// # Errors
    /// Where it is not to be answered: see the sentence.
    pub fn of(parts: &Parts, prefix: &'static str, authorities: &[&str]) -> Result<Self, ApiError> {
        let method = Method::of(&parts.method).ok_or_else(|| {
            let message = format!(
                "{} is not answered here: a file is sent whole, by PUT, or in parts by xylem's own \
                 upload",
                parts.method
            );
            ApiError::new(ErrorCode::MethodNotAllowed, message)
        })?;
        let place = below(prefix, parts.uri.path()).map_err(|error| refused_path(&error))?;
        let headers = &parts.headers;
        conditions::check(headers)?;
        if method == Method::Put && headers.contains_key(header::CONTENT_RANGE) {
            let message = "a PUT of a part of a file is not taken, since a published file is never \
                           changed in place: send it whole";
            return Err(ApiError::new(ErrorCode::BadRequest, message));
        }
        if method == Method::PropFind && !has_finite_depth(headers) {
            let message = "a PROPFIND of everything below a folder is not answered: send the \
                           header Depth: 0 or Depth: 1";
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        let destination = match method.has_destination() {
            true => Some(destination(parts, prefix, authorities)?),
            false => None,
        };
        Ok(Self { method, prefix, place, destination })
    }
}

fn below(prefix: &str, path: &str) -> Result<Place, PlaceError> {
    let rest = path.strip_prefix(prefix).ok_or(PlaceError::Relative)?;
    // The share's root may be named without its slash.
    if rest.is_empty() && !prefix.is_empty() { Ok(Place::default()) } else { Place::of_url(rest) }
}

fn refused_path(error: &PlaceError) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, error.to_string())
}

/// RFC 4918 section 9.1: without the header, everything is meant.
fn has_finite_depth(headers: &HeaderMap) -> bool {
    matches!(headers.get("depth").map(|value| value.as_bytes()), Some(b"0" | b"1"))
}

/// RFC 4918 section 10.3.
fn destination(parts: &Parts, prefix: &str, authorities: &[&str]) -> Result<Place, ApiError> {
    let bad = |message: &str| ApiError::new(ErrorCode::BadRequest, message);
    let mut values = parts.headers.get_all("destination").iter();
    let text = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let text = text.ok_or_else(|| bad("COPY and MOVE need one Destination header, in ASCII"))?;
    // In the text as it came: the parser of URLs passes a fragment over.
    if text.contains(['?', '#']) {
        return Err(bad("the Destination header has a query or a fragment"));
    }
    let path = match text.starts_with('/') {
        true => text.to_owned(),
        false => {
            let uri: http::Uri =
                text.parse().map_err(|_| bad("the Destination header is no URL"))?;
            let asked = asked_authority(parts);
            if !matches!(uri.scheme_str(), Some("http" | "https")) {
                return Err(bad("the Destination header is no URL of http or https"));
            }
            let given = uri.authority().map(http::uri::Authority::as_str);
            let is_ours = given.is_some_and(|given| {
                let ours = authorities.iter().copied().chain(asked);
                ours.into_iter().any(|ours| ours.eq_ignore_ascii_case(given))
            });
            if !is_ours {
                let message = "the Destination header names another server: files are moved and \
                               copied within one";
                return Err(ApiError::new(ErrorCode::Forbidden, message));
            }
            uri.path().to_owned()
        }
    };
    below(prefix, &path).map_err(|error| bad(&format!("the Destination header: {error}")))
}

/// The server's name as the request has it (RFC 9110 section 7.2).
fn asked_authority(parts: &Parts) -> Option<&str> {
    let host = || parts.headers.get(header::HOST)?.to_str().ok();
    parts.uri.authority().map(http::uri::Authority::as_str).or_else(host)
}

/// Reads the body of any method but PUT.
///
/// # Errors
/// Where it is too long, breaks off, or is XML that is not read.
pub async fn read_body(method: Method, body: Body) -> Result<Bytes, ApiError> {
    let read =
        Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| match error
            .downcast_ref::<LengthLimitError>(
        ) {
            Some(_) => ApiError::new(
                ErrorCode::TooLarge,
                format!("the body is longer than {MAX_BODY_BYTES} bytes"),
            ),
            None => ApiError::new(ErrorCode::BadRequest, "the body broke off"),
        })?;
    let bytes = read.to_bytes();
    if method.reads_xml() && !bytes.is_empty() {
        xml::check(&bytes)
            .map_err(|error| ApiError::new(ErrorCode::BadRequest, error.to_string()))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Question, String> {
        let mut request = Request::builder().method(method).uri(path).header("host", "ds.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let prefix = if path.starts_with("/CasperShare/") { "/CasperShare" } else { "" };
        Question::of(&parts, prefix, &["dist.example:8443"])
            .map_err(|error| format!("{}", error.code().status()))
    }

    #[test]
    fn a_move_within_this_server_is_let_in() {
        for to in ["/Drop/b", "https://ds.example/Drop/b", "https://DIST.example:8443/Drop/b"] {
            let question = asked("MOVE", "/Drop/a", &[("destination", to)]).unwrap();
            assert_eq!(question.destination.unwrap().to_string(), "/Drop/b", "{to}");
        }
        let old = asked(
            "COPY",
            "/CasperShare/Packages/a.pkg",
            &[("destination", "https://ds.example/CasperShare/Packages/b.pkg")],
        )
        .unwrap();
        assert_eq!(old.place.to_string(), "/Packages/a.pkg");
        assert_eq!(old.destination.unwrap().to_string(), "/Packages/b.pkg");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (to, status) in [
            ("https://elsewhere.example/Drop/b", "403"),
            ("https://ds.example:444/Drop/b", "403"),
            ("http://ds.example@elsewhere.example/Drop/b", "403"),
            ("Drop/b", "400"),
            ("/Drop/../b", "400"),
            ("/Drop/%2e%2e/b", "400"),
            ("/Drop/b?x", "400"),
            ("https://ds.example#/Drop/b", "400"),
            ("", "400"),
        ] {
            let refused = asked("MOVE", "/Drop/a", &[("destination", to)]).unwrap_err();
            assert_eq!(refused, status, "{to}");
        }
        assert_eq!(asked("MOVE", "/Drop/a", &[]).unwrap_err(), "400");
        let twice = [("destination", "/Drop/b"), ("destination", "/Drop/c")];
        assert_eq!(asked("MOVE", "/Drop/a", &twice).unwrap_err(), "400");
    }

    #[test]
    fn parts_and_endless_questions_are_refused() {
        assert_eq!(asked("PATCH", "/Drop/a", &[]).unwrap_err(), "405");
        assert_eq!(asked("REPORT", "/Drop/a", &[]).unwrap_err(), "405");
        let part = [("content-range", "bytes 0-1/2")];
        assert_eq!(asked("PUT", "/Drop/a", &part).unwrap_err(), "400");
        assert_eq!(asked("PROPFIND", "/Drop", &[]).unwrap_err(), "403");
        assert_eq!(asked("PROPFIND", "/Drop", &[("depth", "infinity")]).unwrap_err(), "403");
        assert!(asked("PROPFIND", "/Drop", &[("depth", "1")]).is_ok());
    }

    #[tokio::test]
    async fn bodies_are_short_and_harmless() {
        let long = Body::from(vec![b' '; MAX_BODY_BYTES + 1]);
        let read = async |method, body| read_body(method, body).await.map_err(|e| e.code());
        assert_eq!(read(Method::MkCol, long).await, Err(ErrorCode::TooLarge));
        let bomb = Body::from("<!DOCTYPE a><a/>");
        assert_eq!(read(Method::Lock, bomb).await, Err(ErrorCode::BadRequest));
        assert!(read(Method::PropFind, Body::empty()).await.unwrap().is_empty());
        assert_eq!(read(Method::MkCol, Body::from("zzz")).await.unwrap(), "zzz");
    }
}
