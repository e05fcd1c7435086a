//! The file system that dav-server is given: the published folders and the folder tree, side by
//! side. It has nothing of its own; everything is in the [`Session`].

use futures_util::stream;
use http::StatusCode;
use xylem_api::error::ErrorCode;
use xylem_webdav::{
    DavDirEntry, DavFile, DavMetaData, DavPath, DavProp, Entry, FsError, FsFuture, FsStream,
    GuardedFileSystem, OpenOptions, Property, ReadDirMeta, patch,
};

use super::session::{Area, Session};
use super::{areas, changing};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Files;

impl GuardedFileSystem<Session> for Files {
    fn open<'a>(
        &'a self,
        path: &'a DavPath,
        options: OpenOptions,
        session: &'a Session,
    ) -> FsFuture<'a, Box<dyn DavFile>> {
        Box::pin(areas::open(path, options, session))
    }

    fn read_dir<'a>(
        &'a self,
        path: &'a DavPath,
        _: ReadDirMeta,
        session: &'a Session,
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        Box::pin(async move {
            let entries = areas::list(path, session).await?;
            let entries = entries.into_iter().map(|Entry { name, meta }| {
                let entry: Box<dyn DavDirEntry> =
                    Box::new(Entry { name, meta: areas::told(meta, session) });
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
            let meta = areas::told(areas::meta(path, session).await?, session);
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
                    // Before MOVE and COPY: a file that takes its place does so in one step.
                    if session.is_destination(path) && areas::is_file(session).await {
                        return Ok(());
                    }
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
        Box::pin(areas::transfer(from, to, session, true))
    }

    fn copy<'a>(
        &'a self,
        from: &'a DavPath,
        to: &'a DavPath,
        session: &'a Session,
    ) -> FsFuture<'a, ()> {
        Box::pin(areas::transfer(from, to, session, false))
    }

    fn have_props<'a>(
        &'a self,
        path: &'a DavPath,
        session: &'a Session,
    ) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            // Asked for each property of each file: others get their turn in between.
            tokio::task::coop::consume_budget().await;
            matches!(session.area(path), Ok(Area::Drop(_) | Area::Published(..)))
        })
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        changes: Vec<(bool, DavProp)>,
        session: &'a Session,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        Box::pin(async move {
            let (next, answers) = patch(&areas::properties(path, session).await?, changes);
            if let Some(next) = next {
                areas::set_properties(path, next, session).await?;
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
            let properties = areas::properties(path, session).await?;
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
            Property::find(&areas::properties(path, session).await?, &prop).ok_or(FsError::NotFound)
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
