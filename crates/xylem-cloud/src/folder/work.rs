//! What is asked of whoever has the folder: read once, with every name checked again.
//!
//! Nothing that the management server says leads out of the folder, or to a name that is not of our
//! form: the steps of a name are letters, digits, `-`, `_` and `.`, but for the last one of a probe.

use std::ops::Range;

use http::Method;
use xylem_model::Sha256;

use super::{HOST, SHA256, is_upload, staging_of, upload_id};
use crate::encode;
use crate::layout::Prefix;
use crate::named::Named;
use crate::request::CloudRequest;

/// Longest name of a file, bytes: what all file systems take.
const MAX_STEP_BYTES: usize = 255;

/// One thing to be done in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderWork {
    /// Tell the size of an object.
    Ask(FolderObject),
    /// Read an object, or a range of it.
    Read(FolderObject, Option<Range<u64>>),
    /// Write an object as a whole; not where something is, if `once`.
    Put {
        /// Which.
        object: FolderObject,
        /// What its bytes are to be.
        sha256: Sha256,
        /// Whether what is there stays.
        once: bool,
    },
    /// Begin an object that comes in parts.
    Begin {
        /// Which.
        object: FolderObject,
        /// The name of its staged file, and its id.
        upload: FolderUpload,
    },
    /// Write a part.
    Part {
        /// The staged file.
        upload: FolderUpload,
        /// Where it begins, bytes.
        offset: u64,
        /// What its bytes are to be.
        sha256: Sha256,
    },
    /// Make the object of a staged file, which has all its bytes.
    End {
        /// Which.
        object: FolderObject,
        /// The staged file.
        upload: FolderUpload,
        /// How many bytes it is to have.
        size: u64,
    },
    /// Delete an object.
    Remove(FolderObject),
    /// Delete a staged file.
    Discard(FolderUpload),
    /// Tell what is in a folder.
    List {
        /// Which, relative; empty for the folder itself.
        path: String,
        /// After which name.
        after: Option<String>,
    },
}

/// An object, by a name that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderObject {
    path: String,
    prefix: Prefix,
    named: Named,
}

/// A staged file, by a name that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderUpload {
    path: String,
    id: String,
}

impl FolderObject {
    fn new(key: String) -> Option<Self> {
        let steps: Vec<&str> = key.split('/').collect();
        let is_short = steps.iter().all(|step| step.len() <= MAX_STEP_BYTES);
        if !is_short || key.chars().any(char::is_control) {
            return None;
        }
        // The marker has one step of its own, a probe two, a content three.
        let (prefix, named) = (1..=3).find_map(|own| {
            let prefix = steps.get(..steps.len().checked_sub(own)?)?.join("/");
            let prefix = Prefix::new(&prefix).ok()?;
            let named = prefix.read(&key);
            let is_object = matches!(named, Named::Marker | Named::Probe | Named::Content(_));
            is_object.then_some((prefix, named))
        })?;
        Some(Self { path: key, prefix, named })
    }

    /// Its path below the folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is a content: never overwritten, and written only where the marker is.
    pub const fn is_content(&self) -> bool {
        matches!(self.named, Named::Content(_))
    }

    /// Whether it is the marker.
    pub const fn is_marker(&self) -> bool {
        matches!(self.named, Named::Marker)
    }

    /// The path of the marker that says whose this is.
    pub fn marker(&self) -> String {
        self.prefix.marker().as_str().to_owned()
    }

    /// A staged file for it, of a number that is no other's.
    pub fn numbered(&self, number: u64) -> FolderUpload {
        self.staged(upload_id(number))
    }

    fn upload(&self, id: &str) -> Option<FolderUpload> {
        is_upload(id).then(|| self.staged(id.to_owned()))
    }

    fn staged(&self, id: String) -> FolderUpload {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let path = format!("{}/{name}.{id}", staging_of(&self.prefix));
        FolderUpload { path, id }
    }
}

impl FolderUpload {
    /// Its path below the folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl FolderWork {
    /// Whether a request is for the folder at all.
    fn is_meant(request: &CloudRequest) -> bool {
        request.endpoint.origin() == HOST
    }

