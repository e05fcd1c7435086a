//! The data folder: what lies where, and how small files are read and written.
//!
//! ```text
//! format               "xylem-distribution 1"
//! server.json          where the management server is, who this server is to others, and which
//!                      hosts of one's own network a cloud may have
//! trust.json           the pinned trust document, as it was signed
//! identity/            key, certificate, pinned root certificates (xylem-pki), and `public.pem`:
//!                      what an administrator brought to be shown to clients, with its key;
//!                      `acme.pem`, `acme.json`: the same from an ACME authority, the account
//! lock                 held by the program that runs on it
//! handover             the socket by which that program can be asked for its port
//! state/manifest.log   the signed descriptors and head in force
//! state/access.json    the signed grants and revocations; the parents
//! state/seen.json      the highest stamps ever seen: no cache, never thrown away
//! state/unwanted.json  what is held though no longer wanted, and since when
//! state/scrub.json     how far the looking through of everything held is
//! state/uploads/ID.json  uploads under way
//! repo/                the content (xylem-blobs)
//! webdav/locks.json    locks of WebDAV clients
//! webdav/properties.json  what they want remembered beside what is published
//! webdav/drop/         the folder tree `Drop`, and what is on its way into it (xylem-webdav)
//! ```
//!
//! Every file is replaced whole, so that a power cut leaves the old or the new one; the manifest
//! alone is appended to. There is no database: these files are the state.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xylem_client::BaseUrl;
use xylem_model::UploadId;
use xylem_pki::{FileError, IdentityStore};
use xylem_runtime::{FolderLock, Fs, read_bounded, replace_file};

/// What the `format` file says.
const FORMAT: &str = "xylem-distribution 1";

/// The longest `format` file that is read, in bytes.
const MAX_FORMAT_BYTES: u64 = 1024;

/// The largest file of settings or state that is read, in bytes: grants for every content of a
/// large catalogue fit.
const MAX_STATE_BYTES: u64 = 256 << 20;

/// Something wrong with the data folder.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A later release wrote it.
    #[error(
        "{} says `{found}`, but this release reads `{FORMAT}`: start the newer release that wrote \
         it, or choose another folder with --data",
        path.display()
    )]
    NewerFormat {
        /// The `format` file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Another program runs on it.
    #[error(
        "a distribution server is running on {} already: stop it first, or start this one with \
         --take-over to have it hand over its port",
        path.display()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// There is no distribution server in it.
    #[error(
        "{} is not the data folder of a distribution server: run `xylem distribution enroll` \
         first, or check --data",
        path.display()
    )]
    NotEnrolled {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file does not hold what it should.
    #[error("{} is damaged: restore it from a backup, or enroll this server again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What enrollment fixed and `server.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The management server: `https://HOST[:PORT]`.
    pub server: String,
    /// This server's display name.
    pub name: String,
    /// Where computers and other servers reach it: `https://HOST[:PORT]`.
    pub public_url: String,
    /// The address it listens on.
    pub listen: std::net::SocketAddr,
    /// Hosts of a cloud that may have addresses of one's own network. Written by whoever runs this
    /// machine: what a management server says is not enough to have it ask its neighbours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cloud_private_hosts: Vec<String>,
    /// The folder that a cloud distribution point of the kind `folder` fills. Written by whoever runs
    /// this machine: nobody else chooses where this server writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_folder: Option<PathBuf>,
}

impl Settings {
    /// Those of an enrolled server's data folder.
    ///
    /// # Errors
    /// When there is no such server in it, or it cannot be read.
    pub fn read(fs: &dyn Fs, data: &Path) -> Result<Self, DataError> {
        let folder = DataFolder::new(data);
        let none = || DataError::NotEnrolled { path: data.to_owned() };
        if !folder.check_format(fs)? {
            return Err(none());
        }
        read_json(fs, &folder.settings())?.ok_or_else(none)
    }

    /// The management server's address, checked.
    pub(crate) fn server_url(&self, folder: &DataFolder) -> Result<BaseUrl, DataError> {
        self.server.parse().map_err(|source| DataError::Damaged {
            path: folder.settings(),
            source: Box::new(source),
        })
    }
}

