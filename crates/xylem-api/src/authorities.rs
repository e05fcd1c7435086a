//! Which certificate authorities count, and how far a change of them is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::Timestamp;

/// What a party is told with each state and each check-in. See `docs/design/certificates.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Authorities {
    /// All root certificates to believe, in PEM, the present one first.
    pub roots_pem: String,
    /// SHA-256, in hexadecimal, of the root whose certificates are given now: who has one of
    /// another root gets a new one.
    pub present: String,
}

/// What a party says of its side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Believing {
    /// SHA-256, in hexadecimal, of each root certificate it believes.
    pub roots: Vec<String>,
    /// SHA-256 of the first of them that its own certificate leads to.
    #[serde(default)]
    pub certified_by: Option<String>,
}

/// `GET /v1/ca/state`: the authorities of this system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorityState {
    /// Where a change of authorities stands.
    pub step: AuthorityStep,
    /// The authority that signs.
    pub present: AuthorityInfo,
    /// The one that is to follow it.
    pub next: Option<AuthorityInfo>,
    /// SHA-256 of former roots that are still believed.
    pub former: Vec<String>,
    /// How far distribution servers have followed the step.
    pub servers: AuthorityProgress,
    /// How far computers have.
    pub computers: AuthorityProgress,
}

/// The steps of a change of authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityStep {
    /// One authority, and none to come.
    Steady,
    /// The next one is believed by more and more, and signs nothing.
    Announced,
    /// It signs; the one before is still believed.
    Switched,
}

/// An authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorityInfo {
    /// SHA-256 of the certificate that parties believe.
    pub fingerprint: String,
    /// When its intermediate certificate runs out.
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// Whether the organisation's own root signed it.
    pub is_organizations: bool,
    /// Of the next: whether parties that have not heard of it will believe its certificates too.
    pub is_bridged: bool,
}

/// How many have followed a step: believe the next authority, or have a certificate of the present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorityProgress {
    /// How many there are.
    pub all: u64,
    /// How many have.
    pub followed: u64,
    /// Names of some that have not.
    pub missing: Vec<String>,
}

/// `POST /v1/ca/switch` and `POST /v1/ca/finish`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityChange {
    /// Go on although some have not followed: they have to be enrolled again.
    #[serde(default)]
    pub despite_missing: bool,
}

/// The answer to `POST /v1/ca/request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IntermediateRequest {
    /// For the organisation's authority to sign, as PKCS#10 in PEM.
    pub csr_pem: String,
}

/// `POST /v1/ca/install`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallIntermediate {
    /// The intermediate certificate, what signed it, and so on up to the root, in PEM.
    pub chain_pem: String,
}
