//! What is to be sent.

use std::borrow::Cow;
use std::fmt;

use http::Method;

use crate::endpoint::Endpoint;

/// A request that is complete but for its body's bytes: whoever has them sends it as it is.
///
/// Every byte of method, host, path, query and headers may be covered by a signature, so a sender
/// changes none of them; it adds `content-length` and what belongs to its connection.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudRequest {
    /// The method.
    pub method: Method,
    /// Where to; always HTTPS.
    pub endpoint: Endpoint,
    /// The path as it goes onto the request line: percent-encoded, begins with `/`.
    pub path: String,
    /// The query as it goes onto the request line, without `?`; empty means that there is none.
    pub query: String,
    /// Headers, `host` and `content-length` not among them.
    pub headers: Vec<Header>,
    /// What follows the headers.
    pub body: Body,
}

/// One header. Names are ours, so they are literals, but where a request came over a line.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The name, in lower case.
    pub name: Cow<'static, str>,
    /// The value: visible ASCII and blanks.
    pub value: String,
}

/// What follows the headers of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing; `content-length: 0` where the method calls for a body.
    None,
    /// These bytes. They may be keys, so they are not printed.
    Bytes(Vec<u8>),
    /// Bytes of a file that the sender has: those of the piece that the request was made for.
    Piece {
        /// How many bytes: the `content-length`.
        size: u64,
    },
}

/// An address that lets whoever has it do something: never printed beyond its path.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl {
    endpoint: Endpoint,
    path: String,
    query: String,
    text: String,
}

impl CloudRequest {
    pub(crate) fn new(method: Method, endpoint: Endpoint, path: impl Into<String>) -> Self {
        Self {
            method,
            endpoint,
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: Body::None,
        }
    }

    pub(crate) fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: Cow::Borrowed(name), value: value.into() });
        self
    }

    pub(crate) fn with_body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The same with a range of bytes, `first` and `last` among them: what a client asks that goes
    /// on. No protocol signs it.
    #[must_use]
    pub fn with_range(self, first: u64, last: u64) -> Self {
        self.with_header("range", format!("bytes={first}-{last}"))
    }

    /// The same without headers and query, and so without any signature or token in them: for a
    /// test that wants a refusal.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.headers.clear();
        self.query.clear();
        self
    }

    /// The value of a header of this request; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }

    /// Path and query as they go onto the request line. A query may hold a signature: a secret.
    pub fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}

impl fmt::Debug for CloudRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|header| &header.name).collect();
        f.debug_struct("CloudRequest")
            .field("method", &self.method)
            .field("endpoint", &self.endpoint)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

impl Body {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Piece { size } => *size,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Piece { size } => write!(f, "Piece({size})"),
        }
    }
}

impl SecretUrl {
    pub(crate) fn new(endpoint: &Endpoint, path: &str, query: &str) -> Self {
        let origin = endpoint.origin();
        let text = match query {
            "" => format!("{origin}{path}"),
            query => format!("{origin}{path}?{query}"),
        };
        Self { endpoint: endpoint.clone(), path: path.to_owned(), query: query.to_owned(), text }
    }

    /// The whole address, to be handed to the one it was made for.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The request that a client makes with it, for a test.
    pub fn get(&self) -> CloudRequest {
        self.get_unsigned().with_query(self.query.as_str())
    }

    /// The same without what it is signed with, for a test that wants a refusal.
    pub fn get_unsigned(&self) -> CloudRequest {
        CloudRequest::new(Method::GET, self.endpoint.clone(), self.path.as_str())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({}{}?…)", self.endpoint.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_printed() {
        let endpoint = Endpoint::parse("https://s3.example.org:8443").unwrap();
        let request = CloudRequest::new(Method::PUT, endpoint.clone(), "/b/k")
            .with_query("X-Amz-Signature=secret1")
            .with_header("authorization", "secret2")
            .with_body(Body::Bytes(b"secret3".to_vec()));
        let url = SecretUrl::new(&endpoint, "/b/k", "sig=secret4");
        let printed = format!("{request:?} {url:?} {:?}", request.headers);
        assert!(!printed.contains("secret"), "{printed}");
        assert!(printed.contains("/b/k") && printed.contains("authorization"), "{printed}");
        assert_eq!(url.reveal(), "https://s3.example.org:8443/b/k?sig=secret4");
        assert_eq!(request.target(), "/b/k?X-Amz-Signature=secret1");
        assert_eq!(url.get().target(), "/b/k?sig=secret4");
        assert_eq!(url.get_unsigned().target(), "/b/k");
    }
}
