//! The access log: a line for each answer, in the combined log format that web servers write and
//! every tool reads:
//!
//! ```text
//! 10.1.2.3 - xylem://computer/0198… [06/Nov/1994:08:49:37 +0000] "GET /Packages/A.pkg HTTP/1.1" 200 7340032 "-" "curl/8"
//! ```
//!
//! The third field is who asked, as far as that was proved; the bytes are those of the body that
//! left, so an answer that broke off is seen. A line is written once its answer has ended. Writing
//! never holds up an answer: when the disk is too slow lines are left out, and how many is logged.
//! What cannot be read as a request at all has no line.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, Version, header};
use tokio::sync::oneshot;
use xylem_model::Timestamp;
use xylem_runtime::Clock;

use crate::date::log_date;

/// Lines that wait for the disk.
const MAX_WAITING: usize = 8192;

/// How long a line may wait, and how soon it is noticed that the file was moved away.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// The longest part of a line that the other side decides, in bytes.
const MAX_FIELD_BYTES: usize = 2048;

/// Writes lines to a file.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl AccessLog {
    /// Appends to a file, which is made where missing. When it is moved away, as log rotation does,
    /// a new one is begun within a second.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread be started.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(MAX_WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            file: io::BufWriter::new(append_to(path)?),
            path: path.to_owned(),
            waiting,
            left_out: Arc::clone(&left_out),
        };
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        thread.spawn(move || writer.run())?;
        Ok(Self { lines, left_out, clock })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn write(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line)) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns once all lines so far are in the file, or the disk takes too long over them.
    pub(crate) async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        let lines = self.lines.clone();
        let asking = tokio::task::spawn_blocking(move || lines.send(Message::Flush(done)));
        // Whatever goes wrong, the writer has said so.
        let _ = tokio::time::timeout(FLUSH_EVERY * 5, async {
            let _ = asking.await;
            let _ = waiting.await;
        })
        .await;
    }
}

/// What the writing thread is told.
enum Message {
    Line(String),
    Flush(oneshot::Sender<()>),
}

fn append_to(path: &Path) -> io::Result<File> {
    // Who fetched what is not for everybody to read.
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

struct Writer {
    file: io::BufWriter<File>,
    path: PathBuf,
    waiting: Receiver<Message>,
    left_out: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self) {
        let mut flushed = Instant::now();
        loop {
            match self.waiting.recv_timeout(FLUSH_EVERY.saturating_sub(flushed.elapsed())) {
                Ok(Message::Line(line)) => {
                    self.note(|writer| writer.file.write_all(line.as_bytes()));
                }
                Ok(Message::Flush(done)) => {
                    self.note(Self::settle);
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.note(Self::settle);
                    flushed = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.note(Self::settle);
                    return;
                }
            }
        }
    }

    fn note(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) {
        if let Err(error) = work(self) {
            let path = self.path.display();
            tracing::error!(%error, "the access log {path} cannot be written; lines are lost");
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(left_out, "the disk is too slow for the access log");
        }
        let (now, there) = (self.file.get_ref().metadata()?, std::fs::metadata(&self.path));
        if !there.is_ok_and(|there| (there.dev(), there.ino()) == (now.dev(), now.ino())) {
            self.file = io::BufWriter::new(append_to(&self.path)?);
        }
        Ok(())
    }
}

/// What a line says, as far as it is known when the request comes.
#[derive(Debug)]
pub(crate) struct Entry {
    address: IpAddr,
    at: Timestamp,
    request: String,
    referer: String,
    agent: String,
}

impl Entry {
    pub(crate) fn new(
        address: IpAddr,
        at: Timestamp,
        request: (&Method, &Uri, Version),
        headers: &HeaderMap,
    ) -> Self {
        let (method, uri, version) = request;
        let text = |name: HeaderName| match headers.get(name) {
            Some(value) => quoted(value.as_bytes()),
            None => "-".to_owned(),
        };
        let request = quoted(format!("{method} {} {version:?}", without_ticket(uri)).as_bytes());
        Self {
            address,
            at,
            request,
            referer: headers.get(header::REFERER).map_or("-".to_owned(), |referer| {
                // Where it came from, without what its address may have let in.
                quoted(referer.as_bytes().split(|byte| *byte == b'?').next().unwrap_or_default())
            }),
            agent: text(header::USER_AGENT),
        }
    }

