//! Host names and addresses: those a certificate vouches for, and the one a client expects.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustls::pki_types::{DnsName, ServerName};

/// Names and addresses in one certificate.
pub const MAX_LEAF_NAMES: usize = 32;

/// The host names and addresses that a server's certificate is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafNames {
    dns: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither a DNS name nor an address.
    #[error(
        "`{0}` is not a host: a name such as files.example.org or an IP address is expected, \
         without https:// and port; names with other than ASCII letters in their xn-- form"
    )]
    Invalid(String),
    /// More names than [`MAX_LEAF_NAMES`].
    #[error("more than {MAX_LEAF_NAMES} host names for one certificate")]
    TooMany,
}

impl LeafNames {
    /// No names: for a party that never serves.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads hosts as URLs have them: `files.example.org`, `192.0.2.7`, `[2001:db8::7]`.
    ///
    /// # Errors
    /// At the first text that is no host, and when there are too many.
    pub fn from_hosts<H: AsRef<str>>(
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self, HostError> {
        let mut names = Self::none();
        for host in hosts {
            names.add(host.as_ref())?;
        }
        Ok(names)
    }

    /// Adds one host.
    ///
    /// # Errors
    /// When it is none, or one too many.
    pub fn add(&mut self, host: &str) -> Result<(), HostError> {
        if self.dns.len() + self.addresses.len() >= MAX_LEAF_NAMES {
            return Err(HostError::TooMany);
        }
        match server_name(host)? {
            ServerName::DnsName(name) => self.dns.insert(name.as_ref().to_owned()),
            ServerName::IpAddress(address) => self.addresses.insert(IpAddr::from(address)),
            _ => return Err(invalid(host)),
        };
        Ok(())
    }

    /// The DNS names, in lower case, sorted.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.dns.iter().map(String::as_str)
    }

    /// The addresses, sorted.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.dns.is_empty() && self.addresses.is_empty()
    }
}

/// The name a client expects in the server's certificate, from the host of a URL.
///
/// # Errors
/// When the text is neither a DNS name nor an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, HostError> {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bracketed.unwrap_or(host).parse::<IpAddr>() {
        // Brackets are for IPv6 alone (RFC 3986, section 3.2.2).
        if bracketed.is_some() && address.is_ipv4() {
            return Err(invalid(host));
        }
        return Ok(ServerName::IpAddress(address.into()));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // A name whose last label is a number would be taken for an IPv4 address by others (WHATWG
    // URL standard, "ends in a number").
    if name.rsplit('.').next().is_none_or(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(invalid(host));
    }
    DnsName::try_from(name).map(ServerName::DnsName).map_err(|_| invalid(host))
}

fn invalid(host: &str) -> HostError {
    HostError::Invalid(host.chars().take(100).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls_become_names_and_addresses() {
        let hosts = ["Files.Example.org.", "localhost", "192.0.2.7", "[2001:db8::7]", "localhost"];
        let names = LeafNames::from_hosts(hosts).unwrap();
        assert_eq!(names.dns_names().collect::<Vec<_>>(), ["files.example.org", "localhost"]);
        let addresses: Vec<String> = names.addresses().map(|a| a.to_string()).collect();
        assert_eq!(addresses, ["192.0.2.7", "2001:db8::7"]);
        assert!(!names.is_empty() && LeafNames::none().is_empty());
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "",
            ".",
            "https://a.org",
            "a.org:443",
            "[192.0.2.7]",
            "192.0.2.300",
            "*.example.org",
            "a b",
            "xylem://computer/1",
            "bücher.example",
            "-a.org",
            "a..b",
            "a/b",
            "1.2.3",
        ] {
            assert!(server_name(host).is_err(), "{host}");
        }
    }

    #[test]
    fn names_are_limited() {
        let hosts = (0..=MAX_LEAF_NAMES).map(|index| format!("h{index}.example.org"));
        assert_eq!(LeafNames::from_hosts(hosts), Err(HostError::TooMany));
    }
}
