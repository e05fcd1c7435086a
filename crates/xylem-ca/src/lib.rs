//! The built-in certificate authority.
//!
//! An [`Authority`] is a root (10 years) and an intermediate (2 years) that the root signed. The
//! root signs nothing else, so its key can be taken off the machine once the intermediate is
//! made, and is needed again only when that is renewed. The intermediate signs the leaves:
//! [`Authority::issue`] takes a certificate request, proves that whoever sent it holds the key,
//! takes **the public key and nothing else** from it, and writes a certificate that says what the
//! management server decided: the party as a URI, host names, purposes and validity.
//!
//! A certificate says who somebody is; what they may do is looked up in the database at every
//! request. So there is no revocation list here: the database refuses a serial number at once.
//!
//! Authorities change with an overlap, in which parties believe both; see `docs/design/certificates.md`.
//! The one to come may also be an intermediate that an organisation's own root signed.
//!
//! Certificates follow the profile of RFC 5280. All are valid from an hour before they were made,
//! so that a machine whose clock lags a little can use them.

mod authority;
mod error;
mod files;
mod issue;
mod profile;
mod request;
mod rotation;

pub use authority::{Authority, INTERMEDIATE_LIFETIME, INTERMEDIATE_RENEW_AFTER, ROOT_LIFETIME};
pub use error::{CaError, RequestError};
pub use files::MAX_CA_FILE_BYTES;
pub use issue::{
    COMPUTER_LIFETIME, DISTRIBUTION_SERVER_LIFETIME, IssuedLeaf, LeafRequest,
    MANAGEMENT_SERVER_LIFETIME,
};
pub use profile::BACKDATED;
pub use request::{MAX_REQUEST_BYTES, MAX_RSA_BITS, MIN_RSA_BITS};
pub use rotation::{LEAST_INTERMEDIATE_LIFE, NextAuthority};
