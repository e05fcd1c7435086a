//! The authority on disk: of each generation
//!
//! | File | Holds | Mode |
//! |---|---|---|
//! | `root.key` | the root's key and certificate; may be kept elsewhere | 0600 |
//! | `root.pem` | the root's certificate | as the folder allows |
//! | `chain.pem` | what is shown after the intermediate, where anything is | as the folder allows |
//! | `former.pem` | roots before it that are still believed, where there are any | as the folder allows |
//! | `intermediate.pem` | the intermediate's key and certificate; written last | 0600 |
//!
//! The first generation lies in the folder itself, generation N in `generation-N`; the file
//! `generation` says which one signs. The one after it, where it is there, is the next.
//!
//! A key and its certificate share a file, because they must change together: a power cut in the
//! renewal of an intermediate leaves the old pair or the new one. For the root it means that
//! `root.key` alone is enough to bring everything back. Nothing here overwrites a root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use xylem_model::Timestamp;
use xylem_pki::{FileError, KeyPair, pem};
use xylem_runtime::{Fs, Rng, read_bounded, replace_file, replace_private_file};

use crate::authority::{Generation, Signer, sign_intermediate};
use crate::{Authority, CaError};

/// Bytes of a file of the authority.
pub const MAX_CA_FILE_BYTES: u64 = 64 * 1024;

/// Certificates of one list.
const MAX_LISTED: usize = 8;

pub(crate) const ROOT_KEY: &str = "root.key";
pub(crate) const ROOT: &str = "root.pem";
pub(crate) const INTERMEDIATE: &str = "intermediate.pem";
pub(crate) const CHAIN: &str = "chain.pem";
pub(crate) const FORMER: &str = "former.pem";
const GENERATION: &str = "generation";

