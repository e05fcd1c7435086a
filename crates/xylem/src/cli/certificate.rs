//! `xylem certificate …` and `xylem ds certificate …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What the management server shows to browsers.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Which certificate that is
    Show,
    /// Show one of yours from now on
    ///
    /// It is checked first: key and names must fit, the chain must be complete, in date, and without
    /// SHA-1. Our own programs go on by the built-in authority, whatever becomes of it.
    Set(ChainOptions),
    /// Show the one of the built-in authority again
    Forget,
}

/// What a distribution server shows to browsers, Finder and other clients.
#[derive(Debug, Subcommand)]
pub enum DsCertificateCommand {
    /// Show one of yours from now on
    ///
    /// It is checked first: key and names must fit, the chain must be complete, in date, and without
    /// SHA-1. Our own programs go on by the built-in authority, whatever becomes of it.
    Set {
        /// The distribution server's name
        name: String,
        /// The files
        #[command(flatten)]
        files: ChainOptions,
    },
    /// Show the one of the built-in authority again
    Forget {
        /// The distribution server's name
        name: String,
    },
}

/// A certificate with its key.
#[derive(Debug, Args)]
pub struct ChainOptions {
    /// The certificate and what signed it, in PEM; the root too, where it is your own
    #[arg(long)]
    pub chain: PathBuf,
    /// Its private key, unencrypted, in PEM
    #[arg(long)]
    pub key: PathBuf,
}
