//! A strict Swift in memory, over TLS, with three ways to log in and Rackspace's delivery network:
//! for tests that want to see what our requests are worth.
//!
//! * [`identity`]: tokens, which end. [`temp_url`]: refuses every signature that is not as Swift
//!   describes; it is written by that description and shares no code with ours.
//! * [`objects`]: containers and what lies in them. [`large`]: static large objects. [`listing`]: what
//!   a listing tells. [`cdn`]: the delivery network.
//!
//! It can be told to misbehave: [`SwiftFault`]; what else tests do with it is in [`control`].

mod cdn;
mod control;
mod identity;
mod large;
mod listing;
mod objects;
mod temp_url;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::task::JoinSet;
use xylem_http::http_date;
use xylem_model::Timestamp;
use xylem_runtime::Environment;

use cdn::Cdn;
use identity::Tokens;
use objects::Account;

use crate::loopback::{self, OwnTls};

/// The container that is there.
pub const SWIFT_CONTAINER: &str = "packages";
/// The one user, as tempauth names it.
pub const SWIFT_USER: &str = "casper:rw";
/// Its password, which is its API key and the secret of its application credential too.
pub const SWIFT_PASSWORD: &str = "double/swift+planted";
/// Its project and the domain of both, in Keystone.
pub const SWIFT_PROJECT: &str = "macs";
/// The domain of user and project.
pub const SWIFT_DOMAIN: &str = "Default";
/// The application credential's id.
pub const SWIFT_CREDENTIAL: &str = "6fd1";
/// The region whose storage is this one; there is another one in the catalogue.
pub const SWIFT_REGION: &str = "ORD";

/// The account.
const ACCOUNT: &str = "AUTH_casper";
/// Most segments of a large object.
const MAX_SEGMENTS: usize = 1_000;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SwiftFault {
    /// Nothing.
    #[default]
    None,
    /// It answers 503 to everything.
    Busy,
    /// The container is not there.
    ContainerGone,
    /// Nobody logs in.
    LoginRefused,
    /// Its clock does not matter: no token that it gives is good.
    TokensRefused,
    /// A token is good for one request.
    TokensEnd,
    /// It has no TempURL.
    NoTempUrl,
    /// It has no static large objects.
    NoSegments,
    /// TempURL takes SHA-1 alone.
    OnlySha1,
    /// It does not know ranges.
    NoRanges,
    /// It gives out other bytes than were written.
    OtherBytes,
    /// It gives out everything to anybody.
    Public,
}

/// A strict Swift in memory. It ends when it is dropped.
pub struct SwiftDouble {
    state: Arc<State>,
    ca_pem: String,
    _task: JoinSet<()>,
}

struct State {
    environment: Environment,
    port: u16,
    account: Mutex<Account>,
    tokens: Mutex<Tokens>,
    cdn: Mutex<Cdn>,
    fault: Mutex<SwiftFault>,
    max_file_size: Mutex<u64>,
    /// Method and path of what was asked, without what could be a signature.
    asked: Mutex<Vec<String>>,
}

/// A refusal: status and message.
struct Refusal(StatusCode, String);

type Answer = Result<Response<Full<Bytes>>, Refusal>;

impl SwiftDouble {
    /// Begins to listen on a free port of the loopback, by the clock of an environment.
    pub async fn start(environment: &Environment) -> Self {
        let OwnTls { ca_pem, config } = OwnTls::make(environment, "swift");
        let (listener, port) = loopback::listener().await;
        let state = Arc::new(State {
            environment: environment.clone(),
            port,
            account: Mutex::new(Account::with(SWIFT_CONTAINER)),
            tokens: Mutex::default(),
            cdn: Mutex::default(),
            fault: Mutex::default(),
            max_file_size: Mutex::new(5 << 30),
            asked: Mutex::default(),
        });
        let mut task = JoinSet::new();
        let shared = Arc::clone(&state);
        let service = move |request| serve(Arc::clone(&shared), request);
        task.spawn(loopback::serve(listener, config, service));
        Self { state, ca_pem, _task: task }
    }
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    locked(&state.asked).push(format!("{} {}", asked.method, asked.path));
    let is_head = asked.method == Method::HEAD;
    let mut response = state.answer(&asked).unwrap_or_else(|refusal| refusal.response(is_head));
    let date = HeaderValue::try_from(http_date(state.now())).unwrap();
    response.headers_mut().insert(header::DATE, date);
    Ok(response)
}

