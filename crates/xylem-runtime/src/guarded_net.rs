//! A network that leaves one's own network alone.
//!
//! Where a program connects because somebody typed an address into a setting, that address must
//! not lead to what only this machine or its neighbours can reach: a service on the loopback
//! interface, a cloud's metadata service, somebody's printer.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Listener, Net, Stream};

/// Addresses of one host that are tried.
const MAX_TRIED: usize = 8;

/// Connects to public addresses alone, but for hosts that were named by whoever set this machine
/// up.
///
/// It looks a name up by itself and connects to the address it looked at: a name that stands for
/// something else a moment later changes nothing.
#[derive(Debug, Clone)]
pub struct GuardedNet {
    net: Arc<dyn Net>,
    named: Arc<BTreeSet<String>>,
}

impl GuardedNet {
    /// A guard in front of a network. `named` are hosts, as URLs have them, that may have any
    /// address.
    pub fn new(net: Arc<dyn Net>, named: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let named = named.into_iter().map(|host| plain(host.as_ref())).collect();
        Self { net, named: Arc::new(named) }
    }
}

/// A host as it is compared: in lower case, without brackets and without the dot of the root.
fn plain(host: &str) -> String {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bracketed.unwrap_or(host).trim_end_matches('.').to_ascii_lowercase()
}

#[async_trait]
impl Net for GuardedNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        self.net.listen(address).await
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        if self.named.contains(&plain(host)) {
            return self.net.connect(host, port).await;
        }
        let addresses = self.net.resolve(host, port).await?;
        // One is enough: which of several is connected to is not for a stranger's DNS to choose.
        if let Some(own) = addresses.iter().find(|address| !is_public(address.ip())) {
            return Err(refused(host, own.ip()));
        }
        let mut failure =
            io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
        for address in addresses.iter().take(MAX_TRIED) {
            match self.net.connect(&address.ip().to_string(), address.port()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.net.resolve(host, port).await
    }
}

fn refused(host: &str, address: IpAddr) -> io::Error {
    let why = format!(
        "`{host}` has the address {address}, which is not a public one; if this is meant, name \
         the host in the configuration file of this program"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// Whether an address is one of the public internet: what a stranger there sees of a client may be
/// such a one alone. The ranges are those that IANA lists as not
/// globally reachable (RFC 6890), and addresses of IPv6 that stand for one of IPv4.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, high, low] = address.segments();
    match [a, b, c, d, e, f] {
        // Unspecified, loopback, mapped and compatible addresses: what they stand for.
        [0, 0, 0, 0, 0, 0xffff] => is_public_v4(v4_of(high, low)),
        [0, 0, 0, 0, _, _] => false,
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0] => is_public_v4(v4_of(high, low)),
        [0x2002, high, low, ..] => is_public_v4(v4_of(high, low)),
        // Teredo, benchmarks and documentation.
        [0x2001, 0 | 2 | 0xdb8, ..] => false,
        // Everything in use is of 2000::/3, so no local and no multicast address passes.
        _ => (0x2000..=0x3fff).contains(&a),
    }
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Looks every name up as these addresses, and notes what is connected to.
    #[derive(Debug, Default)]
    struct Noting {
        addresses: Vec<IpAddr>,
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Net for Noting {
        async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn connect(&self, host: &str, _: u16) -> io::Result<Box<dyn Stream>> {
            self.asked.lock().unwrap().push(host.to_owned());
            Err(io::ErrorKind::ConnectionRefused.into())
        }

        async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            Ok(self.addresses.iter().map(|it| SocketAddr::new(*it, port)).collect())
        }
    }

    async fn connect(host: &str, addresses: &[&str]) -> (io::ErrorKind, Vec<String>) {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let net = Arc::new(Noting { addresses, ..Noting::default() });
        let guard = GuardedNet::new(Arc::clone(&net) as Arc<dyn Net>, ["Storage.lan", "[::1]"]);
        let Err(error) = guard.connect(host, 443).await else { panic!("nobody is there") };
        let asked = net.asked.lock().unwrap().clone();
        (error.kind(), asked)
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_and_its_addresses_are_tried() {
        let (kind, asked) = connect("s3.example.org", &["52.1.2.3", "2a05:d018::1"]).await;
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
        assert_eq!(asked, ["52.1.2.3", "2a05:d018::1"]);
        assert_eq!(connect("s3.example.org", &[]).await.0, io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn own_addresses_are_refused_unless_the_host_is_named() {
        for own in ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"] {
            let (kind, asked) = connect("s3.example.org", &["52.1.2.3", own]).await;
            assert_eq!((kind, asked.len()), (io::ErrorKind::PermissionDenied, 0), "{own}");
        }
        for named in ["storage.LAN", "storage.lan.", "::1"] {
            let (kind, asked) = connect(named, &["10.0.0.1"]).await;
            assert_eq!(kind, io::ErrorKind::ConnectionRefused);
            assert_eq!(asked, [named], "by its name, as without a guard");
        }
    }

    #[test]
    fn public_addresses_are_told_from_others() {
        for public in
            ["1.1.1.1", "172.15.0.1", "192.0.3.1", "100.63.0.1", "2a00::1", "64:ff9b::101:101"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for own in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "172.31.255.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(own.parse().unwrap()), "{own}");
        }
    }
}
