//! Key pairs of a trusted key group: made by `openssl`, which also signs for us what our own code
//! would never sign, and verifies. It shares no code with our signer.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run::run;

/// What CloudFront takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Algorithm {
    /// RSA with 2048 bits.
    Rsa,
    /// ECDSA over P-256.
    P256,
}

/// The digest below a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Hash {
    Sha1,
    Sha256,
}

/// A key pair, in files.
#[derive(Debug, Clone)]
pub(in super::super) struct KeyPair {
    /// What the public half is called in the key group.
    pub(super) id: String,
    pub(super) private: PathBuf,
    public: PathBuf,
}

impl KeyPair {
    /// Makes one in a folder.
    pub(super) fn make(folder: &Path, id: &str, algorithm: Algorithm) -> anyhow::Result<Self> {
        let private = folder.join(format!("{id}.pem"));
        let public = folder.join(format!("{id}.pub.pem"));
        let option = match algorithm {
            Algorithm::Rsa => ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Algorithm::P256 => ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        let mut make = Command::new("openssl");
        make.args(["genpkey", "-quiet", "-algorithm"]).args(option).arg("-out").arg(&private);
        run(&mut make)?.require("openssl genpkey")?;
        let mut give = Command::new("openssl");
        give.args(["pkey", "-pubout", "-in"]).arg(&private).arg("-out").arg(&public);
        run(&mut give)?.require("openssl pkey")?;
        Ok(Self { id: id.to_owned(), private, public })
    }

    /// Signs whatever it is given.
    pub(super) fn sign(&self, hash: Hash, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let message = file(message)?;
        let mut sign = Command::new("openssl");
        sign.args(["dgst", hash.option(), "-sign"]).arg(&self.private).arg(message.path());
        let done = sign.output().context("cannot start openssl")?;
        ensure!(done.status.success(), "openssl signs nothing with {}", self.id);
        Ok(done.stdout)
    }

    /// Whether a signature is this key's, over a message.
    pub(super) fn verifies(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> anyhow::Result<bool> {
        let (message, signature) = (file(message)?, file(signature)?);
        let mut verify = Command::new("openssl");
        verify.args(["dgst", hash.option(), "-verify"]).arg(&self.public);
        verify.arg("-signature").arg(signature.path()).arg(message.path());
        Ok(run(&mut verify)?.success)
    }
}

impl Hash {
    const fn option(self) -> &'static str {
        match self {
            Self::Sha1 => "-sha1",
            Self::Sha256 => "-sha256",
        }
    }
}

fn file(bytes: &[u8]) -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    Ok(file)
}
