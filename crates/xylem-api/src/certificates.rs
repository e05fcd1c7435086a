//! Certificates that an administrator brings along, and those that are shown.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::Timestamp;

/// `PUT /v1/certificate` and `PUT /v1/distribution-servers/{name}/certificate`: what browsers, Finder
/// and other clients are shown from now on. Checked before it is taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPublicChain {
    /// The server's certificate and what signed it, in PEM; the root too, where it is your own.
    pub chain_pem: String,
    /// Its private key, unencrypted, in PEM. It is never shown again.
    pub key_pem: String,
}

impl fmt::Debug for SetPublicChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetPublicChain").finish_non_exhaustive()
    }
}

/// `GET /v1/control/public-chain`: chain and key of this server, in PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicChainSecret {
    /// Both.
    pub pem: String,
}

impl fmt::Debug for PublicChainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicChainSecret").finish_non_exhaustive()
    }
}

/// What a server shows to others than our own programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownCertificate {
    /// Where it comes from.
    pub source: CertificateSource,
    /// Whom it names.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Valid up to this moment.
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint: String,
    /// Why it is not the one it should be.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateSource {
    /// The built-in authority, which renews it by itself.
    BuiltIn,
    /// An administrator brought it.
    Administrator,
    /// An ACME authority (RFC 8555), asked by the server itself.
    Acme,
}

impl fmt::Display for CertificateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built-in",
            Self::Administrator => "administrator",
            Self::Acme => "acme",
        })
    }
}
