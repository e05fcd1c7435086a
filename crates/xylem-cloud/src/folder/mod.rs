//! A folder at the root distribution server, for tests and for copies that are carried away.
//!
//! There is no such protocol: what is asked is a [`CloudRequest`] like any other, to a host that no
//! name server knows (RFC 2606, section 2), and whoever has the folder reads it with
//! [`FolderWork::read`], does it and answers. So everything that is decided about a cloud is decided
//! in the same places. Where the folder lies is no setting: the root's own configuration says that.
//!
//! | name | what |
//! |---|---|
//! | as in [`Prefix`] | objects: ordinary files |
//! | `PREFIX/staging/NAME.UPLOAD` | what is on its way: `NAME` is the last step of the object's name |

mod entries;
#[cfg(test)]
mod tests;
mod work;

use http::Method;

use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Below, Cursor, Place};
use crate::encode;
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};
use crate::folders::Folders;
use crate::layout::{ObjectKey, Prefix};
use crate::parts::{MIB, PartRules};
use crate::provider::{Provider, UrlFor};
use crate::request::{Body, CloudRequest, SecretUrl};
use crate::settings::FolderSettings;
use crate::upload::{Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef};

pub use entries::{FolderEntries, FolderEntry, FolderEntryKind, MAX_FOLDER_ENTRIES};
pub use work::{FolderObject, FolderUpload, FolderWork};

/// The host that stands for the root's folder.
const HOST: &str = "https://cloud-folder.invalid";
/// The folder of what is on its way, below the prefix.
const STAGING: &str = "staging";
/// Digits of an upload's id.
const UPLOAD_DIGITS: usize = 16;
/// The header that says what the bytes of a piece are to be.
const SHA256: &str = "x-sha256";
/// How many parts may be under way at once: a disk writes no faster with more.
const AT_ONCE: u32 = 2;

/// A folder at the root.
#[derive(Debug)]
pub struct Folder<'a> {
    settings: &'a FolderSettings,
    endpoint: Endpoint,
}

impl<'a> Folder<'a> {
    /// The folder of these settings.
    ///
    /// # Errors
    /// Never: its host is a literal.
    pub fn new(settings: &'a FolderSettings) -> Result<Self, crate::EndpointError> {
        Ok(Self { settings, endpoint: Endpoint::parse(HOST)? })
    }

    const fn folders(&self) -> Folders<'_> {
        Folders { prefix: &self.settings.prefix, provider: "the root's folder" }
    }

    fn request(&self, method: Method, key: &str) -> CloudRequest {
        CloudRequest::new(method, self.endpoint.clone(), format!("/{}", encode::path(key)))
    }

    fn listing(&self, folder: &str, from: Option<&str>) -> CloudRequest {
        let path = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let query = match from {
            Some(from) => encode::query(&[("after", from), ("list", "")]),
            None => encode::query(&[("list", "")]),
        };
        self.request(Method::GET, &path).with_query(query)
    }

    fn staging(&self) -> String {
        staging_of(&self.settings.prefix)
    }
}

