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
}
