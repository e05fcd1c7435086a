//! The root's own folder in the place of a cloud (`docs/design/cloud-providers.md`, "Folder").
//!
//! Where it lies is in this server's configuration alone (`cloud_folder`). What is asked comes as a
//! request of [`xylem_cloud::folder`], from the work that fills any cloud, or over the control link
//! ([`errands`]), and is read, and every name of it checked, here.
//!
//! * [`Keeper`]: does what is asked, and answers as a provider would. [`disk`] and [`list`]: how that
//!   is done. [`refused`]: why not.

mod disk;
pub(super) mod errands;
mod list;
mod refused;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use xylem_client::{ClientError, CloudCourier, RequestBody, next_of};
use xylem_cloud::folder::{FolderObject, FolderUpload, FolderWork};
use xylem_cloud::{CloudAnswer, CloudRequest};
use xylem_http::http_date;
use xylem_model::Sha256;
use xylem_runtime::{Environment, random_array};

use crate::node::Node;
use disk::Folder;
use refused::{Refused, if_there};

/// The number of the staged marker: one at a time is written, so a crash leaves one at most.
const MARKER_UPLOAD: u64 = 0;

/// Does in the folder what is asked. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keeper {
    environment: Environment,
    /// None where the configuration names none.
    folder: Option<Arc<Folder>>,
}

