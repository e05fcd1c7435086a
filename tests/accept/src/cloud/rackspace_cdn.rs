//! Rackspace's delivery network ("CDN object services operations" in the Cloud Files API guide): it gives
//! a container out to anybody, and keeps what it has until it is purged or its time is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::front::{Asked, Does, Reply, ask_plainly};

/// Below which path containers are given out.
pub(super) const PUBLIC: &str = "/give-out/";

/// How long an object is kept where nothing is said, and at least and at most, seconds.
const FIRST_TTL: u64 = 259_200;
const TTL: std::ops::RangeInclusive<u64> = 900..=31_536_000;

/// The largest object that is kept, bytes: what is larger is asked for each time.
const MAX_KEPT_BYTES: u64 = 8 << 20;

/// The account, as it is called in paths.
const ACCOUNT: &str = "AUTH_casper";

/// The network.
#[derive(Debug)]
pub(super) struct Cdn {
    /// Where Swift is, without TLS.
    storage: u16,
    /// How long a second of what is kept lasts.
    second: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How long objects of a container are kept, seconds, and whether it is given out still.
    containers: BTreeMap<String, (u64, bool)>,
    /// What is kept of an object, by its path, and until when.
    kept: BTreeMap<String, (Vec<u8>, Instant)>,
    given: u64,
}

impl Cdn {
    /// One that gives out what a Swift at this port has.
    pub(super) fn before(storage: u16, second: Duration) -> Self {
        Self { storage, second, state: Mutex::default() }
    }

    /// How many answers it gave to anybody.
    pub(super) fn given(&self) -> u64 {
        self.state().given
    }

    /// What the account's owner asks at the network's own address, below the version.
    pub(super) fn manage(&self, asked: &Asked, rest: &str) -> Reply {
        let mut parts = rest.splitn(3, '/');
        let (account, container) = (parts.next(), parts.next().filter(|name| !name.is_empty()));
        let (Some(ACCOUNT), Some(container)) = (account, container) else {
            return Reply::text(404, "there is no such account or container");
        };
        match (asked.method.as_str(), parts.next()) {
            ("PUT" | "POST", None) => self.set(asked, container),
            ("HEAD", None) => self.tell(asked, container),
            ("DELETE", Some(object)) => self.purge(container, object),
            _ => Reply::text(405, "the method is not allowed"),
        }
    }

    fn set(&self, asked: &Asked, container: &str) -> Reply {
        let mut state = self.state();
        let before = state.containers.get(container).copied();
        let enabled = match (asked.method.as_str(), asked.header("x-cdn-enabled"), before) {
            ("POST", _, None) => return Reply::text(404, "it is not given out"),
            (_, Some(word), _) if word.eq_ignore_ascii_case("true") => true,
            (_, Some(word), _) if word.eq_ignore_ascii_case("false") => false,
            ("POST", None, Some((_, enabled))) => enabled,
            _ => return Reply::text(400, "X-Cdn-Enabled is to be True or False"),
        };
        let ttl = match asked.header("x-ttl").map(str::parse::<u64>) {
            None => before.map_or(FIRST_TTL, |(ttl, _)| ttl),
            Some(Ok(ttl)) if TTL.contains(&ttl) => ttl,
            Some(_) => return Reply::text(400, "X-Ttl is not from 900 to 31536000"),
        };
        state.containers.insert(container.to_owned(), (ttl, enabled));
        drop(state);
        let status = if asked.method == "POST" || before.is_some() { 202 } else { 201 };
        addressed(Reply::empty(status), asked, container)
    }

    fn tell(&self, asked: &Asked, container: &str) -> Reply {
        let Some((ttl, enabled)) = self.state().containers.get(container).copied() else {
            return Reply::text(404, "it is not given out");
        };
        let enabled = if enabled { "True" } else { "False" };
        let reply = addressed(Reply::empty(204), asked, container);
        reply.with("x-cdn-enabled", enabled).with("x-ttl", &ttl.to_string())
    }

    /// Takes an object out of the caches, and nowhere else away.
    fn purge(&self, container: &str, object: &str) -> Reply {
        let mut state = self.state();
        if !state.containers.contains_key(container) {
            return Reply::text(404, "it is not given out");
        }
        state.kept.remove(&format!("{container}/{object}"));
        Reply::empty(204)
    }

    /// What anybody is given at the public address: what is kept, or what is there now.
    pub(super) fn give_out(&self, asked: &Asked, rest: &str, token: &str) -> Does {
        let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
        let (container, object) = rest.split_once('/').unwrap_or((rest, ""));
        let ttl = match self.state().containers.get(container) {
            Some((ttl, true)) if !object.is_empty() => *ttl,
            _ => return Does::Answer(Reply::text(404, "it is not given out")),
        };
        if !matches!(asked.method.as_str(), "GET" | "HEAD") {
            return Does::Answer(Reply::text(405, "it is for reading"));
        }
        let target = format!("/v1/{ACCOUNT}/{rest}");
        match self.keep(rest, &target, ttl, token) {
            Kept::Bytes(bytes) => {
                self.state().given += 1;
                Does::Answer(part(&bytes, asked.header("range")))
            }
            Kept::Refused(reply) => Does::Answer(reply),
            Kept::TooLarge => {
                self.state().given += 1;
                Does::Pass { target, token: Some(token.to_owned()) }
            }
        }
    }

