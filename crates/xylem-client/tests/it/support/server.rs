//! A server that does what a script says, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use xylem_client::BaseUrl;

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Counts requests, from 0, over all connections.
    pub(crate) number: usize,
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The method of the request.
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    /// The value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(is, value)| (is.eq_ignore_ascii_case(name)).then_some(value))
    }
}

/// What the server does about a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pieces: Vec<Vec<u8>>,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Waits for the next request.
    Keep,
    /// Closes the connection as TLS wants it.
    Close,
    /// Drops the connection.
    Drop,
    /// Keeps it open and says nothing more.
    Hang,
}

impl Reply {
    /// These bytes; then the next request.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { pieces: vec![bytes.into()], then: Then::Keep }
    }

    /// An answer with a body of known length.
    pub(crate) fn with(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
        Self::raw([head.as_bytes(), body].concat())
    }

    /// A good answer in JSON.
    pub(crate) fn json(body: &str) -> Self {
        Self::with("200 OK", "Content-Type: application/json\r\n", body)
    }

    /// A good answer without announced length, so far without end.
    pub(crate) fn stream(pieces: &[&str]) -> Self {
        Self::stream_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pieces)
    }

    /// The same after a head of any kind.
    pub(crate) fn stream_after(head: &str, pieces: &[&str]) -> Self {
        let mut reply = Self::raw(head);
        for piece in pieces {
            reply.pieces.push(format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes());
        }
        reply
    }

    /// Ends a stream properly.
    pub(crate) fn end(mut self) -> Self {
        self.pieces.push(b"0\r\n\r\n".to_vec());
        self
    }

    /// Says nothing at all.
    pub(crate) fn nothing() -> Self {
        Self { pieces: Vec::new(), then: Then::Keep }
    }

    pub(crate) fn then_close(self) -> Self {
        Self { then: Then::Close, ..self }
    }

    pub(crate) fn then_drop(self) -> Self {
        Self { then: Then::Drop, ..self }
    }

    pub(crate) fn then_hang(self) -> Self {
        Self { then: Then::Hang, ..self }
    }
}

type Script = Box<dyn FnMut(&Asked) -> Reply + Send>;

struct Shared {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    handshakes: AtomicUsize,
}

/// Runs until it is dropped.
pub(crate) struct FakeServer {
    pub(crate) url: BaseUrl,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl FakeServer {
    pub(crate) async fn start(
        tls: Arc<rustls::ServerConfig>,
        script: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = BaseUrl::new("127.0.0.1", listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            asked: Mutex::default(),
            handshakes: AtomicUsize::new(0),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, TlsAcceptor::from(tls), Arc::clone(&shared)));
        Self { url, shared, _task: task }
    }

    /// Handshakes that went through.
    pub(crate) fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::SeqCst)
    }

    /// Requests that came, in their order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            if let Ok(stream) = tls.accept(stream).await {
                shared.handshakes.fetch_add(1, Ordering::SeqCst);
                // However the connection ends: what counts is what the client makes of it.
                let _ = converse(stream, &shared).await;
            }
        });
    }
}

async fn converse(mut stream: TlsStream<TcpStream>, shared: &Shared) -> std::io::Result<()> {
    loop {
        let asked = read_request(&mut stream).await?;
        let reply = {
            let mut all = shared.asked.lock().unwrap();
            let asked = Asked { number: all.len(), ..asked };
            all.push(asked.clone());
            (shared.script.lock().unwrap())(&asked)
        };
        for piece in reply.pieces {
            stream.write_all(&piece).await?;
            stream.flush().await?;
            // So that pieces arrive as such, as a rule.
            tokio::task::yield_now().await;
        }
        match reply.then {
            Then::Keep => {}
            Then::Close => return stream.shutdown().await,
            Then::Drop => return Ok(()),
            Then::Hang => std::future::pending().await,
        }
    }
}

/// Reads a head, and a body by its length or its chunks.
async fn read_request(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Asked> {
    let head = read_until(stream, b"\r\n\r\n").await?;
    let mut asked = Asked { number: 0, head, body: Vec::new() };
    if let Some(length) = asked.header("content-length") {
        asked.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut asked.body).await?;
    } else if asked.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = read_until(stream, b"\r\n").await?;
            let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
            stream.read_exact(&mut chunk).await?;
            asked.body.extend_from_slice(&chunk[..chunk.len() - 2]);
            if chunk.len() == 2 {
                break;
            }
        }
    }
    Ok(asked)
}

async fn read_until(stream: &mut TlsStream<TcpStream>, end: &[u8]) -> std::io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(end) {
        text.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(text).unwrap())
}
