//! What a data folder says about its server, without asking the server.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::Serialize;
use xylem_model::{ContentId, DistributionServerId, Party, Stamp, Timestamp};
use xylem_pki::FileError;
use xylem_runtime::{Environment, Fs};

use crate::data::{DataError, DataFolder};
use crate::manifest::ManifestLog;
use crate::server::{OpenError, load_identity};

/// What `xylem distribution status` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its display name.
    pub name: String,
    /// Its id.
    pub id: DistributionServerId,
    /// The management server.
    pub server: String,
    /// Where others reach it.
    pub public_url: String,
    /// The state of the catalogue in force; none before the first.
    pub stamp: Option<Stamp>,
    /// Until when that state counts without word from the management server.
    pub good_until: Option<Timestamp>,
    /// How many contents it is to hold.
    pub wanted: u64,
    /// How many of these it holds.
    pub present: u64,
    /// Bytes of content it holds.
    pub used_bytes: u64,
    /// Bytes still free.
    pub free_bytes: u64,
    /// The end of its certificate, which it renews long before.
    pub certificate_ends: Timestamp,
}

/// Reads the status of a data folder. Changes nothing in it; the server may be running.
///
/// # Errors
/// As [`DistributionServer::open`](crate::DistributionServer::open).
pub async fn status(environment: &Environment, data: &Path) -> Result<Status, OpenError> {
    let folder = DataFolder::new(data);
    environment.disk.run(move |fs| read(fs, &folder)).await
}

fn read(fs: &dyn Fs, folder: &DataFolder) -> Result<Status, OpenError> {
    let (settings, identity, _) = load_identity(fs, folder)?;
    let Party::DistributionServer(id) = identity.party() else {
        return Err(OpenError::WrongRole { given: identity.party() });
    };
    let manifest = ManifestLog::peek(fs, &folder.manifest())?;
    let held = contents(fs, &folder.repository())?;
    let wanted: BTreeSet<ContentId> = manifest.descriptors().map(|d| d.content).collect();
    let ids: BTreeSet<ContentId> = held.iter().map(|(content, _)| *content).collect();
    Ok(Status {
        name: settings.name,
        id,
        server: settings.server,
        public_url: settings.public_url,
        stamp: manifest.head().map(|signed| signed.head.stamp),
        good_until: manifest.head().map(|signed| signed.head.expires),
        wanted: wanted.len() as u64,
        present: wanted.intersection(&ids).count() as u64,
        used_bytes: held.iter().map(|(_, size)| size).sum(),
        free_bytes: fs.free_space(folder.root()).unwrap_or(0),
        certificate_ends: identity.not_after(),
    })
}

/// The contents in a repository, by the layout that `xylem-blobs` documents.
fn contents(fs: &dyn Fs, repository: &Path) -> Result<Vec<(ContentId, u64)>, DataError> {
    let root = repository.join("content");
    let mut found = Vec::new();
    for shard in list(fs, &root)?.into_iter().filter(|entry| entry.is_dir) {
        let folder = root.join(&shard.name);
        for entry in list(fs, &folder)? {
            let Ok(content) = entry.name.parse::<ContentId>() else { continue };
            let path = folder.join(&entry.name);
            let size = fs.open(&path).and_then(|file| file.len());
            found.push((content, size.map_err(|source| FileError::reading(&path, source))?));
        }
    }
    Ok(found)
}

fn list(fs: &dyn Fs, folder: &Path) -> Result<Vec<xylem_runtime::Entry>, DataError> {
    match fs.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries.map_err(|source| FileError::reading(folder, source))?),
    }
}
