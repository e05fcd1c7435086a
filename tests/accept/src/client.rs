//! Somebody who downloads, on a connection of its own each time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use rustls::ClientConfig;
use xylem_bench::fleet::Fleet;
use xylem_client::{BaseUrl, Transport, empty_body};
use xylem_model::ContentId;
use xylem_pki::{IdentityStore, client_config};
use xylem_runtime::{Environment, RealFs};

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    environment: Environment,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) server: BaseUrl,
}

impl Client {
    /// Shows the certificate of one server of the fleet to another.
    pub(crate) fn new(fleet: &Fleet, shown: &str, asked: &str) -> anyhow::Result<Self> {
        let environment = Environment::real();
        let store = IdentityStore::new(fleet.data_of(shown).join("identity"));
        let (identity, anchors) = store.load(&RealFs)?;
        let tls = client_config(&anchors, Some(&identity), Arc::clone(&environment.clock))?;
        Ok(Self { environment, tls, server: fleet.url_of(asked)?.parse()? })
    }

    /// Downloads a content and gives the id of what came, resting after each mebibyte.
    pub(crate) async fn take(
        &self,
        content: &ContentId,
        rest: Duration,
    ) -> anyhow::Result<ContentId> {
        let transport = Transport::new(self.environment.clone(), Arc::clone(&self.tls));
        let request = Request::get(format!("/v1/blob/{content}")).body(empty_body())?;
        let answer = transport.send(&self.server, request).await?;
        let (mut body, mut hash, mut since_rest) = (answer.into_body(), blake3::Hasher::new(), 0);
        while let Some(piece) = body.next().await? {
            hash.update(&piece);
            since_rest += piece.len();
            if since_rest >= 1 << 20 && !rest.is_zero() {
                since_rest = 0;
                tokio::time::sleep(rest).await;
            }
        }
        Ok(ContentId::from_bytes(*hash.finalize().as_bytes()))
    }

    /// The host and the port, for those who speak more plainly.
    pub(crate) fn address(&self) -> anyhow::Result<std::net::SocketAddr> {
        let address = format!("{}:{}", self.server.host(), self.server.port());
        address.parse().with_context(|| format!("{address} is no address"))
    }
}
