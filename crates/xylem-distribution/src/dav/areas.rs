//! Each part of the share, asked for what the file system is asked.

use bytes::Bytes;
use xylem_api::error::ErrorCode;
use xylem_model::{FileKind, Timestamp};
use xylem_webdav::{
    DavFile, DavPath, Entry, FsError, FsResult, Meta, Method, OpenOptions, Property, Reading,
};

use super::session::{Area, DROP, REPORT, Session};
use super::{changing, published, writing};

/// What is told of the share's own folders: they are always there.
const FOLDER: Meta = Meta::folder(Timestamp::from_unix_ms(0), Timestamp::from_unix_ms(0));

/// As it is told to who asks.
pub(super) fn told(meta: Meta, session: &Session) -> Meta {
    if session.method == Method::PropFind { meta.for_listing() } else { meta }
}

/// Opens what a path means.
pub(super) async fn open(
    path: &DavPath,
    options: OpenOptions,
    session: &Session,
) -> FsResult<Box<dyn DavFile>> {
    let is_lock = session.method == Method::Lock;
    match session.area(path)? {
        Area::Drop(place) => {
            let (node, refusal) = (&session.node, &session.refusal);
            let author = session.author()?.account;
            node.share.drop.open_file(&place, &options, author.as_str(), is_lock, refusal).await
        }
        Area::Report if !options.write => {
            let (text, meta) = session.node.share.report.told_as_file().ok_or(FsError::NotFound)?;
            Ok(Box::new(Reading::new(text, meta)))
        }
        Area::Published(kind, name) if options.write && is_lock => {
            let meta = writing::reserve(session, kind, &name)?;
            Ok(Box::new(Reading::new(Bytes::new(), meta)))
        }
        Area::Published(kind, name) if options.write => {
            Ok(Box::new(writing::Publishing::begin(session, kind, &name, &options)?))
        }
        Area::Nowhere if options.write => Err(session.refuse(
            ErrorCode::Conflict,
            "there is no such folder: files go into Packages, Apps, eBooks or Drop",
        )),
        Area::Nowhere => Err(FsError::NotFound),
        _ => Err(FsError::Forbidden),
    }
}

/// Whether what is moved or copied within the folder tree is a file.
pub(super) async fn is_file(session: &Session) -> bool {
    let Area::Drop(source) = Area::of(&session.place) else { return false };
    session.node.share.drop.meta(&source).await.is_ok_and(|meta| !meta.is_folder)
}

/// What is told of what a path means.
pub(super) async fn meta(path: &DavPath, session: &Session) -> FsResult<Meta> {
    match session.area(path)? {
        Area::Top | Area::Kind(_) | Area::DropTop => Ok(FOLDER),
        Area::Published(kind, name) => published::meta(session, kind, &name),
        Area::Drop(place) => {
            let meta = session.node.share.drop.meta(&place).await;
            meta.map_err(|error| error.to_dav(&session.refusal))
        }
        Area::Report => {
            let report = session.node.share.report.told_as_file();
            report.map(|(_, meta)| meta).ok_or(FsError::NotFound)
        }
        Area::Nowhere => Err(FsError::NotFound),
    }
}

/// What is in the folder that a path means.
pub(super) async fn list(path: &DavPath, session: &Session) -> FsResult<Vec<Entry>> {
    let folder = |name: &str| Entry { name: name.to_owned(), meta: FOLDER };
    match session.area(path)? {
        Area::Top => {
            let kinds = FileKind::ALL.iter().map(|kind| folder(kind.folder()));
            Ok(kinds.chain(session.has_drop().then(|| folder(DROP))).collect())
        }
        Area::Kind(kind) => Ok(published::list(session, kind)),
        area @ (Area::Drop(_) | Area::DropTop) => {
            let place =
                if let Area::Drop(place) = &area { place.clone() } else { Default::default() };
            let entries = session.node.share.drop.list(&place).await;
            let mut entries = entries.map_err(|error| error.to_dav(&session.refusal))?;
            if area == Area::DropTop
                && let Some((_, meta)) = session.node.share.report.told_as_file()
            {
                entries.push(Entry { name: REPORT.to_owned(), meta });
            }
            Ok(entries)
        }
        Area::Report | Area::Published(..) | Area::Nowhere => Err(FsError::NotFound),
    }
}

/// Moves or copies within one part of the share.
pub(super) async fn transfer(
    from: &DavPath,
    to: &DavPath,
    session: &Session,
    is_move: bool,
) -> FsResult<()> {
    match (session.area(from)?, session.area(to)?) {
        (Area::Drop(from), Area::Drop(to)) => {
            let drop = &session.node.share.drop;
            let done = match is_move {
                true => drop.rename(&from, &to).await,
                false => drop.copy(&from, &to, session.author()?.account.as_str()).await,
            };
            done.map_err(|error| error.to_dav(&session.refusal))
        }
        (Area::Published(kind, name), Area::Published(other, to)) if kind == other => {
            changing::transfer(session, kind, &name, &to, is_move).await
        }
        // Refused before, with the reason.
        _ => Err(FsError::Forbidden),
    }
}

/// The dead properties of what a path means.
pub(super) async fn properties(path: &DavPath, session: &Session) -> FsResult<Vec<Property>> {
    let share = &session.node.share;
    match session.area(path)? {
        Area::Drop(place) => {
            let found = share.drop.properties(&place).await;
            found.map_err(|error| error.to_dav(&session.refusal))
        }
        Area::Published(kind, name) => match published::find(session, kind, &name) {
            Some(file) => Ok(share.properties.of(kind, &file.name).await),
            None => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    }
}

/// Replaces them.
pub(super) async fn set_properties(
    path: &DavPath,
    next: Vec<Property>,
    session: &Session,
) -> FsResult<()> {
    let share = &session.node.share;
    match session.area(path)? {
        Area::Drop(place) => {
            let set = share.drop.set_properties(&place, next).await;
            set.map_err(|error| error.to_dav(&session.refusal))
        }
        Area::Published(kind, name) => {
            // What is only seen keeps nothing; it is not refused, or Finder gives up.
            let Some(file) = published::find(session, kind, &name) else { return Ok(()) };
            let set = share.properties.set(&session.node, kind, &file.name, next).await;
            set.map_err(|error| session.refusal.because(error))
        }
        _ => Err(FsError::Forbidden),
    }
}
