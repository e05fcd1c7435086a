//! Somebody who mounts a distribution server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use xylem_client::{
    BaseUrl, ClientError, RequestBody, Transport, channel_body, empty_body, full_body,
};
use xylem_pki::{ALPN_HTTP_1_1, TrustAnchors, client_config};
use xylem_runtime::{Environment, RealFs};

use crate::Stage;

/// A WebDAV client with one account's name and password, or with none.
#[derive(Clone)]
pub struct WebDav {
    transport: Transport,
    tls: Arc<ClientConfig>,
    server: BaseUrl,
    authorization: Option<String>,
}

/// What a distribution server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers; none where it is an error.
    pub headers: HeaderMap,
    /// The body, or the reason of an error.
    pub body: Vec<u8>,
    /// When to come back, in seconds, where it is an error and says so.
    pub retry_after: Option<u64>,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl WebDav {
    /// Makes an account on a server and speaks for it.
    pub async fn account(stage: &Stage, server: &str, name: &str, access: &str) -> Self {
        let add = ["ds", "account", "add", server, name, access, "--json"];
        let made = stage.system.xylem(&add).await.unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let client =
            Self::nobody(stage, server).await.with(name, made["password"].as_str().unwrap());
        // The server hears of it within a moment.
        crate::eventually("the account is known", || async {
            client.ask("PROPFIND", "/", &[("depth", "0")], b"").await.status == 207
        })
        .await;
        client
    }

    /// Speaks for nobody.
    pub async fn nobody(stage: &Stage, server: &str) -> Self {
        let server = stage.system.access().admin.distribution_server(server).await.unwrap();
        Self::to(&server.public_url, &stage.system.ca_file())
    }

    /// Speaks for nobody to the server at an address, of the authority whose certificate is in a
    /// file.
    pub fn to(url: &str, ca: &Path) -> Self {
        let environment = Environment::real();
        let anchors = TrustAnchors::read(&RealFs, ca).unwrap();
        let tls = client_config(&anchors, None, Arc::clone(&environment.clock)).unwrap();
        let transport = Transport::new(environment, Arc::clone(&tls));
        Self { transport, tls, server: url.parse().unwrap(), authorization: None }
    }

    /// The same with a name and a password.
    #[must_use]
    pub fn with(&self, name: &str, password: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        Self { authorization: Some(authorization), ..self.clone() }
    }

    /// The same on connections of its own.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let tls = Arc::clone(&self.tls);
        Self { transport: Transport::new(Environment::real(), tls), ..self.clone() }
    }

    /// The same, believing other root certificates, and not taken for one of our programs.
    #[must_use]
    pub fn believing(&self, roots: &Path) -> Self {
        let anchors = TrustAnchors::read(&RealFs, roots).unwrap();
        let tls = client_config(&anchors, None, Environment::real().clock).unwrap();
        let mut tls = ClientConfig::clone(&tls);
        tls.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
        Self { tls: Arc::new(tls), ..self.clone() }.afresh()
    }

    /// The same at another address.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { server: url.parse().unwrap(), ..self.clone() }
    }

    /// Asks without a body; an error where the server is not believed.
    pub async fn try_ask(&self, method: &str, path: &str) -> Result<Answer, ClientError> {
        self.send(method, path, &[], empty_body()).await
    }

    /// Asks, with a body that is here.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let body = if body.is_empty() { empty_body() } else { full_body(body.to_vec()) };
        self.send(method, path, headers, body).await.unwrap()
    }

    /// Begins to send a file whose pieces come by and by. Dropped before its end it breaks off.
    pub fn begin(&self, path: &str, headers: &[(&str, &str)]) -> Sending {
        let (pieces, body) = channel_body();
        let (client, path) = (self.clone(), path.to_owned());
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let answer = tokio::spawn(async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            client.send("PUT", &path, &headers, body).await
        });
        Sending { pieces, answer }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: RequestBody,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        match self.transport.send(&self.server, request.body(body).unwrap()).await {
            Ok(answer) => {
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                let body = answer.into_body().collect(256 << 20).await?.to_vec();
                Ok(Answer { status, headers, body, retry_after: None })
            }
            Err(ClientError::Answer { status, body, retry_after }) => Ok(Answer {
                status,
                headers: HeaderMap::new(),
                body: body.message.into_bytes(),
                retry_after: retry_after.map(|after| after.as_secs()),
            }),
            Err(error) => Err(error),
        }
    }
}

/// A file on its way.
pub struct Sending {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    answer: JoinHandle<Result<Answer, ClientError>>,
}

impl Sending {
    /// Sends a piece; whether the other side still takes any.
    pub async fn piece(&self, bytes: &[u8]) -> bool {
        self.pieces.send(Ok(Bytes::copy_from_slice(bytes))).await.is_ok()
    }

    /// That was all: what is answered?
    pub async fn end(self) -> Answer {
        drop(self.pieces);
        self.answer.await.unwrap().unwrap()
    }

    /// Breaks off, as when a cable is pulled.
    pub async fn break_off(self) {
        let _ = self.pieces.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
        let _ = self.answer.await;
    }
}
