//! A port of this machine that speaks TLS to a server for whoever cannot be told which authority
//! to trust.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use xylem_client::BaseUrl;
use xylem_pki::{TrustAnchors, client_config, server_name};
use xylem_runtime::SystemClock;

/// The port. It is closed with the runtime.
pub(super) struct Relay {
    address: SocketAddr,
}

impl Relay {
    /// Opens a port that leads to a server.
    pub(super) async fn to(server: &str, anchors: &TrustAnchors) -> anyhow::Result<Self> {
        let server: BaseUrl = server.parse()?;
        let tls = client_config(anchors, None, Arc::new(SystemClock))?;
        // What passes is HTTP/1.1: nobody here reads it.
        let mut tls = tls.as_ref().clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (connector, server) = (connector.clone(), server.clone());
                tokio::spawn(async move {
                    if let Err(error) = pass(near, &connector, &server).await {
                        println!("a relayed connection ended: {error:#}");
                    }
                });
            }
        });
        Ok(Self { address })
    }

    /// `http://HOST:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pass(
    mut near: TcpStream,
    connector: &TlsConnector,
    server: &BaseUrl,
) -> anyhow::Result<()> {
    near.set_nodelay(true)?;
    let far = TcpStream::connect((server.host(), server.port())).await?;
    far.set_nodelay(true)?;
    let name = server_name(server.host()).context("the server's name")?;
    let mut far = connector.connect(name, far).await?;
    match copy_bidirectional(&mut near, &mut far).await {
        // Either side may close without a word.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error.into()),
    }
}
