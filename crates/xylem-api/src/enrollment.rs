//! Joining and staying joined.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{InvitationId, Timestamp};
use xylem_trust::Envelope;

/// `GET /v1/ca`: the built-in root certificate, public.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaInfo {
    /// Who runs this system.
    pub organization: String,
    /// The root certificate in PEM; while authorities change, the other ones that are believed
    /// after it.
    pub root_pem: String,
    /// The server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}

/// `POST /v1/enroll/distribution-server`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollDistributionServer {
    /// The invitation's code.
    pub invitation: String,
    /// The certificate request in PEM: proof that the caller holds the key.
    pub csr_pem: String,
    /// Display name; unique.
    pub name: String,
    /// Where computers and children reach it: `https://HOST[:PORT]`.
    pub public_url: String,
    /// The caller's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}

/// `POST /v1/enroll/computer`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollComputer {
    /// The invitation's code.
    pub invitation: String,
    /// The certificate request in PEM.
    pub csr_pem: String,
    /// Computer name; unique.
    pub name: String,
    /// Hardware serial number, where there is one.
    pub serial_number: Option<String>,
    /// The caller's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}

/// What a party gets when it joins.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Enrolled {
    /// Its identity, as in its certificate: `xylem://ROLE/UUID`.
    pub party: String,
    /// Its certificate and the intermediate, leaf first, in PEM.
    pub chain_pem: String,
    /// The root certificate in PEM, as `GET /v1/ca` gives it.
    pub root_pem: String,
    /// The signed trust document to pin.
    #[schema(value_type = Object)]
    pub trust: Envelope,
}

/// `POST /v1/renew`: a new certificate for a known party. Signed with the party's old key, so it
/// works with a certificate that has expired meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// What is signed: the text of a [`RenewRequest`].
    pub request: String,
    /// The old certificate chain in PEM, leaf first.
    pub chain_pem: String,
    /// Signature over `request` by the old certificate's key (ECDSA P-256 with SHA-256, ASN.1),
    /// in hexadecimal.
    pub signature: String,
}

/// The signed part of [`Renew`], as JSON text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// The new certificate request in PEM.
    pub csr_pem: String,
    /// The caller's clock; a request older than ten minutes is refused.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}

/// A new certificate.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Renewed {
    /// Certificate and intermediate, leaf first, in PEM.
    pub chain_pem: String,
}

/// Who an invitation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InvitationKind {
    /// A managed Mac.
    Computer,
    /// A distribution server.
    Distribution,
}

/// `POST /v1/invitations`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Who it is for.
    pub kind: InvitationKind,
    /// Name of the site that whoever uses it joins.
    pub site: Option<String>,
    /// How often it may be used; once where left out.
    pub uses: Option<u32>,
    /// How long it is good for, in seconds; one hour where left out, thirty days at most.
    pub expires_in_seconds: Option<u64>,
}

/// The only time the code is shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedInvitation {
    /// The code to enrol with.
    pub code: String,
    /// The invitation.
    pub invitation: Invitation,
}

/// An invitation without its code, of which only a hash is kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: InvitationId,
    /// Who it is for.
    pub kind: InvitationKind,
    /// The site it leads into.
    pub site: Option<String>,
    /// How often it can still be used.
    pub uses_left: u32,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}
