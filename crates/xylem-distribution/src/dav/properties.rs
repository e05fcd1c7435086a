//! Dead properties of what is published: kept on this server, as long as the name is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::Mutex;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::{FileKind, FileName};
use xylem_runtime::Fs;
use xylem_webdav::Property;

use crate::data::{DataError, read_json, write_json};
use crate::node::Node;

/// Most bytes of all of them.
const MAX_BYTES: usize = 8 << 20;

/// By kind's folder and name.
type ByName = BTreeMap<String, BTreeMap<String, Vec<Property>>>;

/// The properties, in memory and in one file.
#[derive(Debug)]
pub(super) struct Properties {
    path: PathBuf,
    by_name: Mutex<ByName>,
}

impl Properties {
    pub(super) fn read(fs: &dyn Fs, path: PathBuf) -> Result<Self, DataError> {
        let by_name = match read_json(fs, &path) {
            // No reason not to serve: what clients wanted remembered is forgotten.
            Err(DataError::Damaged { path, source }) => {
                tracing::error!(path = %path.display(), %source, "properties are forgotten");
                ByName::new()
            }
            read => read?.unwrap_or_default(),
        };
        Ok(Self { path, by_name: Mutex::new(by_name) })
    }

    pub(super) async fn of(&self, kind: FileKind, name: &FileName) -> Vec<Property> {
        let by_name = self.by_name.lock().await;
        by_name
            .get(kind.folder())
            .and_then(|names| names.get(name.as_str()))
            .cloned()
            .unwrap_or_default()
    }

    /// Replaces the properties of a name; forgets those of names that are not published any more.
    pub(super) async fn set(
        &self,
        node: &Node,
        kind: FileKind,
        name: &FileName,
        properties: Vec<Property>,
    ) -> Result<(), ApiError> {
        let mut by_name = self.by_name.lock().await;
        let mut next = by_name.clone();
        {
            let catalogue = node.catalogue();
            let is_published = |kind: FileKind, name: &str| {
                FileName::new(name).is_ok_and(|name| catalogue.named(kind, &name).is_some())
            };
            for kind in FileKind::ALL {
                if let Some(names) = next.get_mut(kind.folder()) {
                    names.retain(|name, _| is_published(*kind, name));
                }
            }
        }
        next.entry(kind.folder().to_owned())
            .or_default()
            .insert(name.as_str().to_owned(), properties);
        let bytes = serde_json::to_vec(&next).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > MAX_BYTES {
            let message = "there are too many properties on this server already";
            return Err(ApiError::new(ErrorCode::NoSpace, message));
        }
        let (path, written) = (self.path.clone(), next.clone());
        let write = move |fs: &dyn Fs| write_json(fs, &path, &written);
        let written = node.environment.disk.run(write).await;
        written.map_err(|error| ApiError::internal("writing properties down", error))?;
        *by_name = next;
        Ok(())
    }
}
