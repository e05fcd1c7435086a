//! The data folder.
//!
//! ```text
//! format               the number of this layout; written last, so that where it is, all is
//! keys/root.seed       signs trust documents; may be kept elsewhere between renewals
//! keys/online.seed     signs everything else
//! ca/                  the certificate authority (xylem-ca)
//! trust.json           the trust document in force
//! xylem.db             the database, unless another is configured
//! ```
//!
//! Folder 0700, keys 0600.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use xylem_pki::{MAX_PUBLIC_CHAIN_BYTES, PublicChain};
use xylem_runtime::{Fs, Rng, random_array, read_bounded, replace_file, replace_private_file};
use xylem_trust::{Envelope, MAX_ENVELOPE_BYTES, SigningKey};

use crate::ServerError;
use crate::sealed::KEY_BYTES;

/// The layout that this program writes.
const FORMAT: u32 = 1;

/// Bytes of the file `format`.
const MAX_FORMAT_BYTES: u64 = 16;

/// Bytes of a key file: 64 hexadecimal characters and a newline.
const MAX_SEED_BYTES: u64 = 80;

const FORMAT_FILE: &str = "format";
const ROOT_SEED: &str = "keys/root.seed";
const ONLINE_SEED: &str = "keys/online.seed";
/// The root certificates, for administrators.
pub(crate) const CA_FILE: &str = "ca.pem";
const SECRETS_KEY: &str = "keys/secrets.key";
const PUBLIC_CHAIN: &str = "keys/public.pem";
const TRUST: &str = "trust.json";

