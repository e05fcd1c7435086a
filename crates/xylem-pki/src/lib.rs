//! What a party needs to prove who it is and to know whom it talks to.
//!
//! A party (management server, distribution server, computer) holds a P-256 [`KeyPair`] and a
//! certificate chain, together its [`Credentials`]; the running program reaches them through an
//! [`Identity`], which is replaced in place on renewal, so open listeners and clients go on with
//! the new certificate without being rebuilt. [`IdentityStore`] keeps them on disk. Whom it
//! believes is a set of root certificates, [`TrustAnchors`], pinned at enrolment by file or by
//! [`Fingerprint`]. [`server_config`] and [`client_config`] make TLS settings of the three, with
//! the [`Clock`](xylem_runtime::Clock) deciding what has expired. Servers of others are believed by
//! [`PublicRoots`], and shown no certificate.
//!
//! After a handshake, [`PeerCertificate`] names the party on the other side; when there was none,
//! [`explain_tls_error`] says why, in words for the person who has to mend it.
//!
//! Keys and handshakes take their random bytes from the TLS library and not from the seam
//! [`Rng`](xylem_runtime::Rng): a key that follows from a seed is no key.

mod anchors;
mod credentials;
mod explain;
mod file;
mod fingerprint;
mod hosts;
mod identity;
mod key;
mod password;
mod peer;
pub mod pem;
mod presented;
mod probe;
mod public;
mod public_chain;
mod store;
mod tls;
mod verify;

pub use anchors::{AnchorError, MAX_ANCHOR_FILE_BYTES, MAX_ANCHORS, TrustAnchors};
pub use credentials::{Credentials, CredentialsError, MAX_CHAIN_LENGTH};
pub use explain::explain_tls_error;
pub use file::FileError;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use hosts::{HostError, LeafNames, MAX_LEAF_NAMES, server_name};
pub use identity::{
    COMPUTER_RENEW_AFTER, DISTRIBUTION_SERVER_RENEW_AFTER, Identity, MANAGEMENT_SERVER_RENEW_AFTER,
    OtherParty, RenewalRule,
};
pub use key::{KeyError, KeyPair, SignatureError, certificate_request, verify_signature};
pub use password::{
    MAX_PASSWORD_BYTES, PasswordDigests, PasswordError, PasswordHash, new_password,
};
pub use peer::{PeerCertificate, PeerError};
pub use presented::{ALPN_ACME, ALPN_PEER, ChallengeError, Presented};
pub use probe::unverified_probe_config;
pub use public::{PublicRoots, PublicRootsError, machine_roots, public_client_config};
pub use public_chain::{ChainError, MAX_PUBLIC_CHAIN, MAX_PUBLIC_CHAIN_BYTES, PublicChain};
pub use store::{IdentityStore, MAX_IDENTITY_FILE_BYTES, StoreError};
pub use tls::{
    ALPN_HTTP_1_1, ALPN_HTTP_2, ClientAuth, TlsSetupError, client_config, server_config,
};
