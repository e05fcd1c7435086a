//! Key and certificates on disk.

use std::path::{Path, PathBuf};

use xylem_runtime::{Fs, read_bounded, replace_file, replace_private_file};

use crate::identity::OtherParty;
use crate::{AnchorError, Credentials, CredentialsError, FileError, Identity, TrustAnchors};

/// Bytes of the file that holds key and chain.
pub const MAX_IDENTITY_FILE_BYTES: u64 = 64 * 1024;

/// Key and chain in one file, so that a power cut in a renewal leaves either the old pair or the
/// new one, never a key beside another key's certificate.
const IDENTITY_FILE: &str = "identity.pem";
/// The root certificates pinned at enrolment.
const CA_FILE: &str = "ca.pem";

/// The folder where a party keeps `identity.pem` (private key and chain, mode 0600) and `ca.pem`
/// (the roots it believes). The file `identity.pem` is written last: where it is, all is.
#[derive(Debug, Clone)]
pub struct IdentityStore {
    folder: PathBuf,
}

/// An identity that could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no identity in the folder.
    #[error(
        "{} is missing: this machine has not been enrolled, or --data names another folder than \
         at enrolment",
        path.display()
    )]
    NotEnrolled {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file with key and chain is damaged.
    #[error(
        "{} is damaged: restore it from a backup, or enrol this machine again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CredentialsError,
    },
    /// The file with the roots is damaged or missing.
    #[error("the pinned root certificates cannot be used: restore the file, or enrol again")]
    Anchors(#[from] AnchorError),
    /// New certificates that do not lead to the pinned roots; nothing was saved.
    #[error("the new certificate was not signed by the pinned authority; the old one is kept")]
    ForeignAuthority(#[source] rustls::Error),
    /// New certificates for somebody else; nothing was saved.
    #[error("the new certificate is not ours; the old one is kept")]
    OtherParty(#[from] OtherParty),
}

impl IdentityStore {
    /// The store in a folder, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file that holds key and chain.
    pub fn identity_path(&self) -> PathBuf {
        self.folder.join(IDENTITY_FILE)
    }

    /// The file that holds the pinned roots.
    pub fn ca_path(&self) -> PathBuf {
        self.folder.join(CA_FILE)
    }

    /// Whether there is an identity, whole or damaged.
    ///
    /// # Errors
    /// When the folder may not be looked into.
    pub fn exists(&self, fs: &dyn Fs) -> Result<bool, FileError> {
        let path = self.identity_path();
        fs.exists(&path).map_err(|source| FileError::reading(&path, source))
    }

    /// Loads identity and roots. An expired certificate is no error here: it can be renewed.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`] where there is none; otherwise what is wrong with which file.
    pub fn load(&self, fs: &dyn Fs) -> Result<(Identity, TrustAnchors), StoreError> {
        let path = self.identity_path();
        let bytes = read_bounded(fs, &path, MAX_IDENTITY_FILE_BYTES).map_err(|source| {
            match FileError::reading(&path, source) {
                FileError::Missing { path } => StoreError::NotEnrolled { path },
                error => StoreError::File(error),
            }
        })?;
        warn_if_exposed(fs, &path);
        let credentials =
            Credentials::from_pem(&bytes).map_err(|source| StoreError::Damaged { path, source })?;
        let anchors = TrustAnchors::read(fs, &self.ca_path())?;
        Ok((Identity::new(credentials), anchors))
    }

    /// Saves a first identity with the roots it was enrolled under.
    ///
    /// # Errors
    /// When the certificate does not lead to the roots, or a file cannot be written.
    pub fn save(
        &self,
        fs: &dyn Fs,
        credentials: &Credentials,
        anchors: &TrustAnchors,
    ) -> Result<(), StoreError> {
        check_authority(credentials, anchors)?;
        fs.create_dir_all(&self.folder)
            .map_err(|source| FileError::writing(&self.folder, source))?;
        self.save_anchors(fs, anchors)?;
        self.write_identity(fs, credentials)
    }

    /// Saves other roots, as when the authority changes, then believes them from now on. Never
    /// such that the identity itself would not lead to one of them: it has to be renewed first.
    ///
    /// # Errors
    /// When the file cannot be written, or the identity does not lead there.
    pub fn change_anchors(
        &self,
        fs: &dyn Fs,
        identity: &Identity,
        anchors: &TrustAnchors,
        to: &TrustAnchors,
    ) -> Result<(), StoreError> {
        check_authority(&identity.current(), to)?;
        self.save_anchors(fs, to)?;
        anchors.replace(to);
        Ok(())
    }

    fn save_anchors(&self, fs: &dyn Fs, anchors: &TrustAnchors) -> Result<(), StoreError> {
        let path = self.ca_path();
        replace_file(fs, &path, anchors.to_pem().as_bytes())
            .map_err(|source| FileError::writing(&path, source).into())
    }

    /// Saves renewed credentials, then puts them in place. At any failure, on disk and in memory
    /// the old ones stay.
    ///
    /// # Errors
    /// When they are another party's, do not lead to the roots, or cannot be written.
    pub fn renew(
        &self,
        fs: &dyn Fs,
        identity: &Identity,
        credentials: Credentials,
        anchors: &TrustAnchors,
    ) -> Result<(), StoreError> {
        identity.check_successor(&credentials)?;
        check_authority(&credentials, anchors)?;
        self.write_identity(fs, &credentials)?;
        Ok(identity.replace(credentials)?)
    }

    fn write_identity(&self, fs: &dyn Fs, credentials: &Credentials) -> Result<(), StoreError> {
        let path = self.identity_path();
        replace_private_file(fs, &path, credentials.to_pem().as_bytes())
            .map_err(|source| FileError::writing(&path, source).into())
    }
}

/// A chain is judged at the moment it became valid, not at this machine's present: a clock that
/// lags must not cost a machine its renewal.
fn check_authority(credentials: &Credentials, anchors: &TrustAnchors) -> Result<(), StoreError> {
    anchors
        .verify_client_chain(credentials.chain(), credentials.certificate().not_before)
        .map_err(StoreError::ForeignAuthority)
}

/// Says so in the log when others on this machine may read a private key. Only a warning: some
/// ways to mount secrets give a group the right to read on purpose.
fn warn_if_exposed(fs: &dyn Fs, path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    const GROUP_AND_OTHERS: u32 = 0o077;
    let mode = fs
        .open(path)
        .ok()
        .and_then(|file| file.os_file())
        .and_then(Result::ok)
        .and_then(|file| file.metadata().ok())
        .map_or(0, |metadata| metadata.permissions().mode());
    if mode & GROUP_AND_OTHERS != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{:03o}", mode & 0o777),
            "other users of this machine may read the private key; mend with chmod 600",
        );
    }
}
