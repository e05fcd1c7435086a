//! A strict S3 in memory, over TLS: for tests that want to see what our requests are worth.
//!
//! * [`signature`]: refuses every request that is not signed as Amazon describes, or whose bytes are
//!   not those that were signed. It is written by that description and shares no code with ours.
//! * [`objects`]: what lies there. [`multipart`]: uploads in parts.
//!
//! It can be told to misbehave: [`S3Fault`]. Whoever [watches](S3Double::watch) it is told of what is done
//! there: [`S3Event`].

mod events;
mod multipart;
mod objects;
pub(crate) mod signature;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::task::JoinSet;
use xylem_http::http_date;
use xylem_model::Timestamp;
use xylem_runtime::{Environment, Listener};

pub use events::S3Event;
use objects::Objects;
pub(crate) use objects::ranged;
use signature::Realm;

use crate::loopback::{self, OwnTls};

/// The one bucket there is.
pub const S3_BUCKET: &str = "packages";
/// Its region.
pub const S3_REGION: &str = "eu-central-1";
/// The one key's id.
pub const S3_KEY_ID: &str = "XYLEMDOUBLE";
/// Its secret.
pub const S3_SECRET: &str = "double/secret+planted";

/// Whose requests it takes.
const REALM: Realm =
    Realm { key_id: S3_KEY_ID, secret: S3_SECRET, region: S3_REGION, service: "s3" };

/// What is wrong with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum S3Fault {
    /// Nothing.
    #[default]
    None,
    /// It answers 503 to everything.
    Busy,
    /// The bucket is not there.
    BucketGone,
    /// It is not there, and listings alone say so: whoever writes is told that it may not, as
    /// SeaweedFS tells keys that are for this bucket.
    BucketGoneUnsaid,
    /// Its clock is so many seconds ahead.
    ClockAhead(u32),
    /// It does not know ranges.
    NoRanges,
    /// It does not know `If-None-Match`.
    NoConditions,
    /// It gives out other bytes than were written.
    OtherBytes,
    /// It gives out everything to anybody.
    Public,
    /// It stores other bytes than were sent, and its word for them is of those.
    StoresOther,
    /// It stores other bytes than were sent, and its word for them is no digest.
    StoresOtherUnsaid,
    /// Every other answer is lost: what was asked for is done.
    LosesAnswers,
}

/// A strict S3 in memory. It ends when it is dropped.
pub struct S3Double {
    state: Arc<State>,
    host: String,
    port: u16,
    ca_pem: String,
    config: Arc<ServerConfig>,
    task: JoinSet<()>,
}

struct State {
    environment: Environment,
    objects: Mutex<Objects>,
    fault: Mutex<S3Fault>,
    /// Method and path of what was asked, without what could be a signature.
    asked: Mutex<Vec<String>>,
    answers: AtomicU64,
}

/// A refusal: status, code and message.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) &'static str, pub(crate) String);

type Answer = Result<Response<Full<Bytes>>, Refusal>;

impl S3Double {
    /// Begins to listen on a free port of the loopback, by the clock of an environment.
    pub async fn start(environment: &Environment) -> Self {
        let (listener, port) = loopback::listener().await;
        let mut double = Self::unheard(environment, "127.0.0.1", port);
        let (config, state) = (Arc::clone(&double.config), Arc::clone(&double.state));
        let service = move |request| serve(Arc::clone(&state), request);
        double.task.spawn(loopback::serve(listener, config, service));
        double
    }

    /// One that listens nowhere until it [serves](Self::serve) a port that somebody opened for it,
    /// such as one of a simulated network. What lies there outlives whoever serves it.
    pub fn unheard(environment: &Environment, host: &str, port: u16) -> Self {
        let OwnTls { ca_pem, config } = OwnTls::for_hosts(environment, "s3", &[host]);
        let state = Arc::new(State {
            environment: environment.clone(),
            objects: Mutex::default(),
            fault: Mutex::default(),
            asked: Mutex::default(),
            answers: AtomicU64::new(0),
        });
        Self { state, host: host.to_owned(), port, ca_pem, config, task: JoinSet::new() }
    }

    /// Answers whatever connects to a port.
    pub async fn serve(&self, listener: Box<dyn Listener>) {
        let state = Arc::clone(&self.state);
        let service = move |request| serve(Arc::clone(&state), request);
        loopback::serve_at(listener, Arc::clone(&self.config), service).await;
    }

    /// Tells of everything that is done from now on, in the moment in which it is done. Whoever is
    /// told must not call the double.
    pub fn watch(&self, watcher: impl Fn(&S3Event) + Send + Sync + 'static) {
        locked(&self.state.objects).watch(Box::new(watcher));
    }

    /// Takes parts of so many bytes on, but for the last, which real ones do not.
    pub fn take_small_parts(&self, bytes: usize) {
        locked(&self.state.objects).uploads.take_small_parts(bytes);
    }

