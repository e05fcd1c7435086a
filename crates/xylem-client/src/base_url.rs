//! Where a server is.

use std::fmt;
use std::str::FromStr;

/// The port of HTTPS (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// `https://HOST[:PORT]`, without a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    host: String,
    port: u16,
}

/// A text that is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no address of a Xylem server: {advice}")]
pub struct BaseUrlError {
    given: String,
    advice: &'static str,
}

impl BaseUrl {
    /// From a host name or address (without brackets) and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `HOST:PORT` as the `Host` header wants it.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let error = |advice| BaseUrlError { given: text.chars().take(200).collect(), advice };
        let uri: http::Uri =
            text.parse().map_err(|_| error("write it as https://HOST or https://HOST:PORT"))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") => return Err(error("http:// is not protected; use https://")),
            _ => return Err(error("write it as https://HOST or https://HOST:PORT")),
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(error("leave out the path: only host and port are wanted"));
        }
        let authority = uri.authority().ok_or_else(|| error("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(error("leave out user and password: they are never part of an address"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(error("the host is missing"));
        }
        // A port that is no number up to 65535 is no port to the parser, which goes on without.
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => HTTPS_PORT,
            None => return Err(error("the port must be a number up to 65535")),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Where a content is: a server, and the path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentUrl {
    /// The distribution server.
    pub server: BaseUrl,
    /// Path and query, as they are sent to it; at least `/`.
    pub path: String,
}

impl FromStr for ContentUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        const SCHEME: &str = "https://";
        let path_at = text
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.find('/'))
            .map_or(text.len(), |at| at + SCHEME.len());
        let (server, path) = text.split_at_checked(path_at).unwrap_or((text, ""));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { server: server.parse()?, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_their_text() {
        for (text, shown) in [
            ("https://xylem.example", "https://xylem.example:443"),
            ("https://xylem.example/", "https://xylem.example:443"),
            ("https://10.0.0.1:8443", "https://10.0.0.1:8443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_not_an_address_of_ours_is_refused_with_advice() {
        for text in [
            "",
            "xylem",
            "http://a",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u:p@a",
            "https://a:",
            "https://a:65536",
            "https://[::1]:99999",
        ] {
            let error = text.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(error.contains(": "), "{error}");
        }
    }

    #[test]
    fn urls_of_contents_are_split_into_server_and_path() {
        let url: ContentUrl = "https://[::1]:8443/v1/blob/ab?x=1".parse().unwrap();
        assert_eq!(url.server.to_string(), "https://[::1]:8443");
        assert_eq!(url.path, "/v1/blob/ab?x=1");
        assert_eq!("https://a.example".parse::<ContentUrl>().unwrap().path, "/");
        for bad in ["", "http://a/b", "https:///b", "https://u@a/b", "/v1/blob", "é://"] {
            assert!(bad.parse::<ContentUrl>().is_err(), "{bad}");
        }
    }
}
