//! Where requests go: a host that speaks HTTPS.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest address that is taken, in bytes.
const MAX_ENDPOINT_BYTES: usize = 512;
/// Longest name of a host in the DNS (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
/// Longest scheme that a message repeats, bytes.
const MAX_SCHEME_BYTES: usize = 8;
/// The port of HTTPS (RFC 9110, section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// A host, a port, and the path that everything there lies below.
///
/// Written as `https://HOST[:PORT][/PATH]`. There is no other scheme: what goes to a cloud is
/// encrypted, also in tests.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    host: String,
    port: u16,
    base: String,
}

/// Why an address is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address `{given}` cannot be used: {why}; give one like https://storage.example.org")]
pub struct EndpointError {
    given: String,
    why: &'static str,
}

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is not HTTPS, names a user, a query or a fragment, or its host or port is none.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let refuse = |why| EndpointError { given: printable(text), why };
        if text.len() > MAX_ENDPOINT_BYTES {
            return Err(refuse("it is longer than 512 bytes"));
        }
        let rest = text.strip_prefix("https://").ok_or_else(|| refuse("it is not https"))?;
        if rest.contains(['?', '#', '@', '\\', '%']) {
            return Err(refuse("it names more than a host, a port and a plain path"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let base = path.trim_end_matches('/');
        if !base.bytes().all(is_plain) || has_odd_segment(base) {
            return Err(refuse("its path has a character or a step that is not plain"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| refuse("its port is no number"))?;
        if !is_host(host) {
            return Err(refuse("its host is no host"));
        }
        Ok(Self { host: host.to_ascii_lowercase(), port, base: base.to_owned() })
    }

    /// The same place below another host: `BUCKET.s3.region…`.
    pub(crate) fn below(&self, label: &str) -> Self {
        Self { host: format!("{label}.{}", self.host), ..self.clone() }
    }

    /// The host: a name, or an address, of IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path below which everything lies, without `/` at its end; empty where there is none.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What the `Host` header says (RFC 9110, section 7.2): without the port where it is 443.
    pub fn authority(&self) -> String {
        match self.port {
            HTTPS_PORT => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// `https://` and the authority.
    pub fn origin(&self) -> String {
        format!("https://{}", self.authority())
    }
}

/// What of an address that is not taken may be repeated: scheme and host. It may have a password
/// in it or be signed, or be a key that was put into the wrong field.
fn printable(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| {
        scheme.len() <= MAX_SCHEME_BYTES && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }) else {
        return "…".to_owned();
    };
    let is_host = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '[' | ']' | '_');
    let host: String = rest.chars().take_while(is_host).take(MAX_HOST_BYTES).collect();
    // What stands before an `@` is a user and a password, also where they have other characters.
    match rest.contains('@') {
        true => format!("{scheme}://…"),
        false => format!("{scheme}://{host}…"),
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    match authority.rsplit_once(':') {
        // A colon within the brackets of an IPv6 address parts no port.
        Some((host, port)) if !port.ends_with(']') => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|port| digits && *port > 0)?;
            Some((host, port))
        }
        _ => Some((authority, HTTPS_PORT)),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inside.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.len() <= MAX_HOST_BYTES && host.split('.').all(label)
}

/// Whether a byte of a path needs no encoding in any of the protocols.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/')
}

fn has_odd_segment(path: &str) -> bool {
    path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | ".."))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.base)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::parse(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_put_together() {
        let cases = [
            ("https://A.example.org", "a.example.org", 443, "", "https://a.example.org"),
            ("https://h:8443/v1/x/", "h", 8443, "/v1/x", "https://h:8443/v1/x"),
            ("https://[::1]:9", "[::1]", 9, "", "https://[::1]:9"),
            ("https://[::1]", "[::1]", 443, "", "https://[::1]"),
            ("https://h:443", "h", 443, "", "https://h"),
            ("https://h/v1/AUTH_a", "h", 443, "/v1/AUTH_a", "https://h/v1/AUTH_a"),
        ];
        for (text, host, port, base, written) in cases {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host(), endpoint.port(), endpoint.base()), (host, port, base));
            assert_eq!(endpoint.to_string(), written);
        }
    }

    #[test]
    fn a_refusal_repeats_no_secret() {
        let cases = [
            ("https://planted:planted@s3.example.org", "`https://…`"),
            ("https://pla:nted/planted?planted#@s3.example.org/planted", "`https://…`"),
            (
                "https://s3.example.org/b/planted?X-Amz-Signature=planted",
                "`https://s3.example.org…`",
            ),
            ("https://s3.example.org#planted", "`https://s3.example.org…`"),
            ("http://s3.example.org:80/planted", "`http://s3.example.org…`"),
            ("https://s3.example.org/%planted", "`https://s3.example.org…`"),
            ("planted", "`…`"),
            ("planted/planted://planted", "`…`"),
        ];
        for (text, given) in cases {
            let told = Endpoint::parse(text).unwrap_err().to_string();
            assert!(told.contains(given) && !told.contains("planted"), "{told}");
        }
        let told = serde_json::from_str::<Endpoint>(r#""https://h?planted""#).unwrap_err();
        assert!(!told.to_string().contains("planted"), "{told}");
    }

    #[test]
    fn other_addresses_are_refused() {
        let long = format!("https://h/{}", "a".repeat(MAX_ENDPOINT_BYTES));
        let cases = [
            "http://h",
            "h",
            "",
            "https://",
            "https://u:p@h",
            "https://h?q",
            "https://h#f",
            "https://h:0",
            "https://h:",
            "https://h:+1",
            "https://h:99999",
            "https://h/../a",
            "https://h//a",
            "https://h/a b",
            "https://h/%2e",
            "https://h..a",
            "https://[::g]",
            "https://a b",
            &long,
        ];
        for text in cases {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
