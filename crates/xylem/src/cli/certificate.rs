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
    /// Show the one of the built-in authority, or of an ACME authority, again
    Forget {
        /// The distribution server's name
        name: String,
    },
    /// Have it get one from an ACME authority, and renew it by itself
    ///
    /// The authority proves the host of the public URL by TLS-ALPN-01, at port 443 of the server. By
    /// naming an authority you agree to its terms.
    Acme {
        /// The distribution server's name
        name: String,
        /// The authority's directory: https://HOST/PATH
        #[arg(long, required_unless_present = "off")]
        directory: Option<String>,
        /// An address of mail for the authority to write to
        #[arg(long, requires = "directory")]
        contact: Option<String>,
        /// The root certificate of an authority of your own, in PEM
        #[arg(long, requires = "directory")]
        ca: Option<PathBuf>,
        /// Go back to the built-in authority
        #[arg(long, conflicts_with = "directory")]
        off: bool,
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
