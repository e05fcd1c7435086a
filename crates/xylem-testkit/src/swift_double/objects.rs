//! Containers, and what lies in them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body_util::Full;
use md5::{Digest as _, Md5};
use xylem_model::Timestamp;

use super::large::{Manifest, written};
use super::{Answer, Asked, Refusal, Scope, SwiftFault, plain, refused, tell};

/// Longest page of a listing.
const MAX_PAGE: usize = 10_000;
const META: &str = "x-object-meta-sha256";
const KEYS: [&str; 2] = ["temp-url-key", "temp-url-key-2"];

/// An account.
#[derive(Default)]
pub(super) struct Account {
    /// Its TempURL keys; empty where none is set.
    pub(super) keys: [String; 2],
    pub(super) containers: BTreeMap<String, Container>,
}

#[derive(Default)]
pub(super) struct Container {
    pub(super) keys: [String; 2],
    pub(super) objects: BTreeMap<String, Object>,
    /// Whether its listings tell the digests of large objects, as in newer versions.
    pub(super) tells_large: bool,
    /// What its listings do not know yet.
    pub(super) unlisted: BTreeSet<String>,
}

pub(super) struct Object {
    /// Of a large one, its manifest.
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) kept: HeaderMap,
    pub(super) written: Timestamp,
    pub(super) manifest: Option<Manifest>,
}

/// What a request to an object is answered by.
pub(super) struct With {
    pub(super) scope: Scope,
    pub(super) fault: SwiftFault,
    /// Largest object, bytes.
    pub(super) limit: u64,
    pub(super) now: Timestamp,
}

