//! A port that ends TLS in front of a Swift: a [`Desk`] answers some requests by itself and has the others
//! passed on. Every request has a connection of its own, in front and behind.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::gate::own_runtime;
use super::weather::{head, length, pass};

/// Most bytes of a body that a desk reads: a request for a token has a few hundred.
const MAX_BODY_BYTES: u64 = 64 << 10;

/// How long Swift may take to answer a desk.
const LIMIT: Duration = Duration::from_secs(60);

/// Who decides. It may take its time: it has a thread for each request.
pub(super) trait Desk: Send + Sync + 'static {
    /// Whether the body is read before it decides.
    fn reads(&self, asked: &Asked) -> bool;

    /// What becomes of a request.
    fn decide(&self, asked: &Asked) -> Does;
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Does {
    /// The desk answers it.
    Answer(Reply),
    /// It is passed on, for something else and with another token.
    Pass {
        /// The path with its query.
        target: String,
        /// The token it shows; none where it showed none.
        token: Option<String>,
    },
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// The path with its query, as it came.
    pub(super) target: String,
    /// Fields and their values.
    headers: Vec<(String, String)>,
    /// Where the desk reads it.
    pub(super) body: Vec<u8>,
}

impl Asked {
    fn of(head: &str) -> Option<Self> {
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Some(Self { method, target, headers: headers.collect(), body: Vec::new() })
    }

    /// A header, by its name in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// The path without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// Whether a parameter is in the query.
    pub(super) fn has_parameter(&self, name: &str) -> bool {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair.split_once('=').map_or(pair, |(name, _)| name) == name)
    }

    /// Where it was sent, as it names it: `HOST:PORT`.
    pub(super) fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    /// Its body as JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The same request for something else, with another token.
    fn passed_on(&self, target: &str, token: Option<&str>) -> String {
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in &self.headers {
            let is_own =
                ["x-auth-token", "connection"].iter().any(|own| name.eq_ignore_ascii_case(own));
            if !is_own {
                head += &format!("{name}: {value}\r\n");
            }
        }
        if let Some(token) = token {
            head += &format!("x-auth-token: {token}\r\n");
        }
        head + "\r\n"
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// One without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// One that says why.
    pub(super) fn text(status: u16, why: &str) -> Self {
        Self::empty(status).with("content-type", "text/plain").with_body(why.as_bytes().to_vec())
    }

    /// One in JSON.
    pub(super) fn json(status: u16, told: &Value) -> Self {
        let body = told.to_string().into_bytes();
        Self::empty(status).with("content-type", "application/json").with_body(body)
    }

    /// The same with another header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a body.
    pub(super) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    fn written(&self, method: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Told\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        // An answer of that status has no body, and says nothing of one (RFC 9110, section 8.6).
        if self.status != 204 {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        let mut bytes = (head + "connection: close\r\n\r\n").into_bytes();
        if method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// The port. It is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Front {
    /// Where it is.
    pub(super) port: u16,
    runtime: Option<Runtime>,
}

impl Front {
    /// Opens a port in front of one where a server speaks without TLS.
    pub(super) fn open<D: Desk>(
        authority: &Authority,
        to: u16,
        desk: &Arc<D>,
    ) -> anyhow::Result<Self> {
        let runtime = own_runtime()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let tls = TlsAcceptor::from(Arc::new(authority.server_tls()?));
        let desk = Arc::clone(desk);
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((near, _)) = listener.accept().await {
                let (tls, desk) = (tls.clone(), Arc::clone(&desk));
                // What breaks is the connection of somebody who was killed.
                tokio::spawn(async move { serve(tls.accept(near).await?, desk, to).await });
            }
        });
        Ok(Self { port, runtime: Some(runtime) })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve<S, D>(mut near: S, desk: Arc<D>, to: u16) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Desk,
{
    let Some((head, mut body)) = head(&mut near).await? else { return Ok(()) };
    let Some(mut asked) = Asked::of(&head) else {
        return Err(io::Error::other("it is no request of HTTP"));
    };
    if desk.reads(&asked) {
        let left = length(&head).min(MAX_BODY_BYTES).saturating_sub(body.len() as u64);
        (&mut near).take(left).read_to_end(&mut body).await?;
        asked.body.clone_from(&body);
    }
    let deciding = tokio::task::spawn_blocking(move || {
        let does = desk.decide(&asked);
        (asked, does)
    });
    let (asked, does) = deciding.await.map_err(io::Error::other)?;
    match does {
        Does::Answer(reply) => {
            // A client that sends still would not read the answer.
            let left = length(&head).saturating_sub(body.len() as u64);
            tokio::io::copy(&mut (&mut near).take(left), &mut tokio::io::sink()).await?;
            near.write_all(&reply.written(&asked.method)).await?;
            near.shutdown().await
        }
        Does::Pass { target, token } => {
            let head = asked.passed_on(&target, token.as_deref());
            pass(near, &head, &body, u64::MAX, to).await
        }
    }
}

/// Asks a server of this machine, without TLS, for something without a body.
pub(super) fn ask_plainly(
    port: u16,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> anyhow::Result<Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "connection: close\r\n\r\n").as_bytes())?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told)?;
    read_reply(told).with_context(|| format!("{method} {target} at port {port}"))
}

fn read_reply(mut told: Vec<u8>) -> anyhow::Result<Reply> {
    let end = told.windows(4).position(|four| four == b"\r\n\r\n").context("no answer")?;
    let body = told.split_off(end + 4);
    let head = String::from_utf8_lossy(&told).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let reply = Reply { status: status.parse()?, headers: headers.collect(), body };
    let wanted = length(&head);
    ensure!(reply.body.len() as u64 == wanted, "{} of {wanted} bytes came", reply.body.len());
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "PUT /ord/v1/AUTH_a/c/o?multipart-manifest=put&x HTTP/1.1\r\n\
        Host: localhost:1\r\nX-Auth-Token: theirs\r\nConnection: keep-alive\r\nEtag: 1:2\r\n\r\n";

    #[test]
    fn what_is_passed_on_shows_another_token_and_keeps_the_rest() {
        let asked = Asked::of(HEAD).unwrap();
        assert_eq!((asked.path(), asked.host()), ("/ord/v1/AUTH_a/c/o", "localhost:1"));
        assert!(asked.has_parameter("multipart-manifest") && asked.has_parameter("x"));
        assert!(!asked.has_parameter("put") && !asked.has_parameter("temp_url_sig"));
        assert_eq!(
            asked.passed_on("/v1/AUTH_a/c/o?x", Some("ours")),
            "PUT /v1/AUTH_a/c/o?x HTTP/1.1\r\nHost: localhost:1\r\nEtag: 1:2\r\n\
             x-auth-token: ours\r\n\r\n"
        );
        assert!(!asked.passed_on("/", None).to_lowercase().contains("token"));
    }

    #[test]
    fn answers_say_how_long_they_are_and_are_read_again() {
        let reply = Reply::text(401, "why").with("x-one", "1");
        let read = read_reply(reply.written("GET")).unwrap();
        assert_eq!((read.status, &*read.body), (401, &b"why"[..]));
        assert!(read.headers.contains(&("x-one".to_owned(), "1".to_owned())));
        assert!(read_reply(reply.written("HEAD")).is_err(), "three bytes lack");
        let none = String::from_utf8(Reply::empty(204).written("GET")).unwrap();
        assert!(!none.contains("content-length"), "{none}");
    }
}
