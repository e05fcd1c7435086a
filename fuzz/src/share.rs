//! A share of a few files in memory, and everything that is written to it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use xylem_model::Timestamp;
use xylem_webdav::{
    Dav, DavDirEntry, DavFile, DavMetaData, DavPath, DavProp, Entry, FsError, FsFuture, FsResult,
    FsStream, GuardedFileSystem, Locks, Meta, OpenOptions, Place, Property, Question, ReadDirMeta,
    Reading, Refusal, patch,
};

use crate::nowhere::environment;

const THEN: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// The folders, each below the one before it where there is one, and the files.
const FOLDERS: [&str; 4] = ["/", "/Drop", "/Drop/b", "/Packages"];
const FILES: [&str; 3] = ["/Drop/a", "/Drop/b/Größe.pkg", "/Packages/a.pkg"];

/// The share, and its locks.
pub(crate) struct Share {
    dav: Dav<()>,
    files: Files,
}

impl Share {
    pub(crate) fn new() -> Self {
        let files = Files::default();
        {
            let mut state = files.state();
            let folders = FOLDERS.iter().map(|path| (*path, Meta::folder(THEN, THEN)));
            for (path, meta) in folders.chain(FILES.iter().map(|path| (*path, file()))) {
                if let Ok(place) = Place::of_url(path) {
                    state.nodes.insert(place, (meta, Vec::new()));
                }
            }
        }
        let locks = Locks::open(environment(), "locks.json".into());
        // What cannot be opened is no disk of ours: see `nowhere`.
        let locks = locks.unwrap_or_else(|error| unreachable!("{error}"));
        Self { dav: Dav::new("", Box::new(files.clone()), locks), files }
    }

    /// Answers as the distribution server does, and reads the answer to its end.
    pub(crate) async fn answer(
        &self,
        question: &Question,
        parts: Parts,
        body: Bytes,
    ) -> (StatusCode, Bytes) {
        let (request, refusal) = (Request::from_parts(parts, Body::from(body)), Refusal::default());
        let answer = self.dav.answer(question, request, "casper", (), &refusal).await;
        let status = answer.status();
        // A body that breaks off is an answer too.
        let body = answer.into_body().collect().await.map(|all| all.to_bytes());
        (status, body.unwrap_or_default())
    }

    /// Where something was written, moved, copied or removed.
    pub(crate) fn touched(&self) -> Vec<Place> {
        self.files.state().touched.clone()
    }
}

/// Whether a request is about a place: one that it names, or one below.
pub(crate) fn is_meant(question: &Question, place: &Place) -> bool {
    let mut named = question.destination.iter().chain([&question.place]);
    named.any(|named| place.is_within(named))
}

fn file() -> Meta {
    let etag = Some("0-0".to_owned());
    Meta { len: 5, modified: THEN, created: THEN, is_folder: false, etag }
}

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<Place, (Meta, Vec<Property>)>,
    touched: Vec<Place>,
}

#[derive(Debug, Clone, Default)]
struct Files(Arc<Mutex<State>>);

impl Files {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meta(&self, path: &DavPath) -> FsResult<Meta> {
        let state = self.state();
        state.nodes.get(&place(path)?).map(|(meta, _)| meta.clone()).ok_or(FsError::NotFound)
    }

    fn list(&self, path: &DavPath) -> FsResult<Vec<Entry>> {
        let (folder, state) = (place(path)?, self.state());
        let inside =
            state.nodes.iter().filter(|(place, _)| place.parent().as_ref() == Some(&folder));
        let entry = |(place, (meta, _)): (&Place, &(Meta, _))| {
            Some(Entry { name: place.name()?.to_owned(), meta: meta.clone().for_listing() })
        };
        Ok(inside.filter_map(entry).collect())
    }

    fn properties(&self, path: &DavPath) -> FsResult<Vec<Property>> {
        let state = self.state();
        let found = state.nodes.get(&place(path)?).map(|(_, properties)| properties.clone());
        found.ok_or(FsError::NotFound)
    }

    /// Notes places that are written to, and leaves everything as it is.
    fn touch(&self, paths: &[&DavPath]) -> FsResult<()> {
        for path in paths {
            let place = place(path)?;
            self.state().touched.push(place);
        }
        Ok(())
    }

