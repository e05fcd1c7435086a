//! Requests that no honest client sends. Each is refused as its line says, and none gets a byte
//! that is not published, or a second answer.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use xylem_model::{AccountAccess, AccountName};
use xylem_pki::{Identity, PasswordHash, client_config};
use xylem_runtime::SystemRng;
use xylem_trust::Account;

use crate::fleet::Fleet;

/// What is published, under a name with a letter that Unicode writes in two ways.
const BYTES: &[u8] = b"published bytes";

/// Paths, as they stand in the request line, and the status of the answer.
const PATHS: [(&str, u16); 45] = [
    ("/Packages/..%2f..%2fidentity%2fidentity.pem", 404),
    ("/Packages/..%2F..%2Fidentity%2Fidentity.pem", 404),
    ("/Packages/%2e%2e/%2e%2e/identity/identity.pem", 404),
    ("/Packages/%2e%2e%2f%2e%2e%2fidentity%2fidentity.pem", 404),
    ("/Packages/../../identity/identity.pem", 404),
    ("/Packages/..%5c..%5cidentity%5cidentity.pem", 404),
    ("/Packages/..\\..\\identity\\identity.pem", 404),
    ("/Packages/....//....//identity/identity.pem", 404),
    ("/Packages/%252e%252e%252fidentity%252fidentity.pem", 404),
    ("/Packages/..;/identity/identity.pem", 404),
    ("/Packages/%c0%ae%c0%ae%c0%afidentity.pem", 404),
    ("/Packages/%e0%80%ae%e0%80%ae/identity.pem", 404),
    ("/Packages/%uff0e%uff0e/identity.pem", 404),
    ("/Packages/%ff%fe", 404),
    ("/Packages/%", 404),
    ("/Packages/%zz", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg%00", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg%00.txt", 404),
    ("/Packages/%00", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg%0d%0aX-Injected:%20yes", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg/", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg/.", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg/..", 404),
    ("/Packages/./Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/Packages//Gr%C3%B6%C3%9Fe.pkg", 404),
    ("//Packages/Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg.", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg%20", 404),
    ("/Packages/%20Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg::$DATA", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg:rsrc", 404),
    ("/Packages/Gr%C3%B6%C3%9Fe.pkg/..namedfork/rsrc", 404),
    ("/Packages/Gr%C3%B6%E2%80%8B%C3%9Fe.pkg", 404),
    ("/Packages/%E2%80%AEgkp.e%C3%9F%C3%B6rG", 404),
    ("/Packages/CON", 404),
    ("/Packages/.DS_Store", 404),
    ("/Packages/._Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/packages/Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/CasperShare/../Packages/Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/CasperShare/CasperShare/Packages/Gr%C3%B6%C3%9Fe.pkg", 404),
    ("/CasperShare%2FPackages%2FGr%C3%B6%C3%9Fe.pkg", 404),
    ("/v1/blob/..%2f..%2fidentity%2fidentity.pem", 404),
    ("/v1/blob/00/tree/../../identity", 404),
    ("/repo/format", 404),
    ("/lock", 404),
];

/// Headers of a GET of what is published, and the status of the answer. What is no range, or is
/// more than one, is answered with the whole file, once.
const RANGES: [(&str, u16); 14] = [
    ("Range: bytes=18446744073709551615-", 416),
    ("Range: bytes=15-", 416),
    ("Range: bytes=-0", 416),
    ("Range: bytes=99999999999999999999-", 200),
    ("Range: bytes=0-99999999999999999999", 200),
    ("Range: bytes=-99999999999999999999", 200),
    ("Range: bytes=5-1", 200),
    ("Range: bytes=--1", 200),
    ("Range: bytes=0-1,0-1,0-1,0-1", 200),
    ("Range: bytes=,,,,", 200),
    ("Range: bytes=0x0-0x1", 200),
    ("Range: bytes=\t0 - 1\t,", 200),
    ("Range: lines=0-1", 200),
    ("Range: bytes", 200),
];

/// Heads whose reading two parsers could disagree about. All are refused with 400.
const HEADS: [&str; 21] = [
    "Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
    "Host: x\r\nContent-Length: 5, 6\r\n",
    "Host: x\r\nContent-Length: +5\r\n",
    "Host: x\r\nContent-Length: -5\r\n",
    "Host: x\r\nContent-Length: 0x5\r\n",
    "Host: x\r\nContent-Length: 5 5\r\n",
    "Host: x\r\nContent-Length: 99999999999999999999\r\n",
    "Host: x\r\nContent-Length :5\r\n",
    "Host: x\r\nTransfer-Encoding: chunked, identity\r\n",
    "Host: x\r\nTransfer-Encoding: identity\r\n",
    "Host: x\r\nTransfer-Encoding: xchunked\r\n",
    "Host: x\r\nTransfer-Encoding : chunked\r\n",
    "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Host: x\r\nX-Folded: one\r\n two\r\n",
    "Host: x\r\n X-Folded: two\r\n",
    "Host: x\r\nX-Nul: \0\r\n",
    "Host: x\r\nno colon\r\n",
    "Host: x\r\n: no name\r\n",
    "Host: x\r\nHost: y\r\n",
    "X-No: host\r\n",
    "Host: x\r\nX\tY: z\r\n",
];

/// Somebody with a computer's certificate, and an account that may write.
pub(crate) struct Attacker {
    pub(crate) fleet: Fleet,
    connector: TlsConnector,
    /// The account's `Authorization`.
    pub(crate) login: String,
}

impl Attacker {
    pub(crate) async fn new() -> Self {
        let fleet = Fleet::chain(1).await;
        fleet.upload("Größe.pkg", BYTES).await;
        let identity = Identity::new(fleet.management.issue(fleet.computer()));
        let clock = Arc::clone(&fleet.environment.clock);
        let tls = client_config(&fleet.management.anchors, Some(&identity), clock).unwrap();
        let password = "guess-me";
        let hash = PasswordHash::of(password, &SystemRng).unwrap();
        fleet.management.change(|world| {
            world.accounts.push(Account {
                name: AccountName::new("casper").unwrap(),
                access: AccountAccess::Write,
                passwords: vec![hash.as_str().to_owned()],
            });
        });
        let login = format!("Basic {}", STANDARD.encode(format!("casper:{password}")));
        let attacker = Self { fleet, connector: TlsConnector::from(tls), login };
        let ask = format!(
            "PROPFIND / HTTP/1.1\r\nHost: x\r\nDepth: 0\r\nConnection: close\r\n\
             Authorization: {}\r\n\r\n",
            attacker.login
        );
        let known = async || attacker.send(ask.as_bytes()).await.starts_with("HTTP/1.1 207 ");
        attacker.fleet.until("the account is known", known).await;
        attacker
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.fleet.server(0).data.clone()
    }

    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        let url = &self.fleet.server(0).url;
        let tcp = TcpStream::connect((url.host(), url.port())).await.unwrap();
        let name = ServerName::try_from(url.host().to_owned()).unwrap();
        self.connector.connect(name, tcp).await.unwrap()
    }

    /// All that comes back on a connection of its own.
    pub(crate) async fn send(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The other side may close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// One answer, of this status, and nothing from the server's own folder in it.
pub(crate) fn check(answer: &str, status: u16, what: &str) {
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
    for secret in ["PRIVATE KEY", "xylem-blobs", "X-Injected"] {
        assert!(!answer.contains(secret), "{what}: {answer}");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_what_is_published() {
    let attacker = Attacker::new().await;
    let ask = async |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        attacker.send(head.as_bytes()).await
    };
    for (path, status) in PATHS {
        check(&ask(path).await, status, path);
    }
    let long = format!("/Packages/{}.pkg", "a".repeat(4000));
    check(&ask(&long).await, 404, "a name of 4000 bytes");
    let endless = format!("/Packages/{}.pkg", "a".repeat(100_000));
    let refused = ask(&endless).await;
    assert!(refused.starts_with("HTTP/1.1 414 ") || refused.starts_with("HTTP/1.1 431 "));
    for path in ["/Packages/Gr%C3%B6%C3%9Fe.pkg", "/CasperShare/Packages/Gro%CC%88%C3%9Fe.pkg"] {
        let answer = ask(path).await;
        check(&answer, 200, path);
        assert!(answer.ends_with("published bytes"), "{answer}");
    }
    println!("HOSTILE paths={}", PATHS.len() + 2);
}

#[tokio::test]
async fn no_range_costs_more_than_the_file() {
    let attacker = Attacker::new().await;
    let ask = async |range: &str| {
        let path = "/Packages/Gr%C3%B6%C3%9Fe.pkg";
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{range}\r\n\r\n");
        attacker.send(head.as_bytes()).await
    };
    for (range, status) in RANGES {
        let answer = ask(range).await;
        check(&answer, status, range);
        assert_eq!(answer.ends_with("\r\n\r\npublished bytes"), status == 200, "{range}: {answer}");
    }
    let bomb = format!("Range: bytes={}0-", "0-,".repeat(5000));
    let answer = ask(&bomb).await;
    check(&answer, 200, "5001 ranges of the whole");
    assert!(answer.ends_with("\r\n\r\npublished bytes"), "{answer}");
    println!("HOSTILE ranges={}", RANGES.len() + 1);
}

#[tokio::test]
async fn nothing_hides_behind_a_request() {
    let attacker = Attacker::new().await;
    let smuggled = "GET /Packages/Gr%C3%B6%C3%9Fe.pkg HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in HEADS {
        let request = format!("POST /v1/blobs HTTP/1.1\r\n{head}\r\n{smuggled}");
        let answer = attacker.send(request.as_bytes()).await;
        check(&answer, 400, head);
        assert!(!answer.contains("published bytes"), "{head}: {answer}");
    }
    // By both lengths: the encoding counts, and the connection ends (RFC 9112 section 6.3).
    let body = format!("0\r\n\r\n{smuggled}");
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    for lengths in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        let request = format!("POST /v1/blobs HTTP/1.1\r\nHost: x\r\n{lengths}\r\n{body}");
        let answer = attacker.send(request.as_bytes()).await;
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{answer}");
        assert!(!answer.contains("published bytes"), "{answer}");
    }
    println!("HOSTILE heads={}", HEADS.len() + 2);
}
