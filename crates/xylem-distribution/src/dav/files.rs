//! The file system that dav-server is given: the published folders and the folder tree, side by
//! side. It has nothing of its own; everything is in the [`Session`].

use futures_util::stream;
use http::StatusCode;
use xylem_api::error::ErrorCode;
use xylem_model::{FileKind, Timestamp};
use xylem_webdav::{
    DavDirEntry, DavFile, DavMetaData, DavPath, DavProp, Entry, FsError, FsFuture, FsResult,
    FsStream, GuardedFileSystem, Meta, Method, OpenOptions, Property, ReadDirMeta, ReadOnly, patch,
};

use super::session::{Area, DROP, REPORT, Session};
use super::{changing, drop, published, writing};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Files;

/// What is told of the share's own folders: they are always there.
const FOLDER: Meta = Meta::folder(Timestamp::from_unix_ms(0), Timestamp::from_unix_ms(0));

impl GuardedFileSystem<Session> for Files {
    fn open<'a>(
        &'a self,
        path: &'a DavPath,
        options: OpenOptions,
        session: &'a Session,
    ) -> FsFuture<'a, Box<dyn DavFile>> {
        Box::pin(open(path, options, session))
    }

    fn read_dir<'a>(
        &'a self,
        path: &'a DavPath,
        _: ReadDirMeta,
        session: &'a Session,
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        Box::pin(async move {
            let entries = list(path, session).await?;
            let entries = entries.into_iter().map(|Entry { name, meta }| {
                let entry: Box<dyn DavDirEntry> =
                    Box::new(Entry { name, meta: told(meta, session) });
                Ok(entry)
            });
            let entries: Vec<_> = entries.collect();
            let stream: FsStream<Box<dyn DavDirEntry>> = Box::pin(stream::iter(entries));
            Ok(stream)
        })
    }

    fn metadata<'a>(
        &'a self,
        path: &'a DavPath,
        session: &'a Session,
    ) -> FsFuture<'a, Box<dyn DavMetaData>> {
        Box::pin(async move {
            let meta = told(meta(path, session).await?, session);
            let meta: Box<dyn DavMetaData> = Box::new(meta);
            Ok(meta)
        })
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath, session: &'a Session) -> FsFuture<'a, ()> {
        Box::pin(async move {
            match session.area(path)? {
                Area::Drop(place) => {
                    let author = session.author()?;
                    let made = session.node.share.drop.make_folder(&place, author.account.as_str());
                    made.await.map_err(|error| error.to_dav(&session.refusal))
                }
                Area::Top | Area::Kind(_) | Area::DropTop | Area::Report => Err(FsError::Exists),
                Area::Published(..) | Area::Nowhere => Err(session.refuse(
                    ErrorCode::Forbidden,
                    "folders can be made in Drop only: published files lie side by side",
                )),
            }
        })
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath, session: &'a Session) -> FsFuture<'a, ()> {
        Box::pin(async move {
            match session.area(path)? {
                Area::Drop(place) => {
                    let removed = session.node.share.drop.remove_folder(&place).await;
                    removed.map_err(|error| error.to_dav(&session.refusal))
                }
                _ => Err(FsError::Forbidden),
            }
        })
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath, session: &'a Session) -> FsFuture<'a, ()> {
        Box::pin(async move {
            match session.area(path)? {
                Area::Drop(place) => {
                    let removed = session.node.share.drop.remove_file(&place).await;
                    removed.map_err(|error| error.to_dav(&session.refusal))
                }
                Area::Published(kind, name) => changing::delete(session, path, kind, &name).await,
                _ => Err(FsError::Forbidden),
            }
        })
    }

    fn rename<'a>(
        &'a self,
        from: &'a DavPath,
        to: &'a DavPath,
        session: &'a Session,
    ) -> FsFuture<'a, ()> {
        Box::pin(transfer(from, to, session, true))
    }

    fn copy<'a>(
        &'a self,
        from: &'a DavPath,
        to: &'a DavPath,
        session: &'a Session,
    ) -> FsFuture<'a, ()> {
        Box::pin(transfer(from, to, session, false))
    }

    fn have_props<'a>(
        &'a self,
        path: &'a DavPath,
        session: &'a Session,
    ) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(
            async move { matches!(session.area(path), Ok(Area::Drop(_) | Area::Published(..))) },
        )
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        changes: Vec<(bool, DavProp)>,
        session: &'a Session,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        Box::pin(async move {
            let (next, answers) = patch(&properties(path, session).await?, changes);
            if let Some(next) = next {
                set_properties(path, next, session).await?;
            }
            Ok(answers)
        })
    }

    fn get_props<'a>(
        &'a self,
        path: &'a DavPath,
        do_content: bool,
        session: &'a Session,
    ) -> FsFuture<'a, Vec<DavProp>> {
        Box::pin(async move {
            let properties = properties(path, session).await?;
            Ok(properties.iter().map(|property| property.to_dav(do_content)).collect())
        })
    }

    fn get_prop<'a>(
        &'a self,
        path: &'a DavPath,
        prop: DavProp,
        session: &'a Session,
    ) -> FsFuture<'a, Vec<u8>> {
        Box::pin(async move {
            Property::find(&properties(path, session).await?, &prop).ok_or(FsError::NotFound)
        })
    }

    fn get_quota<'a>(&'a self, session: &'a Session) -> FsFuture<'a, (u64, Option<u64>)> {
        Box::pin(async move {
            let used = session.node.repository.used_bytes();
            let free = session.node.repository.run(|repository| repository.free_space()).await;
            Ok((used, free.ok().map(|free| used.saturating_add(free))))
        })
    }
}