impl Provider for Folder<'_> {
    fn part_rules(&self) -> PartRules {
        PartRules { smallest_part: 64 * MIB, ..PartRules::S3 }
    }

    fn most_at_once(&self) -> u32 {
        AT_ONCE
    }

    fn begin(&self, upload: &Upload, at: Moment) -> Option<CloudRequest> {
        if upload.plan.is_whole() {
            return None;
        }
        let id = upload_id(at.nonce);
        let request = self.request(Method::POST, upload.key.as_str());
        Some(request.with_query(encode::query(&[("begin", &id)])))
    }

    fn begun(&self, upload: &Upload, answer: &CloudAnswer) -> Result<UploadRef, Fault> {
        let attempt = Attempt { doing: "beginning", on: upload.key.as_str() };
        if !answer.is_success() {
            return Err(fault(answer, attempt));
        }
        let id = std::str::from_utf8(&answer.body).ok().filter(|id| is_upload(id));
        id.and_then(UploadRef::new).ok_or_else(|| answer.unreadable(attempt, "it names no upload"))
    }

    fn piece(&self, upload: &Upload, piece: &Piece, _: Moment) -> Result<CloudRequest, Fault> {
        let mut request = self.request(Method::PUT, upload.key.as_str());
        match (&upload.reference, upload.plan.is_whole()) {
            (_, true) if upload.create_only => request = request.with_header("if-none-match", "*"),
            (_, true) => {}
            (Some(id), false) => {
                let offset = piece.part.offset.to_string();
                let query = encode::query(&[("offset", &offset), ("upload", id.as_str())]);
                request = request.with_query(query);
            }
            (None, false) => {
                let attempt = format!("sending a part of `{}`", upload.key);
                return Err(Fault::new(FaultKind::UploadLost, attempt, "it was not begun"));
            }
        }
        let request = request.with_header(SHA256, piece.sha256.to_hex());
        Ok(request.with_body(Body::Piece { size: piece.part.bytes }))
    }

    fn piece_answered(
        &self,
        upload: &Upload,
        piece: &Piece,
        answer: &CloudAnswer,
    ) -> Result<UploadRef, Fault> {
        match answer.status {
            200..=299 => Ok(UploadRef::from(piece.md5)),
            status => {
                let attempt = Attempt { doing: "writing", on: upload.key.as_str() };
                Err(lost(fault(answer, attempt), status))
            }
        }
    }

    fn finish(&self, upload: &Upload, _: &[StoredPiece], _: Moment) -> Option<CloudRequest> {
        let id = upload.reference.as_ref().filter(|_| !upload.plan.is_whole())?;
        let size = upload.plan.size().to_string();
        let query = encode::query(&[("end", id.as_str()), ("size", &size)]);
        Some(self.request(Method::POST, upload.key.as_str()).with_query(query))
    }

    fn finished(&self, upload: &Upload, answer: &CloudAnswer) -> Result<(), Fault> {
        let attempt = Attempt { doing: "ending", on: upload.key.as_str() };
        match answer.status {
            200..=299 => Ok(()),
            status => Err(lost(fault(answer, attempt), status)),
        }
    }

    fn ask(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.request(Method::HEAD, key.as_str())
    }

    fn found(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<Option<Found>, Fault> {
        let attempt = Attempt { doing: "asking after", on: key.as_str() };
        match answer.status {
            200..=299 => {
                let size = answer.number("content-length");
                let size = size.ok_or_else(|| answer.unreadable(attempt, "it tells no size"))?;
                Ok(Some(Found { size, etag: None, sha256: None, segmented: false }))
            }
            404 => Ok(None),
            _ => Err(fault(answer, attempt)),
        }
    }

    fn expected_etag(&self, _: &Upload, _: &[StoredPiece]) -> Option<String> {
        None
    }

    fn read(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.request(Method::GET, key.as_str())
    }

    fn read_answered<'b>(
        &self,
        key: &ObjectKey,
        answer: &'b CloudAnswer,
    ) -> Result<Option<&'b [u8]>, Fault> {
        match answer.status {
            200..=299 => Ok(Some(&answer.body)),
            404 => Ok(None),
            _ => Err(fault(answer, Attempt { doing: "reading", on: key.as_str() })),
        }
    }

    fn list(&self, below: Below, cursor: &Cursor, _: Moment) -> Result<CloudRequest, Fault> {
        let (folder, from) = self.folders().place(below, cursor)?;
        Ok(self.listing(&folder, from))
    }

    fn listed(
        &self,
        below: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        let folders = self.folders();
        let (folder, from) = folders.place(below, cursor)?;
        let attempt = Attempt { doing: "listing the folder", on: &folder };
        let entries = entries(answer, attempt, from)?;
        let is_top = folder == self.settings.prefix.as_str();
        let is_told = |entry: &&FolderEntry| match entry.kind {
            FolderEntryKind::File | FolderEntryKind::Other => true,
            FolderEntryKind::Folder => {
                let is_staging = is_top && entry.name == STAGING;
                below == Below::Everything && !is_staging && !folders.is_ours(&folder, &entry.name)
            }
        };
        let items = entries.entries.iter().filter(is_told).map(|entry| entry.listed(&folder));
        let items: Option<Vec<_>> = items.collect();
        let items = items.ok_or_else(|| answer.unreadable(attempt, "a name is too long"))?;
        let next = folders
            .after(below, cursor, entries.next())
            .map(|next| cursor.turned(next, None))
            .transpose()
            .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
        Ok(Page { items, next })
    }

    fn leftovers(
        &self,
        _: Option<&ObjectKey>,
        cursor: &Cursor,
        _: Moment,
    ) -> Result<Option<CloudRequest>, Fault> {
        Ok(Some(self.listing(&self.staging(), staged_from(cursor)?)))
    }

    fn leftovers_listed(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Leftover>, Fault> {
        let staging = self.staging();
        let attempt = Attempt { doing: "listing the folder", on: &staging };
        let entries = entries(answer, attempt, staged_from(cursor)?)?;
        let prefix = &self.settings.prefix;
        let is_wanted = |it: &Leftover| of.is_none_or(|of| of == it.key());
        let items = entries.entries.iter().filter_map(|entry| entry.leftover(prefix));
        let next = entries
            .next()
            .map(|from| cursor.turned(Place::Folder(0, Some(from.to_owned())), None))
            .transpose()
            .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
        Ok(Page { items: items.filter(is_wanted).collect(), next })
    }

    fn discard(&self, leftover: &Leftover, _: Moment) -> Option<CloudRequest> {
        let Leftover::Upload { key, id, .. } = leftover else { return None };
        let query = encode::query(&[("upload", id.as_str())]);
        Some(self.request(Method::DELETE, key.as_str()).with_query(query))
    }

    fn remove(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.request(Method::DELETE, key.as_str())
    }

    fn removed(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(fault(answer, Attempt { doing: "deleting", on: key.as_str() })),
        }
    }

    fn purge(&self, _: &[ObjectKey], _: &str, _: Moment) -> Result<Vec<CloudRequest>, Fault> {
        Ok(Vec::new())
    }

    fn purged(&self, _: &CloudAnswer) -> Result<(), Fault> {
        Ok(())
    }

    /// An address that the root alone can read by: no client is given one.
    fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault> {
        let path = format!("/{}", encode::path(wanted.key.as_str()));
        Ok(SecretUrl::new(&self.endpoint, &path, ""))
    }
}