    pub(crate) fn line(&self, who: Option<&str>, status: StatusCode, bytes: u64) -> String {
        let (address, request) = (self.address, &self.request);
        let (who, at) =
            (who.map_or("-".to_owned(), |who| quoted(who.as_bytes())), log_date(self.at));
        let (status, referer, agent) = (status.as_u16(), &self.referer, &self.agent);
        format!(
            "{address} - {who} [{at}] \"{request}\" {status} {bytes} \"{referer}\" \"{agent}\"\n"
        )
    }
}

/// The address as it may be written down: whoever reads a ticket in it could use it. A name that is
/// not plainly another one may be read as that of a ticket.
fn without_ticket(uri: &Uri) -> String {
    let is_other = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_plain && !name.eq_ignore_ascii_case("ticket")
    };
    match uri.query() {
        Some(query) if !query.split('&').all(is_other) => format!("{}?ticket=-", uri.path()),
        _ => uri.to_string(),
    }
}

/// Text that cannot end its field or its line: what is not plain ASCII is written as `\xNN`, as
/// Apache and nginx do.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes.iter().take(MAX_FIELD_BYTES) {
        if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use xylem_runtime::ManualClock;

    use super::*;

    fn entry(uri: &str, agent: &'static str) -> Entry {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, agent.parse().unwrap());
        let uri = uri.parse().unwrap();
        let request = (&Method::GET, &uri, Version::HTTP_11);
        let at = Timestamp::from_unix_ms(784_111_777_000);
        Entry::new([10, 1, 2, 3].into(), at, request, &headers)
    }

    #[test]
    fn a_line_is_what_tools_expect() {
        let line = entry("/Packages/A.pkg", "curl/8").line(Some("lab"), StatusCode::OK, 42);
        assert_eq!(
            line,
            "10.1.2.3 - lab [06/Nov/1994:08:49:37 +0000] \"GET /Packages/A.pkg HTTP/1.1\" 200 42 \
             \"-\" \"curl/8\"\n"
        );
    }

    #[test]
    fn a_ticket_in_an_address_is_not_written_down() {
        for name in ["ticket", "Ticket", "%74icket", "t%69cket", "\\ticket"] {
            let uri = format!("/Packages/A.pkg?x=1&{name}=c2VjcmV0");
            let line = entry(&uri, "curl/8").line(None, StatusCode::OK, 1);
            assert!(
                line.contains("GET /Packages/A.pkg?ticket=- HTTP") && !line.contains("c2VjcmV0"),
                "{line}"
            );
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::REFERER, "https://a.org/b?ticket=c2VjcmV0".parse().unwrap());
        let request = (&Method::GET, &Uri::from_static("/"), Version::HTTP_11);
        let entry_with =
            Entry::new([10, 1, 2, 3].into(), Timestamp::from_unix_ms(0), request, &headers);
        let line = entry_with.line(None, StatusCode::OK, 1);
        assert!(line.contains("\"https://a.org/b\""), "{line}");
        let line = entry("/v1/files?kind=app", "curl/8").line(None, StatusCode::OK, 1);
        assert!(line.contains("GET /v1/files?kind=app HTTP/1.1"), "{line}");
    }

    #[test]
    fn nobody_can_write_a_second_line_or_field() {
        let line = entry("/a%0A", "x\" 200 1 \"y\\").line(Some("a\nb \"c"), StatusCode::OK, 1);
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(line.matches('"').count(), 6, "{line}");
        assert!(line.contains("a\\x0Ab \\x22c") && line.contains("y\\x5C"), "{line}");
    }

    #[tokio::test]
    async fn a_file_that_is_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let log =
            AccessLog::open(&path, Arc::new(ManualClock::new(Timestamp::from_unix_ms(0)))).unwrap();
        let wait_for = async |path: &Path, text: &str| {
            let end = Instant::now() + Duration::from_secs(20);
            while !std::fs::read_to_string(path).is_ok_and(|found| found == text) {
                assert!(Instant::now() < end, "{text} is not in {}", path.display());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        log.write("one\n".to_owned());
        wait_for(&path, "one\n").await;
        std::fs::rename(&path, &moved).unwrap();
        wait_for(&path, "").await;
        log.write("two\n".to_owned());
        wait_for(&path, "two\n").await;
        wait_for(&moved, "one\n").await;
    }
}