fn told(meta: Meta, session: &Session) -> Meta {
    if session.method == Method::PropFind { meta.for_listing() } else { meta }
}

async fn open(
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
        Area::Report if !options.write => Ok(Box::new(drop::ReportFile::of(session).await)),
        Area::Published(kind, name) if options.write && is_lock => {
            let meta = writing::reserve(session, kind, &name)?;
            Ok(Box::new(ReadOnly(meta)))
        }
        Area::Published(kind, name) if options.write => {
            Ok(Box::new(writing::Writing::begin(session, kind, &name, &options)?))
        }
        Area::Nowhere if options.write => Err(session.refuse(
            ErrorCode::Conflict,
            "there is no such folder: files go into Packages, Apps, eBooks or Drop",
        )),
        Area::Nowhere => Err(FsError::NotFound),
        _ => Err(FsError::Forbidden),
    }
}

async fn meta(path: &DavPath, session: &Session) -> FsResult<Meta> {
    match session.area(path)? {
        Area::Top | Area::Kind(_) | Area::DropTop => Ok(FOLDER),
        Area::Published(kind, name) => published::meta(session, kind, &name),
        Area::Drop(place) => {
            let meta = session.node.share.drop.meta(&place).await;
            meta.map_err(|error| error.to_dav(&session.refusal))
        }
        Area::Report => drop::report_meta(session).await.ok_or(FsError::NotFound),
        Area::Nowhere => Err(FsError::NotFound),
    }
}

async fn list(path: &DavPath, session: &Session) -> FsResult<Vec<Entry>> {
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
                && let Some(meta) = drop::report_meta(session).await
            {
                entries.push(Entry { name: REPORT.to_owned(), meta });
            }
            Ok(entries)
        }
        Area::Report | Area::Published(..) | Area::Nowhere => Err(FsError::NotFound),
    }
}

async fn transfer(from: &DavPath, to: &DavPath, session: &Session, is_move: bool) -> FsResult<()> {
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
        (Area::Published(..), Area::Published(..)) => Err(session.refuse(
            ErrorCode::Forbidden,
            "a package stays among packages, an app among apps, an eBook among eBooks",
        )),
        (Area::Drop(_), Area::Published(..)) => Err(session.refuse(
            ErrorCode::Forbidden,
            "what lies in Drop is published from there by itself, as soon as it is complete",
        )),
        (Area::Published(..), Area::Drop(_)) => Err(session.refuse(
            ErrorCode::Forbidden,
            "published files are not copied into Drop: download them instead",
        )),
        _ => Err(FsError::Forbidden),
    }
}

async fn properties(path: &DavPath, session: &Session) -> FsResult<Vec<Property>> {
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

async fn set_properties(path: &DavPath, next: Vec<Property>, session: &Session) -> FsResult<()> {
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
