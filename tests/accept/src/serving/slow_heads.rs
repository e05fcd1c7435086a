//! A thousand connections that send the heads of their requests slowly.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use xylem_bench::rows::{median, quantile};

use crate::client::Client;
use crate::pair::{CLIENT, ROOT, pair, stage};

/// Connections of the attack.
const CONNECTIONS: usize = 1000;

/// How long one may last.
const CUT_WITHIN: Duration = Duration::from_secs(10);

/// Normal requests of each half of a round.
const REQUESTS: usize = 1000;

const ROUNDS: usize = 5;

/// Size of what is asked for.
const BYTES: u64 = 16 << 10;

/// What normal requests may lose, where twice the idle time is less.
const MARGIN_MS: f64 = 5.0;

/// All are cut off in time, and normal requests hardly notice.
pub(crate) fn slow_heads() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (fleet, contents) = pair(scratch, &[BYTES], ROOT).await?;
        let client = Client::new(&fleet, CLIENT, ROOT)?;
        let path = format!("/v1/blob/{}", contents.first().context("one file")?);
        let (mut idle, mut attacked, mut last) = (Vec::new(), Vec::new(), Duration::ZERO);
        for round in 1..=ROUNDS {
            let quiet = p99_of(&client, &path).await?;
            let attack = Attack::begin(&client).await?;
            let noisy = p99_of(&client, &path).await?;
            let longest = attack.end().await?;
            println!(
                "ROUND slow-heads {round} idle_p99_ms={quiet:.2} attacked_p99_ms={noisy:.2} \
                 longest_s={:.2}",
                longest.as_secs_f64()
            );
            idle.push(quiet);
            attacked.push(noisy);
            last = last.max(longest);
        }
        fleet.stop().await;
        let idle = median(idle).context("no rounds")?;
        let attacked = median(attacked).context("no rounds")?;
        let bound = (2.0 * idle).max(idle + MARGIN_MS);
        println!(
            "SERVING slow-heads connections={CONNECTIONS} longest_s={:.2} idle_p99_ms={idle:.2} \
             attacked_p99_ms={attacked:.2} bound_ms={bound:.2}",
            last.as_secs_f64()
        );
        ensure!(last <= CUT_WITHIN, "a connection lasted {last:?}");
        ensure!(attacked <= bound, "normal requests suffer");
        Ok(())
    })
}

async fn connect(client: &Client) -> anyhow::Result<TlsStream<TcpStream>> {
    let address = client.address()?;
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = address.ip().into();
    Ok(TlsConnector::from(Arc::clone(&client.tls)).connect(name, tcp).await?)
}

/// Asks over and over on one connection; gives the 99th percentile in milliseconds.
async fn p99_of(client: &Client, path: &str) -> anyhow::Result<f64> {
    let mut stream = connect(client).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let (mut took, mut answer) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        let begin = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        // The head has less than a kibibyte; the body is of a known length.
        let mut end = None;
        while end.is_none_or(|end: usize| answer.len() < end) {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the connection was closed");
            if end.is_none() {
                let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
                end = head.map(|at| at + 4 + BYTES as usize);
            }
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "not answered");
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
        sleep(Duration::from_millis(2)).await;
    }
    quantile(took, 0.99).context("no requests")
}

/// The slow connections.
struct Attack(JoinSet<anyhow::Result<Duration>>);

impl Attack {
    /// Opens all of them.
    async fn begin(client: &Client) -> anyhow::Result<Self> {
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let stream = connect(client).await?;
            connections.spawn(drip(stream));
        }
        Ok(Self(connections))
    }

    /// Waits until the last is cut; gives how long the longest lasted.
    async fn end(mut self) -> anyhow::Result<Duration> {
        let mut longest = Duration::ZERO;
        while let Some(lasted) = self.0.join_next().await {
            longest = longest.max(lasted??);
        }
        Ok(longest)
    }
}

/// Sends a letter a second until it is cut off.
async fn drip(stream: TlsStream<TcpStream>) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sending = async {
        let mut next: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ";
        while writing.write_all(next).await.is_ok() {
            next = b"s";
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut rest = Vec::new();
    let cut = async {
        tokio::select! {
            () = sending => {}
            _ = reading.read_to_end(&mut rest) => {}
        }
    };
    timeout(CUT_WITHIN * 3, cut).await.context("a slow connection is not cut")?;
    Ok(begin.elapsed())
}
