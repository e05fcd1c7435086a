//! Static large objects ("Static Large Objects" in Swift's documentation).

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::objects::{Account, Object, md5_of};
use super::{MAX_SEGMENTS, Refusal, refused};

/// What a large object is made of.
#[derive(Clone)]
pub(super) struct Manifest(Vec<Segment>);

#[derive(Clone)]
struct Segment {
    container: String,
    name: String,
    etag: String,
    bytes: u64,
}

impl Manifest {
    /// MD5 of the segments' MD5s in hexadecimal.
    pub(super) fn etag(&self) -> String {
        let etags: String = self.0.iter().map(|segment| segment.etag.as_str()).collect();
        md5_of(etags.as_bytes())
    }

    pub(super) fn size(&self) -> u64 {
        self.0.iter().map(|segment| segment.bytes).sum()
    }

    /// Whether all segments lie in this container.
    pub(super) fn is_within(&self, container: &str) -> bool {
        self.0.iter().all(|segment| segment.container == container)
    }

    /// All bytes, where each segment is what it was.
    pub(super) fn read(&self, account: &Account) -> Result<Bytes, Refusal> {
        let mut bytes = BytesMut::new();
        for segment in &self.0 {
            let object = segment.object(account);
            let object = object.filter(|object| object.etag == segment.etag);
            let object = object.ok_or_else(|| refused(409, "a segment is another by now"))?;
            bytes.extend_from_slice(&object.bytes);
        }
        Ok(bytes.freeze())
    }
}

impl Segment {
    fn object<'a>(&self, account: &'a Account) -> Option<&'a Object> {
        account.containers.get(&self.container)?.objects.get(&self.name)
    }

    fn read(entry: &Value) -> Option<Self> {
        let fields = entry.as_object().filter(|fields| fields.len() == 3)?;
        let path = fields.get("path")?.as_str()?.strip_prefix('/')?;
        let (container, name) = path.split_once('/')?;
        Some(Self {
            container: container.to_owned(),
            name: name.to_owned(),
            etag: fields.get("etag")?.as_str()?.to_owned(),
            bytes: fields.get("size_bytes")?.as_u64().filter(|bytes| *bytes > 0)?,
        })
    }
}

/// A manifest as it is written: refused where a segment is not there, or is another.
pub(super) fn written(account: &Account, body: &[u8]) -> Result<Manifest, Refusal> {
    let bad = || refused(400, "the manifest is none");
    let entries: Vec<Value> = serde_json::from_slice(body).map_err(|_| bad())?;
    if entries.len() > MAX_SEGMENTS {
        return Err(refused(413, "there are too many segments"));
    }
    let segments: Option<Vec<Segment>> = entries.iter().map(Segment::read).collect();
    let segments = segments.filter(|segments| !segments.is_empty()).ok_or_else(bad)?;
    let mut errors = String::new();
    for segment in &segments {
        let why = match segment.object(account) {
            None => "404 Not Found",
            Some(object) if object.etag != segment.etag => "Etag Mismatch",
            Some(object) if object.size() != segment.bytes => "Size Mismatch",
            Some(_) => continue,
        };
        writeln!(errors, "/{}/{}, {why}", segment.container, segment.name).unwrap();
    }
    match errors.is_empty() {
        true => Ok(Manifest(segments)),
        false => Err(refused(400, format!("Errors:\n{errors}"))),
    }
}