impl Authority {
    /// Loads the authority of a folder, or makes and saves a new one where there is none. Takes up
    /// after a power cut in an earlier first start, and makes a new intermediate where that is
    /// missing and the root's key is there.
    ///
    /// # Errors
    /// When a file is damaged or cannot be read or written; when the root's key is needed and away.
    pub fn open(
        fs: &dyn Fs,
        folder: &Path,
        organization: &str,
        now: Timestamp,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, CaError> {
        let number = number(fs, folder)?;
        let signing = place(folder, number);
        let there = |name: &str| exists(fs, &signing.join(name));
        let (key, root, intermediate) = (there(ROOT_KEY)?, there(ROOT)?, there(INTERMEDIATE)?);
        let authority = match (key || root, intermediate) {
            (false, false) if number > 0 || exists(fs, &place(folder, 1))? => {
                // Parties believe it, so no other can take its place.
                return Err(FileError::Missing { path: signing.join(ROOT) }.into());
            }
            (false, false) => Self::create(organization, now, rng)?,
            (true, false) => {
                let root = load_root(fs, &signing)?;
                let intermediate = sign_intermediate(&root, now, &*rng)?;
                let present = Generation { root, intermediate, rest: Vec::new() };
                Self::beside(fs, folder, number, present, rng)?
            }
            (_, true) => Self::load(fs, folder, rng)?,
        };
        if !(root && intermediate) {
            authority.save(fs, folder)?;
        }
        Ok(authority)
    }

    /// Loads the authority of a folder. Works without the root's key.
    ///
    /// # Errors
    /// When a file is missing, damaged, cannot be read, or does not belong to the others.
    pub fn load(fs: &dyn Fs, folder: &Path, rng: Arc<dyn Rng>) -> Result<Self, CaError> {
        let number = number(fs, folder)?;
        let present = Generation::load(fs, &place(folder, number))?;
        Self::beside(fs, folder, number, present, rng)
    }

    /// A generation that signs, with what the folder says of the others.
    fn beside(
        fs: &dyn Fs,
        folder: &Path,
        number: u32,
        present: Generation,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, CaError> {
        let coming = place(folder, number + 1);
        let next = match exists(fs, &coming.join(INTERMEDIATE))? {
            true => Some(Generation::load(fs, &coming)?),
            false => None,
        };
        let former = load_list(fs, &place(folder, number).join(FORMER))?;
        Ok(Self { number, present, next, former, rng })
    }

    /// Saves the generation that signs, each file whole or not at all. The root's key is written
    /// where this authority holds it and the folder does not.
    ///
    /// # Errors
    /// [`CaError::OtherAuthority`] when the folder holds one already; when a file cannot be written.
    pub fn save(&self, fs: &dyn Fs, folder: &Path) -> Result<(), CaError> {
        self.present.save(fs, &place(folder, self.number))
    }
}

impl Generation {
    fn load(fs: &dyn Fs, folder: &Path) -> Result<Self, CaError> {
        let root = load_root(fs, folder)?;
        let path = folder.join(INTERMEDIATE);
        let bytes = read(fs, &path)?;
        let intermediate = Signer::read(certificate(&path, &bytes)?, ())
            .ok_or_else(|| damaged(&path, "it holds no certificate of an authority"))?;
        let key = matching_key(&path, &bytes, &intermediate.certificate)?;
        if intermediate.certificate != root.certificate {
            check_signed_by(&path, &intermediate.certificate, &root.certificate)?;
        }
        let rest = load_list(fs, &folder.join(CHAIN))?;
        let Signer { certificate, validity, organization, key: () } = intermediate;
        let intermediate = Signer { certificate, validity, organization, key };
        Ok(Self { root, intermediate, rest })
    }

    pub(crate) fn save(&self, fs: &dyn Fs, folder: &Path) -> Result<(), CaError> {
        match load_root(fs, folder) {
            Ok(there) if there.certificate == self.root.certificate => {}
            Ok(_) => return Err(CaError::OtherAuthority { folder: folder.to_owned() }),
            Err(CaError::File(FileError::Missing { .. })) => {}
            Err(error) => return Err(error),
        }
        written(folder, fs.create_dir_all(folder))?;
        let root = pem::encode_certificates([&self.root.certificate]);
        if let Some(key) = &self.root.key {
            let path = folder.join(ROOT_KEY);
            if !exists(fs, &path)? {
                let text = key.to_pem() + &root;
                written(&path, replace_private_file(fs, &path, text.as_bytes()))?;
            }
        }
        let path = folder.join(ROOT);
        written(&path, replace_file(fs, &path, root.as_bytes()))?;
        save_list(fs, &folder.join(CHAIN), &self.rest)?;
        let path = folder.join(INTERMEDIATE);
        let chain = pem::encode_certificates([&self.intermediate.certificate]);
        let text = self.intermediate.key.to_pem() + &chain;
        written(&path, replace_private_file(fs, &path, text.as_bytes()))
    }
}

/// Where a generation lies.
pub(crate) fn place(folder: &Path, number: u32) -> PathBuf {
    match number {
        0 => folder.to_owned(),
        number => folder.join(format!("generation-{number}")),
    }
}

/// Which generation signs.
fn number(fs: &dyn Fs, folder: &Path) -> Result<u32, CaError> {
    let path = folder.join(GENERATION);
    match read(fs, &path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes)
            .trim()
            .parse()
            .map_err(|_| damaged(&path, "it holds no number of a generation")),
        Err(FileError::Missing { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn save_number(fs: &dyn Fs, folder: &Path, number: u32) -> Result<(), CaError> {
    let path = folder.join(GENERATION);
    written(&path, replace_file(fs, &path, format!("{number}\n").as_bytes()))
}

fn load_list(fs: &dyn Fs, path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    match read(fs, path) {
        Ok(bytes) => {
            pem::certificates(&bytes, MAX_LISTED).map_err(|error| damaged(path, &error.to_string()))
        }
        Err(FileError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Writes a list of certificates, or removes the file of an empty one.
pub(crate) fn save_list(
    fs: &dyn Fs,
    path: &Path,
    list: &[CertificateDer<'static>],
) -> Result<(), CaError> {
    match list {
        [] => remove(fs, path),
        list => {
            let text = pem::encode_certificates(list);
            written(path, replace_file(fs, path, text.as_bytes()))
        }
    }
}

/// Removes a file that may not be there.
pub(crate) fn remove(fs: &dyn Fs, path: &Path) -> Result<(), CaError> {
    match exists(fs, path)? {
        true => written(path, fs.remove_file(path)),
        false => Ok(()),
    }
}

pub(crate) fn exists(fs: &dyn Fs, path: &Path) -> Result<bool, FileError> {
    fs.exists(path).map_err(|source| FileError::reading(path, source))
}

pub(crate) fn written(path: &Path, result: std::io::Result<()>) -> Result<(), CaError> {
    result.map_err(|source| CaError::File(FileError::writing(path, source)))
}

/// Reads the root from `root.key` where that is, else its certificate alone from `root.pem`.
pub(crate) fn load_root(fs: &dyn Fs, folder: &Path) -> Result<Signer<Option<KeyPair>>, CaError> {
    let (key_path, path) = (folder.join(ROOT_KEY), folder.join(ROOT));
    let not_an_authority = |path| damaged(path, "it holds no certificate of an authority");
    let public = match read(fs, &path) {
        Ok(bytes) => Some(certificate(&path, &bytes)?),
        Err(FileError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    match (read(fs, &key_path), public) {
        (Ok(bytes), public) => {
            let root = certificate(&key_path, &bytes)?;
            let key = matching_key(&key_path, &bytes, &root)?;
            if public.is_some_and(|public| public != root) {
                return Err(damaged(&path, "it is another root than the one in root.key"));
            }
            Signer::read(root, Some(key)).ok_or_else(|| not_an_authority(&key_path))
        }
        (Err(FileError::Missing { .. }), Some(public)) => {
            Signer::read(public, None).ok_or_else(|| not_an_authority(&path))
        }
        (Err(FileError::Missing { .. }), None) => Err(FileError::Missing { path }.into()),
        (Err(error), _) => Err(error.into()),
    }
}

pub(crate) fn read(fs: &dyn Fs, path: &Path) -> Result<Vec<u8>, FileError> {
    read_bounded(fs, path, MAX_CA_FILE_BYTES).map_err(|source| FileError::reading(path, source))
}

fn certificate(path: &Path, bytes: &[u8]) -> Result<CertificateDer<'static>, CaError> {
    let found = pem::certificates(bytes, 1).map_err(|error| damaged(path, &error.to_string()))?;
    found.into_iter().next().ok_or_else(|| damaged(path, "it holds no certificate"))
}

/// The private key in a file, which must be the certificate's.
fn matching_key(path: &Path, bytes: &[u8], certificate: &[u8]) -> Result<KeyPair, CaError> {
    let key = KeyPair::from_pem(bytes).map_err(|error| damaged(path, &error.to_string()))?;
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| damaged(path, "its certificate is damaged"))?;
    if parsed.public_key().raw != key.public_key_der() {
        return Err(damaged(path, "its key does not belong to its certificate"));
    }
    Ok(key)
}

pub(crate) fn check_signed_by(
    path: &Path,
    certificate: &[u8],
    signer: &[u8],
) -> Result<(), CaError> {
    let signed = X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| {
        X509Certificate::from_der(signer).is_ok_and(|(_, signer)| {
            certificate.verify_signature(Some(signer.public_key())).is_ok()
        })
    });
    if signed { Ok(()) } else { Err(damaged(path, "it was not signed by the root in root.pem")) }
}

fn damaged(path: &Path, reason: &str) -> CaError {
    CaError::Damaged { path: path.to_owned(), reason: reason.to_owned() }
}
