//! Rackspace's delivery network ("CDN object services operations" in the Cloud Files API guide).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use xylem_model::Timestamp;

use super::objects::part;
use super::{Answer, Asked, Place, State, decoded, locked, plain, refused, tell};

/// How long an object is kept where nothing is said, seconds.
const FIRST_TTL: u64 = 259_200;

/// Containers that are given out, and what caches have of them.
#[derive(Default)]
pub(super) struct Cdn {
    ttl_seconds: BTreeMap<String, u64>,
    cached: BTreeMap<(String, String), (Bytes, Timestamp)>,
}

impl State {
    /// What is asked at the network's own address, with a token that was found good.
    pub(super) fn manage_cdn(&self, place: Place, asked: &Asked) -> Answer {
        let mut cdn = locked(&self.cdn);
        match (&asked.method, place) {
            (&Method::PUT, Place::Container(container)) => {
                if asked.header("x-cdn-enabled") != Some("True") {
                    return Err(refused(400, "X-Cdn-Enabled lacks"));
                }
                let ttl = asked.header("x-ttl").map_or(Ok(FIRST_TTL), str::parse);
                let ttl = ttl.map_err(|_| refused(400, "X-Ttl is no number"))?;
                cdn.ttl_seconds.insert(container, ttl);
                Ok(plain(201, ""))
            }
            (&Method::HEAD, Place::Container(container)) => {
                let ttl = cdn.ttl_seconds.get(&container);
                let ttl = ttl.ok_or_else(|| refused(404, "it is not given out"))?;
                let mut response = plain(204, "");
                tell(&mut response, "x-cdn-enabled", "True");
                tell(&mut response, "x-ttl", &ttl.to_string());
                tell(&mut response, "x-cdn-ssl-uri", &self.url(&format!("/public/{container}")));
                tell(&mut response, "x-cdn-uri", "http://open.example.org");
                Ok(response)
            }
            (&Method::DELETE, Place::Object(container, name)) => {
                cdn.cached.remove(&(container, name));
                Ok(plain(204, ""))
            }
            _ => Err(refused(405, "the double has no such thing")),
        }
    }

    /// An object by its open address: what a cache has, until its time is over or it was purged.
    pub(super) fn give_out(&self, rest: &str, asked: &Asked) -> Answer {
        let gone = || refused(404, "it is not given out");
        let (container, name) = rest.split_once('/').ok_or_else(gone)?;
        let (container, name) = (decoded(container), decoded(name));
        let mut cdn = locked(&self.cdn);
        let ttl = *cdn.ttl_seconds.get(&container).ok_or_else(gone)?;
        let (key, now) = ((container, name), self.now());
        let fresh = cdn.cached.get(&key).filter(|(_, until)| *until > now);
        let bytes = match fresh {
            Some((bytes, _)) => bytes.clone(),
            None => {
                let bytes = locked(&self.account).bytes(&key.0, &key.1).ok_or_else(gone)?;
                let until = now.plus(Duration::from_secs(ttl));
                cdn.cached.insert(key, (bytes.clone(), until));
                bytes
            }
        };
        match asked.header("range") {
            None => Ok(plain(200, bytes)),
            Some(range) => part(&bytes, range),
        }
    }

    /// Gives a container out.
    pub(super) fn enable(&self, container: &str) {
        locked(&self.cdn).ttl_seconds.insert(container.to_owned(), FIRST_TTL);
    }

    /// How long objects of a container are kept; none where it is not given out.
    pub(super) fn ttl_of(&self, container: &str) -> Option<u64> {
        locked(&self.cdn).ttl_seconds.get(container).copied()
    }
}
