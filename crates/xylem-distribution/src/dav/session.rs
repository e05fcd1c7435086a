//! One request, and what its path means.

use std::sync::Arc;

use xylem_api::control::Author;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::{FileKind, FileName};
use xylem_webdav::{DavPath, FsError, Method, Place, Refusal};

use crate::accounts::Visitor;
use crate::node::Node;

/// The folder tree's name.
pub(super) const DROP: &str = "Drop";

/// The file in it that says why something is not published.
pub(super) const REPORT: &str = "Not published.txt";

/// What the file system is told with each call.
#[derive(Clone)]
pub(crate) struct Session {
    pub(super) node: Arc<Node>,
    pub(super) visitor: Arc<Visitor>,
    pub(super) method: Method,
    /// What is asked of.
    pub(super) place: Place,
    /// Whether COPY and MOVE may replace what is there.
    pub(super) replaces: bool,
    /// Where COPY and MOVE lead.
    pub(super) destination: Option<Place>,
    /// Takes the reason of a refusal.
    pub(super) refusal: Refusal,
}

impl Session {
    /// Refuses, with a reason.
    pub(super) fn refuse(&self, code: ErrorCode, message: impl Into<String>) -> FsError {
        self.refusal.because(ApiError::new(code, message))
    }

    /// The account that writes.
    pub(super) fn author(&self) -> Result<Author, FsError> {
        let account = self.visitor.writer().cloned().ok_or(FsError::Forbidden)?;
        Ok(Author { account, server: self.node.id })
    }

    /// Whether a path is where COPY or MOVE lead.
    pub(super) fn is_destination(&self, path: &DavPath) -> bool {
        self.destination.is_some() && Place::of_dav(path).ok() == self.destination
    }

    pub(super) fn writes(&self) -> bool {
        self.visitor.writer().is_some()
    }

    /// What a path means.
    pub(super) fn area(&self, path: &DavPath) -> Result<Area, FsError> {
        let place = Place::of_dav(path)
            .map_err(|error| self.refuse(ErrorCode::BadRequest, error.to_string()))?;
        match Area::of(&place) {
            Area::DropTop | Area::Drop(_) | Area::Report if !self.has_drop() => Ok(Area::Nowhere),
            area => Ok(area),
        }
    }

    /// Whether there is a folder tree: where new files enter, and for those who may write.
    pub(super) fn has_drop(&self) -> bool {
        self.writes() && self.node.access().is_some_and(|access| access.is_principal)
    }
}

/// Part of the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Area {
    /// The root.
    Top,
    /// A published folder.
    Kind(FileKind),
    /// A name in it.
    Published(FileKind, String),
    /// The root of the folder tree.
    DropTop,
    /// Something in it.
    Drop(Place),
    /// The file that says why something in it is not published.
    Report,
    /// Nothing of ours.
    Nowhere,
}

impl Area {
    pub(super) fn of(place: &Place) -> Self {
        let Some((first, rest)) = place.below_first() else { return Self::Top };
        if first == DROP {
            return match rest.names() {
                [] => Self::DropTop,
                [name] if name == REPORT => Self::Report,
                _ => Self::Drop(rest),
            };
        }
        match (kind_of(first), rest.names()) {
            (Some(kind), []) => Self::Kind(kind),
            (Some(kind), [name]) => Self::Published(kind, name.clone()),
            _ => Self::Nowhere,
        }
    }
}

fn kind_of(folder: &str) -> Option<FileKind> {
    FileKind::ALL.iter().copied().find(|kind| kind.folder() == folder)
}

/// Whether the share has a folder of this name.
pub(super) fn is_folder(name: &str) -> bool {
    name == DROP || kind_of(name).is_some()
}

/// Whether a name is one that Macs write beside every file, for themselves.
pub(super) fn is_of_the_mac(name: &str) -> bool {
    name.starts_with("._") || matches!(name, ".DS_Store" | ".localized")
}

/// A name that could be published.
pub(super) fn file_name(session: &Session, name: &str) -> Result<FileName, FsError> {
    FileName::new(name).map_err(|error| session.refuse(ErrorCode::NameRefused, error.to_string()))
}