/// Paths of everything in the data folder.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.0.join(TRUST)
    }

    /// Makes the folder, for its owner only; refuses one that holds a server.
    pub(crate) fn prepare(&self, fs: &dyn Fs) -> Result<(), ServerError> {
        if self.holds_server(fs)? {
            return Err(ServerError::AlreadyThere { folder: self.0.clone() });
        }
        for folder in [self.0.clone(), self.0.join("keys"), self.ca()] {
            fs.create_dir_all(&folder).map_err(|e| ServerError::writing(&folder, e))?;
        }
        self.close_to_others()
    }

    /// Takes all rights from everybody but the owner.
    fn close_to_others(&self) -> Result<(), ServerError> {
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&self.0, private).map_err(|e| ServerError::writing(&self.0, e))
    }

    /// Marks the folder as complete.
    pub(crate) fn finish(&self, fs: &dyn Fs) -> Result<(), ServerError> {
        let path = self.0.join(FORMAT_FILE);
        let text = format!("{FORMAT}\n");
        replace_file(fs, &path, text.as_bytes()).map_err(|e| ServerError::writing(&path, e))
    }

    /// Refuses a folder without a server, of a newer version, or that cannot be written to.
    pub(crate) fn check(&self, fs: &dyn Fs) -> Result<(), ServerError> {
        let path = self.0.join(FORMAT_FILE);
        let bytes = match read_bounded(fs, &path, MAX_FORMAT_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ServerError::NotThere { folder: self.0.clone() });
            }
            other => other.map_err(|e| ServerError::reading(&path, e))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let found: u32 =
            text.trim().parse().map_err(|_| ServerError::damaged(&path, "it holds no number"))?;
        if found > FORMAT {
            let folder = self.0.clone();
            return Err(ServerError::NewerFormat { folder, found, known: FORMAT });
        }
        // Found out now and not at the first renewal, days later.
        self.finish(fs)
    }

    fn holds_server(&self, fs: &dyn Fs) -> Result<bool, ServerError> {
        let path = self.0.join(FORMAT_FILE);
        fs.exists(&path).map_err(|e| ServerError::reading(&path, e))
    }

    /// Whether there is nothing in the folder, or no folder.
    pub(crate) fn is_empty(&self, fs: &dyn Fs) -> Result<bool, ServerError> {
        match fs.list(&self.0) {
            Ok(entries) => Ok(entries.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(ServerError::reading(&self.0, error)),
        }
    }

    /// Makes the two signing keys.
    pub(crate) fn create_keys(&self, fs: &dyn Fs, rng: &dyn Rng) -> Result<Keys, ServerError> {
        self.sealing_key(fs, rng)?;
        for name in [ROOT_SEED, ONLINE_SEED] {
            let seed = hex::encode(random_array::<32>(rng)) + "\n";
            self.write(fs, name, seed.as_bytes())?;
        }
        self.load_keys(fs)
    }

    /// Loads the signing keys; the root's may be kept elsewhere.
    pub(crate) fn load_keys(&self, fs: &dyn Fs) -> Result<Keys, ServerError> {
        let root = match self.load_seed(fs, ROOT_SEED) {
            Err(ServerError::File(xylem_pki::FileError::Missing { .. })) => None,
            other => Some(other?),
        };
        Ok(Keys { root, online: self.load_seed(fs, ONLINE_SEED)? })
    }

    fn load_seed(&self, fs: &dyn Fs, name: &str) -> Result<SigningKey, ServerError> {
        let path = self.0.join(name);
        let bytes =
            read_bounded(fs, &path, MAX_SEED_BYTES).map_err(|e| ServerError::reading(&path, e))?;
        let text = String::from_utf8_lossy(&bytes);
        let seed = hex::decode(text.trim())
            .map_err(|_| ServerError::damaged(&path, "it holds no hexadecimal seed"))?;
        SigningKey::from_seed(&seed).map_err(|error| ServerError::damaged(&path, error))
    }

    pub(crate) fn load_trust(&self, fs: &dyn Fs) -> Result<Envelope, ServerError> {
        let path = self.trust();
        let bytes = read_bounded(fs, &path, MAX_ENVELOPE_BYTES as u64)
            .map_err(|e| ServerError::reading(&path, e))?;
        Envelope::from_bytes(&bytes).map_err(|error| ServerError::damaged(&path, error))
    }

    pub(crate) fn save_trust(&self, fs: &dyn Fs, trust: &Envelope) -> Result<(), ServerError> {
        let path = self.trust();
        replace_file(fs, &path, &trust.to_bytes()).map_err(|e| ServerError::writing(&path, e))
    }

    /// The key that secrets in the database are sealed with; made where it is not there.
    pub(crate) fn sealing_key(
        &self,
        fs: &dyn Fs,
        rng: &dyn Rng,
    ) -> Result<[u8; KEY_BYTES], ServerError> {
        let path = self.0.join(SECRETS_KEY);
        if !fs.exists(&path).map_err(|e| ServerError::reading(&path, e))? {
            let key = random_array::<KEY_BYTES>(rng);
            self.write(fs, SECRETS_KEY, (hex::encode(key) + "\n").as_bytes())?;
            return Ok(key);
        }
        let bytes =
            read_bounded(fs, &path, MAX_SEED_BYTES).map_err(|e| ServerError::reading(&path, e))?;
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(String::from_utf8_lossy(&bytes).trim(), &mut key)
            .map_err(|_| ServerError::damaged(&path, "it holds no hexadecimal key"))?;
        Ok(key)
    }

    /// The certificate that an administrator brought for this server, with its key.
    pub(crate) fn load_public_chain(
        &self,
        fs: &dyn Fs,
    ) -> Result<Option<PublicChain>, ServerError> {
        let path = self.0.join(PUBLIC_CHAIN);
        if !fs.exists(&path).map_err(|e| ServerError::reading(&path, e))? {
            return Ok(None);
        }
        let limit = MAX_PUBLIC_CHAIN_BYTES as u64;
        let bytes = read_bounded(fs, &path, limit).map_err(|e| ServerError::reading(&path, e))?;
        // Without it everything goes on; browsers are shown the built-in one.
        Ok(PublicChain::read(&String::from_utf8_lossy(&bytes))
            .inspect_err(|error| {
                tracing::error!(path = %path.display(), %error, "the certificate is not shown");
            })
            .ok())
    }

    /// Keeps it, or forgets it.
    pub(crate) fn save_public_chain(
        &self,
        fs: &dyn Fs,
        chain: Option<&str>,
    ) -> Result<(), ServerError> {
        let path = self.0.join(PUBLIC_CHAIN);
        let there = fs.exists(&path).map_err(|e| ServerError::reading(&path, e))?;
        match chain {
            Some(text) => self.write(fs, PUBLIC_CHAIN, text.as_bytes()),
            None if there => fs.remove_file(&path).map_err(|e| ServerError::writing(&path, e)),
            None => Ok(()),
        }
    }

    /// Writes the root certificates that are believed where administrators look for them.
    pub(crate) fn save_roots(&self, fs: &dyn Fs, pem: &str) -> Result<(), ServerError> {
        let path = self.0.join(CA_FILE);
        replace_file(fs, &path, pem.as_bytes()).map_err(|e| ServerError::writing(&path, e))
    }

    /// The files a backup keeps beside the database, by their names below the folder.
    pub(crate) fn backup_names(&self, fs: &dyn Fs) -> Result<Vec<String>, ServerError> {
        let mut names = vec![TRUST.to_owned()];
        // An authority that followed another one lies in a folder of its own.
        let mut folders = vec!["keys".to_owned(), "ca".to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.0.join(&folder);
            for entry in fs.list(&path).map_err(|e| ServerError::reading(&path, e))? {
                let name = format!("{folder}/{}", entry.name);
                match entry.is_dir {
                    true => folders.push(name),
                    false => names.push(name),
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, fs: &dyn Fs, name: &str, bytes: &[u8]) -> Result<(), ServerError> {
        let path = self.0.join(name);
        replace_private_file(fs, &path, bytes).map_err(|e| ServerError::writing(&path, e))
    }
}

/// The keys that signed documents are signed with.
pub(crate) struct Keys {
    /// Signs trust documents.
    pub(crate) root: Option<SigningKey>,
    /// Signs everything else.
    pub(crate) online: SigningKey,
}