/// Where the uploads of a prefix lie.
fn staging_of(prefix: &Prefix) -> String {
    format!("{}{STAGING}", prefix.everything())
}

/// The id of an upload.
fn upload_id(number: u64) -> String {
    format!("{number:0UPLOAD_DIGITS$x}")
}

fn is_upload(id: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    id.len() == UPLOAD_DIGITS && id.bytes().all(digit)
}

/// Where the listing of what is on its way goes on, which is one folder.
fn staged_from(cursor: &Cursor) -> Result<Option<&str>, Fault> {
    match cursor.place() {
        Place::Start => Ok(None),
        Place::Folder(0, from) => Ok(from.as_deref()),
        _ => {
            let (attempt, why) = ("listing uploads", "the cursor is of another listing");
            Err(Fault::new(FaultKind::Unexpected, attempt, why))
        }
    }
}

/// The entries of a folder; none of one that is not there.
fn entries(
    answer: &CloudAnswer,
    attempt: Attempt<'_>,
    from: Option<&str>,
) -> Result<FolderEntries, Fault> {
    match answer.status {
        200..=299 => {
            FolderEntries::parse(&answer.body, from).map_err(|why| answer.unreadable(attempt, why))
        }
        404 => Ok(FolderEntries::default()),
        _ => Err(fault(answer, attempt)),
    }
}

/// What the root says: its words are in the body.
fn fault(answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
    let mut fault = answer.fault_by_status(attempt);
    fault.kind = match answer.status {
        // The folder, and not what was asked for, is not there.
        410 => FaultKind::Place,
        // Something lies there that is no ordinary file of ours.
        409 => FaultKind::Unexpected,
        _ => fault.kind,
    };
    fault
}

/// The same for what belongs to an upload.
fn lost(fault: Fault, status: u16) -> Fault {
    match status {
        404 => Fault { kind: FaultKind::UploadLost, ..fault },
        _ => fault,
    }
}