    /// The same by the clock of this machine.
    pub async fn on_this_machine() -> Self {
        Self::start(&Environment::real()).await
    }

    /// Where it is: `https://…`.
    pub fn endpoint(&self) -> String {
        format!("https://{}:{}", self.host, self.port)
    }

    /// By which authority it is to be believed.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Has it misbehave from now on.
    pub fn misbehave(&self, fault: S3Fault) {
        *locked(&self.state.fault) = fault;
    }

    /// Names of all objects, in order.
    pub fn names(&self) -> Vec<String> {
        locked(&self.state.objects).names()
    }

    /// Names of uploads that were begun and neither ended nor given up.
    pub fn uploads(&self) -> Vec<String> {
        locked(&self.state.objects).uploads.names()
    }

    /// The bytes of an object.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        locked(&self.state.objects).bytes(name)
    }

    /// Reads objects of it, whenever it is called: what stands before the bucket and has its keys.
    pub fn reader(&self) -> impl Fn(&str) -> Option<Bytes> + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |name| locked(&state.objects).bytes(name)
    }

    /// Writes an object, as somebody else does who has the keys.
    pub fn place(&self, name: &str, bytes: impl Into<Bytes>) {
        self.state.objects_now().place(name, bytes.into());
    }

    /// Removes an object, as somebody else does who has the keys.
    pub fn take_away(&self, name: &str) {
        locked(&self.state.objects).take_away(name);
    }

    /// Begins an upload, as somebody else does who has the keys.
    pub fn begin_upload(&self, name: &str) {
        self.state.objects_now().uploads.begin(name, objects::Kept::default());
    }

    /// Gives up all uploads, as somebody else does who has the keys.
    pub fn forget_uploads(&self) {
        locked(&self.state.objects).uploads.forget();
    }

    /// Method and path of everything that was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.state.asked).clone()
    }
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let asked = Asked::read(request).await;
    locked(&state.asked).push(format!("{} {}", asked.method, asked.path));
    let is_head = asked.method == Method::HEAD;
    let answer = state.answer(&asked);
    if state.loses_this_answer() {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let mut response = answer.unwrap_or_else(|refusal| refusal.response(is_head));
    let date = HeaderValue::try_from(http_date(state.now())).unwrap();
    response.headers_mut().insert(header::DATE, date);
    Ok(response)
}

/// A request, whole.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// Reads it.
    pub(crate) async fn read(request: Request<Incoming>) -> Self {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value of a parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (is, value) = pair.split_once('=').unwrap_or((pair, ""));
            (is == name).then(|| decoded(value))
        })
    }
}

impl State {
    fn fault(&self) -> S3Fault {
        *locked(&self.fault)
    }

    fn loses_this_answer(&self) -> bool {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        self.fault() == S3Fault::LosesAnswers && number.is_multiple_of(2)
    }

    /// What its clock says.
    fn now(&self) -> Timestamp {
        let now = self.environment.clock.now();
        match self.fault() {
            S3Fault::ClockAhead(seconds) => now.plus(Duration::from_secs(u64::from(seconds))),
            _ => now,
        }
    }

    /// What lies there, by the clock of now.
    fn objects_now(&self) -> MutexGuard<'_, Objects> {
        let now = self.now();
        let mut objects = locked(&self.objects);
        objects.set_now(now);
        objects
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let fault = self.fault();
        if fault == S3Fault::Busy {
            return Err(refused(503, "SlowDown", "reduce your request rate"));
        }
        if !(fault == S3Fault::Public && asked.method == Method::GET) {
            signature::check(asked, &REALM, self.now())?;
        }
        let bucket = format!("/{S3_BUCKET}");
        let key = match asked.path.strip_prefix(&bucket) {
            Some(rest) if fault != S3Fault::BucketGone => rest.strip_prefix('/'),
            _ => return Err(refused(404, "NoSuchBucket", "the bucket does not exist")),
        };
        if fault == S3Fault::BucketGoneUnsaid {
            return Err(match asked.method {
                Method::GET => refused(404, "NoSuchBucket", "the bucket does not exist"),
                _ => refused(403, "AccessDenied", "access denied"),
            });
        }
        let mut objects = self.objects_now();
        match key.filter(|key| !key.is_empty()) {
            Some(key) => objects.answer(&decoded(key), asked, fault),
            None => objects.list(asked),
        }
    }
}

impl Refusal {
    pub(crate) fn response(self, is_head: bool) -> Response<Full<Bytes>> {
        let Self(status, code, message) = self;
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        // An answer to HEAD has no body, and so no code.
        let body = if is_head { String::new() } else { body };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    }
}

pub(crate) fn refused(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::from_u16(status).unwrap(), code, message.into())
}

/// What was percent-encoded.
pub(crate) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