/// The paths below one data folder.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn format(&self) -> PathBuf {
        self.root.join("format")
    }

    /// The exclusive use of the folder; none where another program has it.
    pub(crate) fn lock(&self, fs: &dyn Fs) -> Result<Option<FolderLock>, DataError> {
        FolderLock::take(fs, &self.root)
            .map_err(|source| FileError::writing(&self.root.join("lock"), source).into())
    }

    pub(crate) fn handover(&self) -> PathBuf {
        self.root.join("handover")
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("server.json")
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.root.join("trust.json")
    }

    pub(crate) fn acme(&self) -> PathBuf {
        self.root.join("identity/acme.json")
    }

    pub(crate) fn acme_chain(&self) -> PathBuf {
        self.root.join("identity/acme.pem")
    }

    pub(crate) fn acme_root(&self) -> PathBuf {
        self.root.join("identity/acme-root.pem")
    }

    pub(crate) fn public_chain(&self) -> PathBuf {
        self.root.join("identity/public.pem")
    }

    pub(crate) fn identity(&self) -> IdentityStore {
        IdentityStore::new(self.root.join("identity"))
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.root.join("repo")
    }

    fn webdav(&self) -> PathBuf {
        self.root.join("webdav")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.webdav().join("locks.json")
    }

    pub(crate) fn properties(&self) -> PathBuf {
        self.webdav().join("properties.json")
    }

    pub(crate) fn drop_folder(&self) -> PathBuf {
        self.webdav().join("drop")
    }

    fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.state().join("manifest.log")
    }

    pub(crate) fn access(&self) -> PathBuf {
        self.state().join("access.json")
    }

    pub(crate) fn seen(&self) -> PathBuf {
        self.state().join("seen.json")
    }

    pub(crate) fn unwanted(&self) -> PathBuf {
        self.state().join("unwanted.json")
    }

    pub(crate) fn scrub(&self) -> PathBuf {
        self.state().join("scrub.json")
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.state().join("uploads")
    }

    pub(crate) fn upload(&self, id: UploadId) -> PathBuf {
        self.uploads().join(format!("{id}.json"))
    }

    /// Makes the folders and the `format` file; says early, and clearly, when that is impossible.
    pub(crate) fn prepare(&self, fs: &dyn Fs) -> Result<(), DataError> {
        let uploads = self.uploads();
        fs.create_dir_all(&uploads).map_err(|source| FileError::writing(&uploads, source))?;
        for folder in [&uploads, &self.state(), &self.root] {
            fs.sync_dir(folder).map_err(|source| FileError::writing(folder, source))?;
        }
        if self.check_format(fs)? {
            return Ok(());
        }
        let path = self.format();
        replace_file(fs, &path, format!("{FORMAT}\n").as_bytes())
            .map_err(|source| FileError::writing(&path, source).into())
    }

    /// Whether the folder is one of ours; refuses one of a later release.
    pub(crate) fn check_format(&self, fs: &dyn Fs) -> Result<bool, DataError> {
        let path = self.format();
        let text = match read_bounded(fs, &path, MAX_FORMAT_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            text => text.map_err(|source| FileError::reading(&path, source))?,
        };
        let text = String::from_utf8_lossy(&text);
        let found: String = text.lines().next().unwrap_or("").chars().take(80).collect();
        if found == FORMAT { Ok(true) } else { Err(DataError::NewerFormat { path, found }) }
    }

    /// Whether somebody enrolled here. The identity is written last, so where it is, all is.
    pub(crate) fn is_enrolled(&self, fs: &dyn Fs) -> Result<bool, DataError> {
        Ok(self.identity().exists(fs)?)
    }
}

/// Reads a file of JSON; none where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(
    fs: &dyn Fs,
    path: &Path,
) -> Result<Option<T>, DataError> {
    let bytes = match read_bounded(fs, path, MAX_STATE_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|source| FileError::reading(path, source))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| damaged(path, source))
}

/// Replaces a file of JSON.
pub(crate) fn write_json(
    fs: &dyn Fs,
    path: &Path,
    value: &impl Serialize,
) -> Result<(), DataError> {
    let bytes = serde_json::to_vec(value).map_err(|source| damaged(path, source))?;
    replace_file(fs, path, &bytes).map_err(|source| FileError::writing(path, source).into())
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(fs: &dyn Fs, path: &Path) -> Result<(), DataError> {
    match fs.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| FileError::writing(path, source).into()),
    }
}

/// A file that does not hold what it should.
pub(crate) fn damaged(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> DataError {
    DataError::Damaged { path: path.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xylem_runtime::RealFs;

    #[test]
    fn a_folder_of_a_newer_release_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("format"), "xylem-distribution 2\n").unwrap();
        let data = DataFolder::new(folder.path());
        let told = data.prepare(&RealFs).unwrap_err().to_string();
        assert!(told.contains("`xylem-distribution 2`") && told.contains("--data"), "{told}");
    }

    #[test]
    fn a_prepared_folder_is_known_as_ours_but_not_enrolled() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path().join("new"));
        assert!(!data.check_format(&RealFs).unwrap());
        data.prepare(&RealFs).unwrap();
        data.prepare(&RealFs).unwrap();
        assert!(data.check_format(&RealFs).unwrap());
        assert!(!data.is_enrolled(&RealFs).unwrap());
    }

    #[test]
    fn hosts_of_ones_own_network_are_named_by_hand_and_stay_away_where_there_are_none() {
        let text = r#"{"server": "https://a", "name": "n", "public_url": "https://b",
            "listen": "127.0.0.1:1"}"#;
        let none: Settings = serde_json::from_str(text).unwrap();
        assert!(none.cloud_private_hosts.is_empty() && none.cloud_folder.is_none());
        // What an earlier release reads too.
        assert!(!serde_json::to_string(&none).unwrap().contains("cloud_"));
        let some = text.replace('}', r#", "cloud_private_hosts": ["s3.lan", "10.0.0.7"]}"#);
        let some: Settings = serde_json::from_str(&some).unwrap();
        assert_eq!(some.cloud_private_hosts, ["s3.lan", "10.0.0.7"]);
    }

    #[test]
    fn damaged_settings_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.json");
        std::fs::write(&path, "{").unwrap();
        let told = read_json::<Settings>(&RealFs, &path).unwrap_err().to_string();
        assert!(told.contains("server.json is damaged"), "{told}");
    }
}
