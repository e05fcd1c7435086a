//! What is known about a signature: plain values that cross a process border as JSON.

use serde::{Deserialize, Serialize};

/// The facts of a signature, each by itself: none of them alone means that it can be trusted.
///
/// Whether a certificate has expired by now is not among them, as the answer depends on the file
/// alone; nor whether it was revoked, which only Apple knows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SignatureSummary {
    /// The RSA signature, if there is one, compared with the table of contents.
    pub rsa: Option<SignatureMatch>,
    /// The CMS signature, if there is one, compared with the table of contents.
    pub cms: Option<SignatureMatch>,
    /// The first certificate's common name, such as `Developer ID Installer: NAME (TEAMID)`.
    /// Anybody can make a certificate of that name.
    pub signer: Option<String>,
    /// The first certificate's organisational unit: the ten characters of the developer's team.
    pub team: Option<String>,
    /// What Apple certified the signer for.
    pub signer_kind: SignerKind,
    /// When the first certificate becomes valid, in seconds since 1970.
    pub valid_from_unix_seconds: Option<i64>,
    /// When the first certificate expires, in seconds since 1970.
    pub valid_until_unix_seconds: Option<i64>,
    /// How many certificates came along.
    pub certificates: usize,
    /// Whether each certificate is signed by another that came along, up to one that signs itself.
    pub chain_complete: bool,
    /// Whether that last one is a root certificate of Apple's. When those in between were valid is
    /// not looked at.
    pub chain_to_apple_root: bool,
    /// When a timestamp authority saw the CMS signature; absent when none says so.
    pub timestamp: Option<TimestampFacts>,
    /// Whether the first certificate was valid at the time of the timestamp; absent without one
    /// that is of this signature and matches.
    pub valid_when_signed: Option<bool>,
}

/// Whether a signature is one over this table of contents by the first certificate's key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureMatch {
    /// It is.
    Matches,
    /// It is one over something else, or by somebody else.
    Differs,
    /// It cannot be read, uses algorithms unknown here, or there is no digest to compare with.
    NotChecked,
}

impl SignatureMatch {
    pub(super) fn of(checked: Option<bool>) -> Self {
        match checked {
            Some(true) => Self::Matches,
            Some(false) => Self::Differs,
            None => Self::NotChecked,
        }
    }
}

/// What Apple certified a signer for; told only where the chain leads to Apple's root.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignerKind {
    /// Packages that are given out by the developer.
    DeveloperIdInstaller,
    /// Packages of the App Store, or those handed in to it.
    MacAppStoreInstaller,
    /// Something else, or nothing by Apple.
    Other,
}

/// What a timestamp says, each fact by itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TimestampFacts {
    /// The time, in seconds since 1970.
    pub unix_seconds: i64,
    /// The common name of the authority's certificate; absent when it did not come along.
    pub authority: Option<String>,
    /// Whether it speaks of this very signature.
    pub of_this_signature: bool,
    /// Whether its own signature is one over it by the authority's key.
    pub matches: bool,
    /// Whether the authority's certificate is one for timestamps and leads to a root of Apple's.
    pub chain_to_apple_root: bool,
}