    /// Reads a request; `None` where it is none of ours.
    pub fn read(request: &CloudRequest) -> Option<Self> {
        if !Self::is_meant(request) {
            return None;
        }
        let key = encode::decoded(request.path.strip_prefix('/')?)?;
        let query = Query::read(&request.query)?;
        if query.has("list") {
            return (request.method == Method::GET).then(|| Self::list(&key, &query)).flatten();
        }
        let object = FolderObject::new(key)?;
        let upload = |name: &str| object.upload(query.get(name)?);
        Some(match request.method {
            Method::HEAD => Self::Ask(object),
            Method::GET => {
                let range = match request.header("range") {
                    Some(text) => Some(range_of(text)?),
                    None => None,
                };
                Self::Read(object, range)
            }
            Method::PUT => {
                let sha256 = request.header(SHA256)?.parse().ok()?;
                match query.get("offset") {
                    Some(offset) => Self::Part {
                        upload: upload("upload")?,
                        offset: offset.parse().ok()?,
                        sha256,
                    },
                    None => {
                        let once = request.header("if-none-match") == Some("*");
                        Self::Put { once: once || object.is_content(), object, sha256 }
                    }
                }
            }
            Method::POST => match upload("begin") {
                Some(upload) => Self::Begin { upload, object },
                None => {
                    let size = query.get("size")?.parse().ok()?;
                    Self::End { upload: upload("end")?, object, size }
                }
            },
            Method::DELETE => match query.has("upload") {
                true => Self::Discard(upload("upload")?),
                false => Self::Remove(object),
            },
            _ => return None,
        })
    }

    fn list(key: &str, query: &Query) -> Option<Self> {
        let path = key.strip_suffix('/').unwrap_or(key);
        // Prefixes and our own folders are of the same characters.
        let path = path.split('/').all(|step| step.len() <= MAX_STEP_BYTES).then_some(path)?;
        let is_plain = path.is_empty()
            || path.split('/').all(|step| !step.is_empty() && Prefix::new(step).is_ok());
        is_plain.then(|| Self::List {
            path: path.to_owned(),
            after: query.get("after").map(str::to_owned),
        })
    }
}

/// The pairs of a query, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(text: &str) -> Option<Self> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((encode::decoded(name)?, encode::decoded(value)?))
        });
        pairs.collect::<Option<Vec<_>>>().map(Self)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// `bytes=FIRST-LAST`, which is the one form that we ask for.
fn range_of(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| first..last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    fn request(method: Method, path: &str, query: &str) -> CloudRequest {
        CloudRequest::new(method, Endpoint::parse(HOST).unwrap(), path).with_query(query)
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let id = xylem_model::ContentId::of(b"a").to_hex();
        let good = format!("/a/b/content/{}/{id}", &id[..2]);
        let Some(FolderWork::Ask(object)) = FolderWork::read(&request(Method::HEAD, &good, ""))
        else {
            panic!("{good}")
        };
        assert_eq!((object.is_content(), object.marker().as_str()), (true, "a/b/xylem.json"));
        let long = format!("/probe/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-{}", "a".repeat(255));
        for wrong in [
            "/etc/passwd",
            "/../xylem.json",
            "/a/../xylem.json",
            "/%2e%2e/xylem.json",
            "//xylem.json",
            "/a%00/xylem.json",
            "xylem.json",
            "/content/00/xylem",
            "/probe/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-a/b",
            "/probe/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-a%0a",
            "/",
            &long,
            &format!("/content/zz/{id}"),
            &format!("/staging/{id}.0000000000000001"),
        ] {
            for method in [Method::HEAD, Method::GET, Method::DELETE] {
                assert_eq!(FolderWork::read(&request(method, wrong, "")), None, "{wrong}");
            }
        }
        for wrong in ["/../?list=", "/a/..", "/a//", "/%2e%2e/", "/a%2f..%2fb/", "/é/"] {
            assert_eq!(FolderWork::read(&request(Method::GET, wrong, "list=")), None, "{wrong}");
        }
        for upload in ["", "1", "../../../../etc/a", "00000000000000AB"] {
            let query = format!("upload={upload}");
            assert_eq!(FolderWork::read(&request(Method::DELETE, &good, &query)), None, "{upload}");
        }
    }

    #[test]
    fn a_request_for_elsewhere_is_no_work_of_ours() {
        let elsewhere = Endpoint::parse("https://s3.example.org").unwrap();
        let other = CloudRequest::new(Method::HEAD, elsewhere, "/xylem.json");
        assert!(!FolderWork::is_meant(&other));
        assert_eq!(FolderWork::read(&other), None);
        assert!(FolderWork::read(&request(Method::HEAD, "/xylem.json", "")).is_some());
    }

    #[test]
    fn contents_are_never_overwritten_whatever_is_asked() {
        let id = xylem_model::ContentId::of(b"a").to_hex();
        let path = format!("/content/{}/{id}", &id[..2]);
        let put = |path: &str| {
            let sha256 = Sha256::from_bytes([1; 32]).to_hex();
            let request = request(Method::PUT, path, "").with_header(SHA256, sha256);
            match FolderWork::read(&request) {
                Some(FolderWork::Put { once, .. }) => once,
                other => panic!("{other:?}"),
            }
        };
        assert!(put(&path));
        assert!(!put("/xylem.json"));
    }
}
