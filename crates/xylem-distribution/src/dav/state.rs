//! What is kept of WebDAV.

use std::io;

use xylem_runtime::Environment;
use xylem_webdav::{Folder, Locks};

use super::phantoms::Phantoms;
use super::properties::Properties;
use crate::data::{DataError, DataFolder};
use xylem_pki::FileError;

/// Locks, properties, the folder tree, and what is only seen.
#[derive(Debug)]
pub(crate) struct ShareState {
    pub(crate) locks: Locks,
    pub(crate) drop: Folder,
    pub(super) phantoms: Phantoms,
    pub(super) properties: Properties,
    /// Why what lies in the folder tree is not published.
    pub(super) report: super::drop::Report,
}

impl ShareState {
    /// Reads what is in the data folder. Blocks.
    pub(crate) fn open(environment: &Environment, folder: &DataFolder) -> Result<Self, DataError> {
        let failed = |path: std::path::PathBuf| {
            move |source: io::Error| DataError::from(FileError::reading(&path, source))
        };
        let drop = Folder::open(environment.clone(), folder.drop_folder());
        let drop = drop.map_err(failed(folder.drop_folder()))?;
        let locks = Locks::open(environment.clone(), folder.locks());
        let locks = locks.map_err(failed(folder.locks()))?;
        let properties = Properties::read(environment.disk.fs(), folder.properties())?;
        let (phantoms, report) = (Phantoms::default(), super::drop::Report::default());
        Ok(Self { locks, drop, phantoms, properties, report })
    }
}
