//! `CreateInvalidation`, version 2020-05-31.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use xylem_runtime::Environment;

use super::{CLOUDFRONT_DISTRIBUTION, CLOUDFRONT_HOST};
use crate::loopback;
use crate::s3_double::signature::{Realm, check};
use crate::s3_double::{Asked, Refusal, locked, refused};

/// The region that all requests are signed for, and the service.
const REGION: &str = "us-east-1";
const SERVICE: &str = "cloudfront";

/// Most paths that are under way ("Concurrent invalidation request maximum").
const MAX_PATHS: usize = 3_000;

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

/// All that were asked for.
#[derive(Default)]
pub(super) struct Invalidations {
    taken: Vec<Invalidation>,
    is_held: bool,
    /// How many requests are answered with 503 from now on.
    pub(super) busy: u32,
    /// How many are carried out and answered with 500 from now on.
    pub(super) lost: u32,
    pub(super) refused: u32,
}

/// One of them.
struct Invalidation {
    batch: Batch,
    is_under_way: bool,
}

/// What became of a request.
pub(super) struct Taken {
    pub(super) number: usize,
    pub(super) is_under_way: bool,
    /// Paths that are to be forgotten now.
    pub(super) ended: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) reference: String,
    pub(super) paths: Vec<String>,
}

/// What takes objects out of an edge's cache. It ends when it is dropped.
pub struct CloudFrontControl {
    state: Arc<State>,
    port: u16,
    _task: JoinSet<()>,
}

/// What takes paths out of the cache.
type Forget = Box<dyn Fn(&[String]) + Send + Sync>;

struct State {
    environment: Environment,
    realm: Realm,
    invalidations: Mutex<Invalidations>,
    forget: Forget,
}

impl CloudFrontControl {
    /// Begins to listen at an address, for whoever has these keys: an id and a secret.
    ///
    /// # Errors
    /// When nobody can listen there.
    pub async fn start(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        keys: (&'static str, &'static str),
        forget: impl Fn(&[String]) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self::on(listener, tls, &Environment::real(), keys, forget))
    }

    /// The same on what listens already, by the clock of an environment.
    pub(super) fn on(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        environment: &Environment,
        (key_id, secret): (&'static str, &'static str),
        forget: impl Fn(&[String]) + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            environment: environment.clone(),
            realm: Realm { key_id, secret, region: REGION, service: SERVICE },
            invalidations: Mutex::default(),
            forget: Box::new(forget),
        });
        let (shared, mut task) = (Arc::clone(&state), JoinSet::new());
        let serve = move |request: Request<Incoming>| {
            let state = Arc::clone(&shared);
            async move { io::Result::Ok(serve(&state, &Asked::read(request).await)) }
        };
        task.spawn(loopback::serve(listener, tls, serve));
        Self { state, port, _task: task }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has what is asked for from now on stay under way, or all of it end.
    pub fn hold(&self, is_held: bool) {
        let ended = locked(&self.state.invalidations).hold(is_held);
        (self.state.forget)(&ended);
    }

    /// Has it answer so many requests with 503 before it does anything.
    pub fn be_busy(&self, times: u32) {
        locked(&self.state.invalidations).busy = times;
    }

    /// Has it carry out so many requests, and answer 500 all the same: as where an answer is lost.
    pub fn lose_answers(&self, times: u32) {
        locked(&self.state.invalidations).lost = times;
    }

    /// References and paths of all invalidations, in order.
    pub fn invalidated(&self) -> Vec<(String, Vec<String>)> {
        locked(&self.state.invalidations).all()
    }

    /// How many requests were refused, other than by being busy.
    pub fn refused(&self) -> u32 {
        locked(&self.state.invalidations).refused
    }
}

fn serve(state: &State, asked: &Asked) -> Response<Full<Bytes>> {
    answer(state, asked).unwrap_or_else(|Refusal(status, code, message)| {
        respond(
            status,
            &format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
                 <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            ),
        )
    })
}

fn answer(state: &State, asked: &Asked) -> Result<Response<Full<Bytes>>, Refusal> {
    let mut all = locked(&state.invalidations);
    if let Some(less) = all.busy.checked_sub(1) {
        all.busy = less;
        return Err(refused(503, "ServiceUnavailable", "try again"));
    }
    let taken = checked(state, asked).and_then(|batch| all.take(batch));
    all.refused += u32::from(taken.is_err());
    let Taken { number, is_under_way, ended } = taken?;
    (state.forget)(&ended);
    if let Some(less) = all.lost.checked_sub(1) {
        all.lost = less;
        return Err(refused(500, "InternalError", "nobody knows what became of it"));
    }
    let status = if is_under_way { "InProgress" } else { "Completed" };
    let told = format!(
        "<Invalidation xmlns=\"{NAMESPACE}\"><Id>I{number}</Id><Status>{status}</Status></Invalidation>"
    );
    Ok(respond(StatusCode::CREATED, &told))
}

