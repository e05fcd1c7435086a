//! A strict Akamai over TLS: NetStorage, the edge in front of it, and the purge of that edge.
//!
//! There is no such server to be had, so this one refuses whatever the documents ("NetStorage Usage
//! API", "Auth Token 2.0 Verification", "Fast Purge API v3") say is refused, and where they leave a
//! choice the harder one is taken. It is written by them and shares no code with ours.
//!
//! * [`signature`]: the three headers of NetStorage. [`action`]: what may be asked, and how.
//! * [`tree`]: what lies there; the bytes are files on the disk, so that they may be large.
//!   [`upload`], [`listing`]: how it gets there, and how it is told. [`storage`]: each action.
//! * [`edge`], [`edge_token`]: giving out, from a cache that forgets only what was purged.
//! * [`purge`], [`edgegrid`]: that API, and its own signature.
//!
//! It can be told to misbehave: [`NetStorageFault`].

mod action;
mod double;
mod edge;
mod edge_token;
mod edgegrid;
mod give;
mod listing;
mod purge;
mod refusal;
mod signature;
mod storage;
#[cfg(test)]
mod tests;
mod tree;
mod upload;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Response, header};
use tempfile::TempDir;
use xylem_client::RequestBody;
use xylem_http::http_date;
use xylem_model::Timestamp;
use xylem_runtime::Environment;

pub use double::NetStorageDouble;

use edge::Cache;
use refusal::Refusal;
use tree::Tree;
use upload::UnderWay;

/// The one upload account, its key, and the CP code that it may use.
pub const NETSTORAGE_ACCOUNT: &str = "xylem-upload";
/// The account's key.
pub const NETSTORAGE_KEY: &str = "double-netstorage-key-planted";
/// The CP code.
pub const NETSTORAGE_CP_CODE: u32 = 123_456;
/// The name of the edge's token in a query.
pub const EDGE_TOKEN_NAME: &str = "__token__";
/// The secret of the edge's token, in hexadecimal.
pub const EDGE_TOKEN_SECRET: &str = "aabbccddeeff00112233445566778899";
/// What is signed with a token and not sent.
pub const EDGE_TOKEN_SALT: &str = "double-salt-planted";
/// The API client that may purge: its own token.
pub const EDGEGRID_CLIENT_TOKEN: &str = "akab-double-client-token";
/// Its secret.
pub const EDGEGRID_CLIENT_SECRET: &str = "double-edgegrid-secret-planted=";
/// Its access token.
pub const EDGEGRID_ACCESS_TOKEN: &str = "akab-double-access-token";

/// What is wrong with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NetStorageFault {
    /// Nothing.
    #[default]
    None,
    /// NetStorage answers 503 to everything.
    Busy,
    /// Its clock is so many seconds ahead.
    ClockAhead(u32),
    /// An upload is cut off after so many bytes.
    BreakAfter(u64),
    /// The edge does not know ranges.
    NoRanges,
    /// The edge gives out other bytes than were written.
    OtherBytes,
    /// The edge gives out everything to anybody.
    Public,
}

/// What an answer is, or a refusal of it.
type Answer = Result<Response<RequestBody>, Refusal>;

/// All that the three services share.
struct State {
    environment: Environment,
    folder: PathBuf,
    /// Kept for as long as anything is answered.
    _own: Option<TempDir>,
    tree: Mutex<Tree>,
    cache: Mutex<Cache>,
    under_way: Mutex<UnderWay>,
    fault: Mutex<NetStorageFault>,
    /// Times and numbers of requests to NetStorage; of those to the purge API: none comes again.
    seen: Mutex<BTreeSet<(i64, u64)>>,
    nonces: Mutex<BTreeSet<String>>,
    /// Action and path of what was asked, without what could be a signature.
    asked: Mutex<Vec<String>>,
    /// The edge's own address, by which objects are purged.
    edge_origin: Mutex<String>,
}

impl State {
    fn new(environment: &Environment, folder: &Path, own: Option<TempDir>) -> Arc<Self> {
        Arc::new(Self {
            environment: environment.clone(),
            folder: folder.to_owned(),
            _own: own,
            tree: Mutex::new(Tree::new(NETSTORAGE_CP_CODE, environment.clock.now())),
            cache: Mutex::default(),
            under_way: Mutex::default(),
            fault: Mutex::default(),
            seen: Mutex::default(),
            nonces: Mutex::default(),
            asked: Mutex::default(),
            edge_origin: Mutex::default(),
        })
    }

    fn fault(&self) -> NetStorageFault {
        *locked(&self.fault)
    }

    /// What its clock says.
    fn now(&self) -> Timestamp {
        let now = self.environment.clock.now();
        match self.fault() {
            NetStorageFault::ClockAhead(seconds) => {
                now.plus(Duration::from_secs(u64::from(seconds)))
            }
            _ => now,
        }
    }

    /// An answer as it goes out, a refusal too, with the time.
    fn dated(&self, answer: Answer) -> Response<RequestBody> {
        let mut response = answer.unwrap_or_else(Refusal::response);
        let date = HeaderValue::try_from(http_date(self.now())).unwrap();
        response.headers_mut().insert(header::DATE, date);
        response
    }

    fn note(&self, what: &str, path: &str) {
        locked(&self.asked).push(format!("{what} {path}"));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
