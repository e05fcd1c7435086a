//! The delivery edge: gives out what it has a token for, out of its cache where that has it.
//!
//! An object that was given out once is given out from then on, whatever becomes of it in
//! NetStorage, until it is purged.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use xylem_client::{RequestBody, empty_body};

use super::edge_token::{self, Path};
use super::give::{part, ranged};
use super::refusal::{decoded, refused};
use super::tree::Stored;
use super::{Answer, NETSTORAGE_CP_CODE, NetStorageFault, State, locked};

/// Objects that were given out, by their paths at the edge, decoded.
#[derive(Debug, Default)]
pub(super) struct Cache(BTreeMap<String, Stored>);

impl Cache {
    /// Forgets an object.
    pub(super) fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }
}

/// Answers a request to the edge.
pub(super) async fn serve(
    state: Arc<State>,
    request: Request<Incoming>,
) -> io::Result<Response<RequestBody>> {
    let answer = state.give(&request);
    Ok(state.dated(answer))
}

impl State {
    fn give(&self, request: &Request<Incoming>) -> Answer {
        let (uri, fault) = (request.uri(), self.fault());
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(refused(405, "objects are read here, and no more"));
        }
        let path = decoded(uri.path())?;
        if fault != NetStorageFault::Public {
            let asked = Path { sent: uri.path(), decoded: &path };
            edge_token::check(uri.query(), asked, self.now()).map_err(|why| refused(403, why))?;
        }
        self.note("edge", &path);
        let stored = self.cached(&path)?;
        let other = fault == NetStorageFault::OtherBytes;
        let range = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok());
        let mut response = match range.filter(|_| fault != NetStorageFault::NoRanges) {
            Some(range) => ranged(&stored, range, other)?,
            None => part(&stored, 0, stored.size, other),
        };
        if request.method() == Method::HEAD {
            *response.body_mut() = empty_body();
        }
        Ok(response)
    }

    fn cached(&self, path: &str) -> Result<Stored, super::Refusal> {
        let mut cache = locked(&self.cache);
        if let Some(stored) = cache.0.get(path) {
            return Ok(stored.clone());
        }
        let there = format!("/{NETSTORAGE_CP_CODE}{path}");
        let stored = locked(&self.tree).file(&there)?.clone();
        cache.0.insert(path.to_owned(), stored.clone());
        Ok(stored)
    }
}