/// What is asked for, by whoever may ask.
fn checked(state: &State, asked: &Asked) -> Result<Batch, Refusal> {
    let (now, host) = (state.environment.clock.now(), asked.header("host"));
    if host != Some(CLOUDFRONT_HOST) || asked.method != Method::POST || !asked.query.is_empty() {
        return Err(refused(400, "InvalidArgument", "this is not what is asked here"));
    }
    check(asked, &state.realm, now)?;
    if asked.path != format!("/2020-05-31/distribution/{CLOUDFRONT_DISTRIBUTION}/invalidation") {
        return Err(refused(404, "NoSuchDistribution", "the distribution does not exist"));
    }
    let text = std::str::from_utf8(&asked.body).map_err(|_| malformed())?;
    Batch::read(text)
}

impl Invalidations {
    /// Takes one, or says what became of the same one before.
    pub(super) fn take(&mut self, batch: Batch) -> Result<Taken, Refusal> {
        let before = self.taken.iter().position(|it| it.batch.reference == batch.reference);
        if let Some(number) = before {
            let Invalidation { batch: other, is_under_way } = &self.taken[number];
            let is_under_way = *is_under_way;
            if *other != batch {
                let told = "there is an invalidation of other paths by this reference";
                return Err(refused(400, "InvalidationBatchAlreadyExists", told));
            }
            return Ok(Taken { number, is_under_way, ended: Vec::new() });
        }
        let under_way = self.taken.iter().filter(|it| it.is_under_way);
        let under_way: usize = under_way.map(|it| it.batch.paths.len()).sum();
        if under_way + batch.paths.len() > MAX_PATHS {
            let told = "too many paths are under way";
            return Err(refused(400, "TooManyInvalidationsInProgress", told));
        }
        let ended = if self.is_held { Vec::new() } else { batch.paths.clone() };
        let (number, is_under_way) = (self.taken.len(), self.is_held);
        self.taken.push(Invalidation { batch, is_under_way });
        Ok(Taken { number, is_under_way, ended })
    }

    /// Has what is asked for stay under way, or end; gives the paths that are to be forgotten.
    pub(super) fn hold(&mut self, is_held: bool) -> Vec<String> {
        self.is_held = is_held;
        let mut ended = Vec::new();
        for one in self.taken.iter_mut().filter(|it| it.is_under_way && !is_held) {
            one.is_under_way = false;
            ended.extend(one.batch.paths.iter().cloned());
        }
        ended
    }

    pub(super) fn all(&self) -> Vec<(String, Vec<String>)> {
        let batches = self.taken.iter().map(|it| &it.batch);
        batches.map(|batch| (batch.reference.clone(), batch.paths.clone())).collect()
    }
}

impl Batch {
    /// Reads the document, whose elements come in the order of Amazon's schema and without white
    /// space, as Amazon's own clients write it.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let first = format!("<InvalidationBatch xmlns=\"{NAMESPACE}\"><Paths><Quantity>");
        let rest = text.strip_prefix(&first).ok_or_else(malformed)?;
        let (quantity, rest) = rest.split_once("</Quantity><Items>").ok_or_else(malformed)?;
        let (items, rest) =
            rest.split_once("</Items></Paths><CallerReference>").ok_or_else(malformed)?;
        let reference = rest.strip_suffix("</CallerReference></InvalidationBatch>");
        let reference = plain(reference.ok_or_else(malformed)?)?;
        let mut paths = Vec::new();
        let mut items = items;
        while let Some(rest) = items.strip_prefix("<Path>") {
            let (path, rest) = rest.split_once("</Path>").ok_or_else(malformed)?;
            paths.push(plain(path)?);
            items = rest;
        }
        if !items.is_empty() || reference.is_empty() {
            return Err(malformed());
        }
        if quantity.parse() != Ok(paths.len()) || paths.is_empty() {
            return Err(refused(400, "InconsistentQuantities", "there are not so many paths"));
        }
        // What a URL may have, and no blank; `*` would take more than what was named.
        let is_path = |path: &String| {
            let may = |byte: u8| byte.is_ascii_graphic() && !b"*<>\"".contains(&byte);
            path.starts_with('/') && path.bytes().all(may)
        };
        match paths.iter().all(is_path) {
            true => Ok(Self { reference, paths }),
            false => Err(refused(400, "InvalidArgument", "a path is none")),
        }
    }
}

/// The text of an element, which holds no other.
fn plain(text: &str) -> Result<String, Refusal> {
    if text.contains(['<', '>']) {
        return Err(malformed());
    }
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Ok(marks.iter().fold(text.to_owned(), |text, (mark, is)| text.replace(mark, is)))
}

fn malformed() -> Refusal {
    refused(400, "MalformedInput", "the document is none")
}

fn respond(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())));
    *response.status_mut() = status;
    response
}
