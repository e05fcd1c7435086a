//! A network in which Amazon's host name stands for a port of this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use xylem_runtime::{Listener, Net, Stream};

use super::CLOUDFRONT_HOST;

/// The port that HTTPS is spoken at.
const HTTPS: u16 = 443;

/// That network.
#[derive(Debug)]
pub(super) struct NamedNet {
    pub(super) net: Arc<dyn Net>,
    pub(super) port: u16,
}

impl NamedNet {
    fn is_ours(host: &str, port: u16) -> bool {
        host == CLOUDFRONT_HOST && port == HTTPS
    }
}

#[async_trait]
impl Net for NamedNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        self.net.listen(address).await
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        match Self::is_ours(host, port) {
            true => self.net.connect(&Ipv4Addr::LOCALHOST.to_string(), self.port).await,
            false => self.net.connect(host, port).await,
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match Self::is_ours(host, port) {
            true => Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))]),
            false => self.net.resolve(host, port).await,
        }
    }
}