    fn open(&self, path: &DavPath, options: &OpenOptions) -> FsResult<Box<dyn DavFile>> {
        if options.write {
            self.touch(&[path])?;
            self.state().nodes.entry(place(path)?).or_insert((file(), Vec::new()));
        }
        Ok(Box::new(Reading::new(Bytes::new(), self.meta(path)?)))
    }

    fn patch(
        &self,
        path: &DavPath,
        changes: Vec<(bool, DavProp)>,
    ) -> FsResult<Vec<(StatusCode, DavProp)>> {
        self.touch(&[path])?;
        let (next, answers) = patch(&self.properties(path)?, changes);
        if let (Some(next), Some((_, kept))) = (next, self.state().nodes.get_mut(&place(path)?)) {
            *kept = next;
        }
        Ok(answers)
    }
}

fn place(path: &DavPath) -> FsResult<Place> {
    Place::of_dav(path).map_err(|_| FsError::NotFound)
}

/// Everything is in memory: an answer is ready at once.
fn ready<'a, T: Send + 'a>(answer: FsResult<T>) -> FsFuture<'a, T> {
    Box::pin(async { answer })
}

impl GuardedFileSystem<()> for Files {
    fn open<'a>(
        &'a self,
        path: &'a DavPath,
        options: OpenOptions,
        (): &'a (),
    ) -> FsFuture<'a, Box<dyn DavFile>> {
        ready(Self::open(self, path, &options))
    }

    fn read_dir<'a>(
        &'a self,
        path: &'a DavPath,
        _: ReadDirMeta,
        (): &'a (),
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        ready(self.list(path).map(|entries| {
            let entries = entries.into_iter().map(|entry| {
                let entry: Box<dyn DavDirEntry> = Box::new(entry);
                Ok(entry)
            });
            let entries: Vec<_> = entries.collect();
            let stream: FsStream<Box<dyn DavDirEntry>> = Box::pin(stream::iter(entries));
            stream
        }))
    }

    fn metadata<'a>(&'a self, path: &'a DavPath, (): &'a ()) -> FsFuture<'a, Box<dyn DavMetaData>> {
        ready(self.meta(path).map(|meta| {
            let meta: Box<dyn DavMetaData> = Box::new(meta.for_listing());
            meta
        }))
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath, (): &'a ()) -> FsFuture<'a, ()> {
        ready(self.touch(&[path]))
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath, (): &'a ()) -> FsFuture<'a, ()> {
        ready(self.touch(&[path]))
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath, (): &'a ()) -> FsFuture<'a, ()> {
        ready(self.touch(&[path]))
    }

    fn rename<'a>(&'a self, from: &'a DavPath, to: &'a DavPath, (): &'a ()) -> FsFuture<'a, ()> {
        ready(self.touch(&[from, to]))
    }

    fn copy<'a>(&'a self, from: &'a DavPath, to: &'a DavPath, (): &'a ()) -> FsFuture<'a, ()> {
        ready(self.touch(&[from, to]))
    }

    fn have_props<'a>(
        &'a self,
        path: &'a DavPath,
        (): &'a (),
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async { self.properties(path).is_ok() })
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        changes: Vec<(bool, DavProp)>,
        (): &'a (),
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        ready(self.patch(path, changes))
    }

    fn get_props<'a>(
        &'a self,
        path: &'a DavPath,
        do_content: bool,
        (): &'a (),
    ) -> FsFuture<'a, Vec<DavProp>> {
        let told = |property: &Property| property.to_dav(do_content);
        ready(self.properties(path).map(|properties| properties.iter().map(told).collect()))
    }

    fn get_prop<'a>(
        &'a self,
        path: &'a DavPath,
        prop: DavProp,
        (): &'a (),
    ) -> FsFuture<'a, Vec<u8>> {
        let found = self.properties(path);
        ready(found.and_then(|all| Property::find(&all, &prop).ok_or(FsError::NotFound)))
    }

    fn get_quota<'a>(&'a self, (): &'a ()) -> FsFuture<'a, (u64, Option<u64>)> {
        ready(Ok((15, Some(1 << 40))))
    }
}
