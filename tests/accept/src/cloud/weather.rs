//! A port that ends TLS before the server, and does with each request what the weather is: lets it
//! through, answers it by itself as the provider would, or cuts the connection off in the middle.
//!
//! Every request has a connection of its own behind it, and in front of it ends with its answer:
//! so each meets the weather of its own moment. What passes is remembered by its signatures, which
//! are secrets: whoever looks for them later learns here what they were.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::gate::own_runtime;

/// Most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Bytes that are passed on at once.
const BLOCK_BYTES: usize = 64 << 10;
/// What the choices of a run begin with; the same run meets the same weather.
const SEED: u64 = 7;

/// An answer in the provider's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) status: &'static str,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

/// What becomes of requests.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sky {
    /// All get through.
    Clear,
    /// So many of a hundred are refused.
    Refused {
        /// By which answer.
        answer: Refusal,
        /// How many.
        percent: u8,
    },
    /// So many of a hundred are cut off before they have sent so many bytes.
    Cut {
        /// How many.
        percent: u8,
        /// Where at the latest.
        within: u64,
    },
}

/// The port. It is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Weather {
    /// Where it is.
    pub(super) port: u16,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct State {
    sky: Mutex<Sky>,
    chance: Mutex<StdRng>,
    signatures: Mutex<BTreeSet<String>>,
    /// Requests that were refused or cut off.
    struck: Mutex<u64>,
    /// Where the server speaks without TLS.
    to: u16,
}

impl Weather {
    /// Opens a port that leads to one where the same server speaks without TLS.
    pub(super) fn over(authority: &Authority, to: u16) -> anyhow::Result<Self> {
        let runtime = own_runtime()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let tls = TlsAcceptor::from(Arc::new(authority.server_tls()?));
        let state = Arc::new(State {
            sky: Mutex::new(Sky::Clear),
            chance: Mutex::new(StdRng::seed_from_u64(SEED)),
            signatures: Mutex::default(),
            struck: Mutex::default(),
            to,
        });
        let meeting = Arc::clone(&state);
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((near, _)) = listener.accept().await {
                let (tls, state) = (tls.clone(), Arc::clone(&meeting));
                // Connections are meant to break here.
                tokio::spawn(async move { serve(tls.accept(near).await?, &state).await });
            }
        });
        Ok(Self { port, state, runtime: Some(runtime) })
    }

    /// Changes the weather.
    pub(super) fn turn(&self, sky: Sky) {
        *locked(&self.state.sky) = sky;
    }

    /// How many requests were refused or cut off so far.
    pub(super) fn struck(&self) -> u64 {
        *locked(&self.state.struck)
    }

    /// The signatures of all requests so far.
    pub(super) fn signatures(&self) -> BTreeSet<String> {
        locked(&self.state.signatures).clone()
    }
}

impl Drop for Weather {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl State {
    /// What becomes of the next request: nothing, or what is done to it.
    fn next(&self) -> Sky {
        let sky = *locked(&self.sky);
        let percent = match sky {
            Sky::Clear => return sky,
            Sky::Refused { percent, .. } | Sky::Cut { percent, .. } => percent,
        };
        if locked(&self.chance).random_range(0..100) >= percent {
            return Sky::Clear;
        }
        *locked(&self.struck) += 1;
        sky
    }
}

async fn serve<S>(mut near: S, state: &State) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some((head, body)) = head(&mut near).await? else { return Ok(()) };
    locked(&state.signatures).extend(signatures(&head));
    match state.next() {
        Sky::Clear => pass(near, &head, &body, u64::MAX, state.to).await,
        Sky::Refused { answer, .. } => {
            let left = length(&head).saturating_sub(body.len() as u64);
            tokio::io::copy(&mut (&mut near).take(left), &mut tokio::io::sink()).await?;
            near.write_all(answered(&head, answer).as_bytes()).await?;
            near.shutdown().await
        }
        Sky::Cut { within, .. } => {
            let most = locked(&state.chance).random_range(0..=within);
            pass(near, &head, &body, most, state.to).await
        }
    }
}