/// A request, whole.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value of a parameter of the query, decoded.
    fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (is, value) = pair.split_once('=').unwrap_or((pair, ""));
            (is == name).then(|| decoded(value))
        })
    }
}

/// What a path below an account names, decoded.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Account,
    Container(String),
    Object(String, String),
}

impl Place {
    /// What stands behind the account, with its `/`.
    fn of(rest: &str) -> Self {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        match rest.split_once('/') {
            None if rest.is_empty() => Self::Account,
            None => Self::Container(decoded(rest)),
            Some((container, object)) => Self::Object(decoded(container), decoded(object)),
        }
    }
}

impl State {
    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    fn fault(&self) -> SwiftFault {
        *locked(&self.fault)
    }

    fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if self.fault() == SwiftFault::Busy {
            return Err(refused(503, "busy"));
        }
        if let Some(rest) = asked.path.strip_prefix("/public/") {
            return self.give_out(rest, asked);
        }
        if let Some(rest) = asked.path.strip_prefix(&format!("/cdn/v1/{ACCOUNT}")) {
            self.require_token(asked)?;
            return self.manage_cdn(Place::of(rest), asked);
        }
        if let Some(rest) = asked.path.strip_prefix(&format!("/v1/{ACCOUNT}")) {
            return self.storage(rest, asked);
        }
        match (&asked.method, asked.path.as_str()) {
            (&Method::GET, "/info") => Ok(self.info()),
            (&Method::GET, "/auth/v1.0") => self.tempauth(asked),
            (&Method::POST, "/identity/v3/auth/tokens") => self.keystone(asked),
            (&Method::POST, "/rackspace/v2.0/tokens") => self.rackspace(asked),
            (_, path) if path.starts_with("/v1/") => Err(refused(403, "another account")),
            _ => Err(refused(404, "the double has no such thing")),
        }
    }

    fn info(&self) -> Response<Full<Bytes>> {
        let fault = self.fault();
        let mut told = json!({ "swift": { "max_file_size": *locked(&self.max_file_size) } });
        if fault != SwiftFault::NoSegments {
            told["slo"] = json!({
                "max_manifest_segments": MAX_SEGMENTS,
                "max_manifest_size": 8 << 20,
                "min_segment_size": 1,
            });
        }
        if fault != SwiftFault::NoTempUrl {
            told["tempurl"] = json!({
                "methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
                "allowed_digests": temp_url::allowed(fault),
            });
        }
        json_answer(200, &told)
    }

    fn storage(&self, rest: &str, asked: &Asked) -> Answer {
        let (place, fault) = (Place::of(rest), self.fault());
        let scope = if asked.parameter("temp_url_sig").is_some() {
            self.check_temp_url(&place, asked)?
        } else if fault == SwiftFault::Public && asked.method == Method::GET {
            Scope::Token
        } else {
            self.require_token(asked)?;
            Scope::Token
        };
        let is_gone =
            |container: &str| fault == SwiftFault::ContainerGone && container == SWIFT_CONTAINER;
        if let Place::Container(container) | Place::Object(container, _) = &place
            && is_gone(container)
        {
            return Err(refused(404, "there is no such container"));
        }
        let limit = *locked(&self.max_file_size);
        let now = self.now();
        let mut account = locked(&self.account);
        match &place {
            Place::Account => account.answer(asked),
            Place::Container(container) => account.container(container, asked),
            Place::Object(container, name) => {
                account.object(container, name, asked, &objects::With { scope, fault, limit, now })
            }
        }
    }
}

/// By what a request is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Token,
    /// An address that the account's key signed.
    AccountKey,
    /// An address that the container's key signed: it opens that container alone.
    ContainerKey,
}

impl Refusal {
    fn response(self, is_head: bool) -> Response<Full<Bytes>> {
        let Self(status, message) = self;
        let body = if is_head { String::new() } else { message };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    }
}

fn refused(status: u16, message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::from_u16(status).unwrap(), message.into())
}

fn plain(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn json_answer(status: u16, value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = plain(status, value.to_string());
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Puts a header that a test wants to see.
fn tell(response: &mut Response<Full<Bytes>>, name: &'static str, value: &str) {
    response.headers_mut().insert(name, HeaderValue::try_from(value).unwrap());
}

/// What was percent-encoded.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