pub(super) fn md5_of(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

impl Account {
    pub(super) fn with(container: &str) -> Self {
        let containers = BTreeMap::from([(container.to_owned(), Container::default())]);
        Self { keys: Default::default(), containers }
    }

    /// Asks after the account, or sets its keys.
    pub(super) fn answer(&mut self, asked: &Asked) -> Answer {
        keys_of(&mut self.keys, "x-account-meta-", asked)
    }

    pub(super) fn container(&mut self, name: &str, asked: &Asked) -> Answer {
        if asked.method == Method::PUT {
            let is_new = !self.containers.contains_key(name);
            self.containers.entry(name.to_owned()).or_default();
            return Ok(plain(if is_new { 201 } else { 202 }, ""));
        }
        let container = self.containers.get_mut(name);
        let container = container.ok_or_else(|| refused(404, "there is no such container"))?;
        match asked.method {
            Method::GET => container.list(asked),
            _ => keys_of(&mut container.keys, "x-container-meta-", asked),
        }
    }

    pub(super) fn object(
        &mut self,
        container: &str,
        name: &str,
        asked: &Asked,
        with: &With,
    ) -> Answer {
        if asked.parameter("multipart-manifest").as_deref() == Some("delete") {
            return Err(refused(400, "what a manifest names is not to be deleted by its word"));
        }
        if !self.containers.contains_key(container) {
            return Err(refused(404, "there is no such container"));
        }
        match asked.method {
            Method::PUT => self.put(container, name, asked, with),
            Method::GET | Method::HEAD => self.give(container, name, asked, with),
            Method::POST => {
                let object = self.found(container, name)?;
                object.kept = kept(asked);
                Ok(plain(202, ""))
            }
            Method::DELETE => {
                self.found(container, name)?;
                self.containers.get_mut(container).unwrap().objects.remove(name);
                Ok(plain(204, ""))
            }
            _ => Err(refused(405, "the double has no such thing")),
        }
    }

    fn found(&mut self, container: &str, name: &str) -> Result<&mut Object, Refusal> {
        let container = self.containers.get_mut(container);
        let object = container.and_then(|container| container.objects.get_mut(name));
        object.ok_or_else(|| refused(404, "there is no such object"))
    }

    fn put(&mut self, container: &str, name: &str, asked: &Asked, with: &With) -> Answer {
        let is_there = self.containers[container].objects.contains_key(name);
        if asked.header("if-none-match") == Some("*") && is_there {
            return Err(refused(412, "precondition failed"));
        }
        // An address drops every other parameter of a query.
        let is_manifest = with.scope == Scope::Token
            && asked.parameter("multipart-manifest").as_deref() == Some("put");
        if !is_manifest && asked.body.len() as u64 > with.limit {
            return Err(refused(413, "your request is too large"));
        }
        let manifest = match is_manifest {
            true if with.fault == SwiftFault::NoSegments => {
                return Err(refused(405, "there are no static large objects"));
            }
            true => Some(written(self, &asked.body)?),
            false => None,
        };
        let etag = manifest.as_ref().map_or_else(|| md5_of(&asked.body), Manifest::etag);
        if asked.header("etag").is_some_and(|given| given.trim_matches('"') != etag) {
            return Err(refused(422, "the ETag is another"));
        }
        let mut response = plain(201, "");
        let told = if manifest.is_some() { format!("\"{etag}\"") } else { etag.clone() };
        tell(&mut response, "etag", &told);
        let (bytes, kept, written) = (asked.body.clone(), kept(asked), with.now);
        let object = Object { bytes, etag, kept, written, manifest };
        self.containers.get_mut(container).unwrap().objects.insert(name.to_owned(), object);
        Ok(response)
    }

    fn give(&self, container: &str, name: &str, asked: &Asked, with: &With) -> Answer {
        let object = self.containers[container].objects.get(name);
        let object = object.ok_or_else(|| refused(404, "there is no such object"))?;
        let is_head = asked.method == Method::HEAD;
        let size = object.size();
        let mut response = if is_head {
            let mut response = plain(200, "");
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            response
        } else {
            let bytes = match (&object.manifest, with.scope) {
                (None, _) => object.bytes.clone(),
                (Some(manifest), Scope::ContainerKey) if !manifest.is_within(container) => {
                    return Err(refused(409, "a segment is not to be read with this key"));
                }
                (Some(manifest), _) => manifest.read(self)?,
            };
            let bytes = match with.fault {
                SwiftFault::OtherBytes => bytes.iter().map(|byte| !byte).collect(),
                _ => bytes,
            };
            let range = asked.header("range").filter(|_| with.fault != SwiftFault::NoRanges);
            match range {
                None => plain(200, bytes),
                Some(range) => part(&bytes, range)?,
            }
        };
        object.describe(&mut response, asked, with.scope);
        Ok(response)
    }

    /// The bytes of an object.
    pub(super) fn bytes(&self, container: &str, name: &str) -> Option<Bytes> {
        let object = self.containers.get(container)?.objects.get(name)?;
        match &object.manifest {
            None => Some(object.bytes.clone()),
            Some(manifest) => manifest.read(self).ok(),
        }
    }

    /// Writes an object, as somebody does who has no part in what is tested.
    pub(super) fn place(&mut self, container: &str, name: &str, bytes: Bytes, written: Timestamp) {
        let etag = md5_of(&bytes);
        let object = Object { bytes, etag, kept: HeaderMap::new(), written, manifest: None };
        let container = self.containers.entry(container.to_owned()).or_default();
        container.objects.insert(name.to_owned(), object);
    }
}

impl Object {
    pub(super) fn size(&self) -> u64 {
        self.manifest.as_ref().map_or(self.bytes.len() as u64, Manifest::size)
    }

    fn describe(&self, response: &mut Response<Full<Bytes>>, asked: &Asked, scope: Scope) {
        match &self.manifest {
            Some(_) => {
                tell(response, "etag", &format!("\"{}\"", self.etag));
                tell(response, "x-static-large-object", "True");
            }
            None => tell(response, "etag", &self.etag),
        }
        for (name, value) in &self.kept {
            // An address lets no metadata out.
            if scope == Scope::Token || name != META {
                response.headers_mut().insert(name, value.clone());
            }
        }
        if scope != Scope::Token
            && let Some(name) = asked.parameter("filename")
        {
            let name =
                percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
            tell(response, "content-disposition", &format!("attachment; filename*=UTF-8''{name}"));
        }
    }
}

impl Container {
    fn list(&self, asked: &Asked) -> Answer {
        if asked.parameter("format").as_deref() != Some("json") {
            return Err(refused(412, "the double lists as JSON alone"));
        }
        let limit = asked.parameter("limit").map_or(Ok(MAX_PAGE), |limit| limit.parse());
        let limit = limit.ok().filter(|limit| *limit <= MAX_PAGE);
        let limit = limit.ok_or_else(|| refused(412, "the limit is too large"))?;
        let prefix = asked.parameter("prefix").unwrap_or_default();
        let marker = asked.parameter("marker").unwrap_or_default();
        Ok(super::listing::page(self, &prefix, &marker, limit))
    }
}

/// What stays with an object.
fn kept(asked: &Asked) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [META, "content-disposition", "content-type"] {
        if let Some(value) = asked.headers.get(name) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

/// Tells two keys, or sets those that are named; an empty one is taken away.
fn keys_of(keys: &mut [String; 2], prefix: &str, asked: &Asked) -> Answer {
    let mut response = plain(204, "");
    match asked.method {
        Method::HEAD => {
            for (name, key) in KEYS.iter().zip(keys).filter(|(_, key)| !key.is_empty()) {
                let name = header::HeaderName::try_from(format!("{prefix}{name}")).unwrap();
                response.headers_mut().insert(name, HeaderValue::try_from(&*key).unwrap());
            }
        }
        Method::POST => {
            for (name, key) in KEYS.iter().zip(keys) {
                if let Some(given) = asked.header(&format!("{prefix}{name}")) {
                    given.clone_into(key);
                }
            }
        }
        _ => return Err(refused(405, "the double has no such thing")),
    }
    Ok(response)
}

/// One range with both ends, which is all that is asked for.
pub(super) fn part(bytes: &Bytes, range: &str) -> Answer {
    let bad = || refused(416, "the range is none of it");
    let (first, last) =
        range.strip_prefix("bytes=").and_then(|ends| ends.split_once('-')).ok_or_else(bad)?;
    let (first, last): (usize, usize) =
        (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
    if first > last || first >= bytes.len() {
        return Err(bad());
    }
    let last = last.min(bytes.len() - 1);
    let mut response = plain(206, bytes.slice(first..=last));
    tell(&mut response, "content-range", &format!("bytes {first}-{last}/{}", bytes.len()));
    Ok(response)
}