/// A request's head, up to and with its empty line, and what came of its body with it. None where
/// nobody asks.
pub(super) async fn head<S>(near: &mut S) -> io::Result<Option<(String, Vec<u8>)>>
where
    S: AsyncRead + Unpin,
{
    let mut read = Vec::new();
    loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = read.split_off(at + 4);
            return Ok(Some((String::from_utf8_lossy(&read).into_owned(), body)));
        }
        if read.len() > MAX_HEAD_BYTES {
            return Err(io::Error::other("the head of a request is too long"));
        }
        if near.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    }
}

/// Passes a request and its answer on, and cuts off where so many bytes were sent.
pub(super) async fn pass<S>(near: S, head: &str, body: &[u8], most: u64, to: u16) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let far = TcpStream::connect(("127.0.0.1", to)).await?;
    let (mut from_near, mut to_near) = tokio::io::split(near);
    let (mut from_far, mut to_far) = far.into_split();
    let up = async {
        // The server ends the connection with its answer. The header is in no signature.
        let head = head.trim_end_matches("\r\n");
        to_far.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        to_far.write_all(body).await?;
        let (mut block, mut sent) = (vec![0; BLOCK_BYTES], body.len() as u64);
        while sent < most {
            let read = from_near.read(&mut block).await?;
            if read == 0 {
                // The client has said all; it waits for its answer.
                return std::future::pending().await;
            }
            to_far.write_all(block.get(..read).unwrap_or_default()).await?;
            sent += read as u64;
        }
        io::Result::Err(io::ErrorKind::ConnectionReset.into())
    };
    let down = async {
        tokio::io::copy(&mut from_far, &mut to_near).await?;
        to_near.shutdown().await
    };
    tokio::select! {
        done = down => done,
        done = up => done,
    }
}

fn answered(head: &str, refusal: Refusal) -> String {
    let Refusal { status, code, message } = refusal;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>{message}</Message><RequestId>1</RequestId></Error>"
    );
    let shown = if head.starts_with("HEAD ") { "" } else { body.as_str() };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{shown}",
        body.len()
    )
}

/// How long the body of a request is.
pub(super) fn length(head: &str) -> u64 {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// The signatures in a request's head: in its query, or in a header.
fn signatures(head: &str) -> Vec<String> {
    let marks = ["X-Amz-Signature=", "Signature="];
    let found = marks.iter().filter_map(|mark| head.split_once(mark)).map(|(_, rest)| rest);
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>();
    found.map(digits).filter(|digits| digits.len() == 64).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_found_in_either_place() {
        let signature = "0123456789abcdef".repeat(4);
        for head in [
            format!("GET /b/k?a=b&X-Amz-Signature={signature} HTTP/1.1\r\n\r\n"),
            format!(
                "PUT /b/k HTTP/1.1\r\nauthorization: AWS4 Credential=a, Signature={signature}\r\n"
            ),
        ] {
            assert!(signatures(&head).iter().all(|found| *found == signature), "{head}");
            assert!(!signatures(&head).is_empty(), "{head}");
        }
        assert!(signatures("GET / HTTP/1.1\r\nhost: Signature=abc\r\n").is_empty());
    }

    #[test]
    fn the_length_of_a_body_is_read_whatever_the_case() {
        assert_eq!(length("PUT / HTTP/1.1\r\nContent-Length: 16777216\r\n"), 16_777_216);
        assert_eq!(length("GET / HTTP/1.1\r\nhost: a\r\n"), 0);
    }

    #[test]
    fn an_answer_to_head_has_a_length_and_no_body() {
        let refusal =
            Refusal { status: "503 Slow Down", code: "SlowDown", message: "Reduce your rate." };
        assert!(answered("HEAD / HTTP/1.1", refusal).ends_with("\r\n\r\n"));
        assert!(answered("GET / HTTP/1.1", refusal).contains("<Code>SlowDown</Code>"));
    }
}