/// An answer but for what all of them have.
struct Told {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Told {
    const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn with_header(mut self, name: HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl From<Refused> for Told {
    fn from(refused: Refused) -> Self {
        Self::new(refused.status).with_body(refused.why)
    }
}

impl Keeper {
    /// The keeper of the folder that this server's configuration names.
    pub(super) fn of(node: &Node) -> Self {
        Self::new(node.environment.clone(), node.settings.cloud_folder.clone())
    }

    fn new(environment: Environment, folder: Option<PathBuf>) -> Self {
        Self { environment, folder: folder.map(|root| Arc::new(Folder::new(root))) }
    }

    /// Does what a request asks, and answers whatever becomes of it.
    pub(super) async fn answer(
        &self,
        request: &CloudRequest,
        body: RequestBody,
    ) -> Result<CloudAnswer, ClientError> {
        let told = match (FolderWork::read(request), &self.folder) {
            (Some(work), Some(folder)) => self.work(folder, work, body).await?,
            (None, _) => Told::new(400).with_body("this is nothing that is done in a folder"),
            (Some(_), None) => Told::new(410).with_body(
                "the root distribution server has no folder: name one as `cloud_folder` in its \
                 server.json, and start it anew",
            ),
        };
        Ok(self.complete(told))
    }

    fn complete(&self, told: Told) -> CloudAnswer {
        let received = self.environment.clock.now();
        let date = (header::DATE, http_date(received));
        let mut headers = HeaderMap::new();
        for (name, value) in told.headers.into_iter().chain([date]) {
            // Numbers and dates always are one.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        CloudAnswer { status: told.status, headers, body: told.body, received }
    }

    async fn work(
        &self,
        folder: &Arc<Folder>,
        work: FolderWork,
        body: RequestBody,
    ) -> Result<Told, ClientError> {
        let told = match work {
            FolderWork::Put { object, sha256, once } => {
                return self.put(folder, object, sha256, once, body).await;
            }
            FolderWork::Part { upload, offset, sha256 } => {
                let opened = self.run(folder, move |it| it.staged(&upload)).await;
                let file = match opened {
                    Ok(file) => file,
                    Err(refused) => return Ok(refused.into()),
                };
                let written = self.pour(folder, file, offset, sha256, body).await?;
                return Ok(written.map_or_else(Told::from, |()| Told::new(200)));
            }
            small => self.run(folder, move |it| small_work(it, small)).await,
        };
        Ok(told.unwrap_or_else(Told::from))
    }

    /// Writes an object as a whole: staged, synced, put in its place.
    async fn put(
        &self,
        folder: &Arc<Folder>,
        object: FolderObject,
        sha256: Sha256,
        once: bool,
        body: RequestBody,
    ) -> Result<Told, ClientError> {
        let upload = self.new_upload(&object);
        let (staging, to) = (upload.clone(), object.clone());
        let staged = self.run(folder, move |it| stage(it, &to, &staging, once)).await;
        let file = match staged {
            Ok(file) => file,
            Err(refused) => return Ok(refused.into()),
        };
        let written = match self.pour(folder, file, 0, sha256, body).await {
            Ok(Ok(())) => {
                let staging = upload.clone();
                Ok(self.run(folder, move |it| it.place(&object, &staging, !once)).await)
            }
            other => other,
        };
        if !matches!(written, Ok(Ok(()))) {
            self.give_up(folder, upload).await;
        }
        Ok(written?.map_or_else(Told::from, |()| Told::new(201)))
    }

    /// Removes what was staged in vain. What cannot be removed is found later, as after a crash.
    async fn give_up(&self, folder: &Arc<Folder>, upload: FolderUpload) {
        if let Err(left) = self.run(folder, move |it| it.discard(&upload)).await
            && left.status != 404
        {
            tracing::warn!(why = left.why, "a staged file stays in the cloud's folder for now");
        }
    }

    /// Writes a body at an offset of a staged file, and has it survive. 422 where its bytes are
    /// others than were announced.
    async fn pour(
        &self,
        folder: &Arc<Folder>,
        file: File,
        from: u64,
        sha256: Sha256,
        mut body: RequestBody,
    ) -> Result<Result<(), Refused>, ClientError> {
        let mut pouring = Pouring { file, at: from, digest: Context::new(&SHA256) };
        while let Some(piece) = next_of(&mut body).await.map_err(ClientError::Source)? {
            let poured = self.run(folder, move |it| pouring.take(it, &piece).map(|()| pouring));
            match poured.await {
                Ok(back) => pouring = back,
                Err(refused) => return Ok(Err(refused)),
            }
        }
        Ok(self.run(folder, move |it| pouring.end(it, sha256)).await)
    }

    fn new_upload(&self, object: &FolderObject) -> FolderUpload {
        object.numbered(match object.is_marker() {
            true => MARKER_UPLOAD,
            false => u64::from_be_bytes(random_array(&*self.environment.rng)),
        })
    }

    async fn run<T, F>(&self, folder: &Arc<Folder>, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> T + Send + 'static,
    {
        let folder = Arc::clone(folder);
        self.environment.disk.run(move |_| work(&folder)).await
    }
}

#[async_trait]
impl CloudCourier for Keeper {
    /// A disk has all the time it takes.
    async fn carry(
        &self,
        request: &CloudRequest,
        body: RequestBody,
        _: Duration,
    ) -> Result<CloudAnswer, ClientError> {
        self.answer(request, body).await
    }
}

/// A staged file that is being written.
struct Pouring {
    file: File,
    at: u64,
    digest: Context,
}

impl Pouring {
    fn take(&mut self, folder: &Folder, piece: &Bytes) -> Result<(), Refused> {
        folder.write(&self.file, piece, self.at)?;
        self.digest.update(piece);
        self.at = self.at.saturating_add(piece.len() as u64);
        Ok(())
    }

    fn end(self, folder: &Folder, sha256: Sha256) -> Result<(), Refused> {
        if self.digest.finish().as_ref() != sha256.as_bytes() {
            let why = "the bytes that came are not those that were announced".to_owned();
            return Err(Refused::new(422, why));
        }
        folder.sync(&self.file)
    }
}

/// A staged file for an object that comes as a whole.
fn stage(
    folder: &Folder,
    object: &FolderObject,
    upload: &FolderUpload,
    once: bool,
) -> Result<File, Refused> {
    if once {
        let found = if_there(folder.size(object))?;
        if found.is_some() {
            return Err(Refused::new(412, "it is there already".to_owned()));
        }
    }
    match folder.stage(object, upload) {
        // What a crash left of a marker.
        Err(refused) if refused.status == 412 && object.is_marker() => {
            folder.discard(upload)?;
            folder.stage(object, upload)
        }
        staged => staged,
    }
}

/// What needs no bytes.
fn small_work(folder: &Folder, work: FolderWork) -> Result<Told, Refused> {
    Ok(match work {
        FolderWork::Ask(object) => {
            Told::new(200).with_header(header::CONTENT_LENGTH, folder.size(&object)?)
        }
        FolderWork::Read(object, range) => {
            let is_range = range.is_some();
            let read = folder.read(&object, range)?;
            let last = (read.from + read.bytes.len() as u64).saturating_sub(1);
            let told = format!("bytes {}-{last}/{}", read.from, read.size);
            match is_range {
                true => Told::new(206).with_header(header::CONTENT_RANGE, told),
                false => Told::new(200),
            }
            .with_body(read.bytes)
        }
        FolderWork::Begin { object, upload } => match folder.stage(&object, &upload) {
            Ok(_) => Told::new(201).with_body(upload.id()),
            // The answer to the same request was lost.
            Err(refused) if refused.status == 412 => Told::new(200).with_body(upload.id()),
            Err(refused) => return Err(refused),
        },
        FolderWork::End { object, upload, size } => {
            folder.end(&object, &upload, size)?;
            Told::new(201)
        }
        FolderWork::Remove(object) => {
            folder.remove(&object)?;
            Told::new(204)
        }
        FolderWork::Discard(upload) => {
            folder.discard(&upload)?;
            Told::new(204)
        }
        FolderWork::List { path, after } => {
            let entries = folder.list(&path, after.as_deref())?;
            let body = serde_json::to_vec(&entries)
                .map_err(|error| Refused::new(500, error.to_string()))?;
            Told::new(200).with_body(body)
        }
        FolderWork::Put { .. } | FolderWork::Part { .. } => {
            return Err(Refused::new(400, "it has bytes".to_owned()));
        }
    })
}
