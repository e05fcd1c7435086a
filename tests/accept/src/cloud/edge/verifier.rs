//! Whom the edge asks with each request: a port of this machine, in the run's process.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::super::gate::own_runtime;
use super::judge::{Distribution, Why};
use super::origin::presigned;

/// Most bytes of a question's head.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// The port. It is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) port: u16,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

/// What was judged so far.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Tally {
    pub(in super::super) accepted: u64,
    pub(in super::super) refused: u64,
    /// What came of the last one; none before the first.
    pub(in super::super) last: Option<Result<(), Why>>,
}

#[derive(Debug)]
struct State {
    distribution: Distribution,
    /// As the edge calls the bucket.
    bucket_host: String,
    tally: Mutex<Tally>,
}

impl Verifier {
    /// Opens the port. What it lets through is asked for at a bucket.
    pub(super) fn open(distribution: Distribution, bucket_host: String) -> anyhow::Result<Self> {
        let runtime = own_runtime()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State { distribution, bucket_host, tally: Mutex::default() });
        let asked = Arc::clone(&state);
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&asked);
                // Where it breaks the edge gets no answer, and gives nothing.
                tokio::spawn(async move { answer(stream, state).await });
            }
        });
        Ok(Self { port, state, runtime: Some(runtime) })
    }

    /// What was judged so far.
    pub(super) fn tally(&self) -> Tally {
        *locked(&self.state.tally)
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(mut stream: TcpStream, state: Arc<State>) -> anyhow::Result<()> {
    let head = head(&mut stream).await?;
    let judging = tokio::task::spawn_blocking(move || state.judge(&head));
    let told = judging.await??;
    stream.write_all(told.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// All before the empty line.
async fn head(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < MAX_HEAD_BYTES, "the head is too long");
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(String::from_utf8(head)?)
}

impl State {
    fn judge(&self, head: &str) -> anyhow::Result<String> {
        let field = |name: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(": "));
            let mut found = fields.filter(|(is, _)| is.eq_ignore_ascii_case(name));
            found
                .next()
                .map(|(_, value)| value)
                .with_context(|| format!("the edge tells no {name}"))
        };
        let (target, now) = (field("X-Original-URI")?, OffsetDateTime::now_utc());
        let address: Ipv4Addr = field("X-Real-IP")?.parse()?;
        let verdict = self.distribution.judge(target, address, now.unix_timestamp())?;
        let mut tally = locked(&self.tally);
        tally.last = Some(verdict);
        Ok(match verdict {
            Ok(()) => {
                tally.accepted += 1;
                let (path, _) = target.split_once('?').unwrap_or((target, ""));
                let at = presigned(&self.bucket_host, path, now);
                format!("HTTP/1.1 204 No Content\r\nX-Origin: {at}\r\nConnection: close\r\n\r\n")
            }
            Err(why) => {
                tally.refused += 1;
                format!(
                    "HTTP/1.1 403 Forbidden\r\nX-Why: {why:?}\r\nContent-Length: 0\r\n\
                     Connection: close\r\n\r\n"
                )
            }
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