    /// What is kept of an object; where nothing is, or its time is over, it is fetched.
    fn keep(&self, rest: &str, target: &str, ttl: u64, token: &str) -> Kept {
        let now = Instant::now();
        if let Some((bytes, until)) = self.state().kept.get(rest)
            && *until > now
        {
            return Kept::Bytes(bytes.clone());
        }
        let headers = [("x-auth-token", token), ("range", "bytes=0-0")];
        let size = match ask_plainly(self.storage, "GET", target, &headers) {
            Ok(reply) if reply.status == 206 => whole_size(&reply),
            Ok(reply) if matches!(reply.status, 200 | 416) => Some(0),
            Ok(reply) => return Kept::Refused(Reply::text(reply.status, "the origin refuses")),
            Err(error) => return Kept::Refused(Reply::text(502, &format!("{error:#}"))),
        };
        if size.is_none_or(|size| size > MAX_KEPT_BYTES) {
            return Kept::TooLarge;
        }
        match ask_plainly(self.storage, "GET", target, &[("x-auth-token", token)]) {
            Ok(reply) if reply.status == 200 => {
                let seconds = u32::try_from(ttl).unwrap_or(u32::MAX);
                let kept = (reply.body.clone(), now + self.second * seconds);
                self.state().kept.insert(rest.to_owned(), kept);
                Kept::Bytes(reply.body)
            }
            Ok(reply) => Kept::Refused(Reply::text(reply.status, "the origin refuses")),
            Err(error) => Kept::Refused(Reply::text(502, &format!("{error:#}"))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Kept {
    Bytes(Vec<u8>),
    Refused(Reply),
    TooLarge,
}

/// The addresses of a container that is given out. Only one of them has TLS.
fn addressed(reply: Reply, asked: &Asked, container: &str) -> Reply {
    let secure = format!("https://{}{PUBLIC}{container}", asked.host());
    reply
        .with("x-cdn-uri", "http://cdn.invalid")
        .with("x-cdn-ssl-uri", &secure)
        .with("x-cdn-streaming-uri", "http://stream.invalid")
        .with("x-cdn-ios-uri", "http://ios.invalid")
}

/// The size that an answer to a range tells of the whole.
fn whole_size(reply: &Reply) -> Option<u64> {
    let range = reply.headers.iter().find(|(name, _)| name == "content-range")?;
    range.1.rsplit_once('/')?.1.parse().ok()
}

/// All of these bytes, or the one range that is asked for.
fn part(bytes: &[u8], range: Option<&str>) -> Reply {
    let all = || Reply::empty(200).with("accept-ranges", "bytes").with_body(bytes.to_vec());
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else { return all() };
    // Of several ranges at once there may be given the whole (RFC 9110, section 14.2).
    let Some((from, to)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return all();
    };
    let size = bytes.len() as u64;
    let (from, to) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) => (from, to.saturating_add(1).min(size)),
        (Ok(from), Err(_)) => (from, size),
        (Err(_), Ok(last)) => (size.saturating_sub(last), size),
        (Err(_), Err(_)) => return all(),
    };
    let place = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let piece = place.and_then(|(from, to)| bytes.get(from..to)).filter(|piece| !piece.is_empty());
    let Some(piece) = piece else {
        return Reply::empty(416).with("content-range", &format!("bytes */{size}"));
    };
    Reply::empty(206)
        .with("content-range", &format!("bytes {from}-{}/{size}", to - 1))
        .with_body(piece.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_given_as_http_has_them() {
        let told = |range: Option<&str>| {
            let reply = part(b"abcdef", range);
            let at = reply.headers.into_iter().find(|(name, _)| name == "content-range");
            (reply.status, reply.body, at.map(|(_, at)| at).unwrap_or_default())
        };
        for whole in [None, Some("lines=1-2"), Some("bytes=0-1,3-4"), Some("bytes=-")] {
            assert_eq!(told(whole), (200, b"abcdef".to_vec(), String::new()), "{whole:?}");
        }
        for (range, bytes, at) in [
            ("bytes=0-0", "a", "bytes 0-0/6"),
            ("bytes=2-", "cdef", "bytes 2-5/6"),
            ("bytes=4-99", "ef", "bytes 4-5/6"),
            ("bytes=-2", "ef", "bytes 4-5/6"),
        ] {
            assert_eq!(told(Some(range)), (206, bytes.as_bytes().to_vec(), at.to_owned()));
        }
        for none in ["bytes=6-", "bytes=4-2"] {
            assert_eq!(told(Some(none)), (416, Vec::new(), "bytes */6".to_owned()), "{none}");
        }
    }
}
