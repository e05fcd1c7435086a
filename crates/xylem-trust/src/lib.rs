//! Signed documents: what makes a distribution server a cheap thing to lose.
//!
//! TLS tells who speaks; it does not tell whether what they hand on is what the administrator
//! published. These documents do. The management server signs what a name means, what a server
//! must hold, who may fetch from whom and what a computer is to install, with keys that no
//! distribution server and no bucket holds. The rules against rollback, freeze and mix-and-match
//! are those of The Update Framework (TUF 1.0, section 5), in a small format of our own that is
//! written down, with test vectors, in `docs/design/signed-documents.md`.
//!
//! * [`Envelope`]: the exact bytes that were signed, never re-serialised, with their signatures.
//! * [`SigningKey`], [`PublicKey`]: Ed25519 (RFC 8032).
//! * [`TrustStore`]: the pinned [`TrustDocument`] and what it lets one believe.
//! * The documents themselves: [`Descriptor`], [`Head`], [`Grants`], [`Revocations`], [`Ticket`],
//!   [`Orders`].
//!
//! Pure: the present moment is handed in.

mod documents;
mod envelope;
mod key;
mod set;
mod store;

pub use documents::{
    Account, Descriptor, DigestSource, Document, Grant, GrantedEntries, Grants, Head,
    LONGEST_DEVICE_TICKET_HOURS, LONGEST_TICKET_LIFE, Operation, Order, OrderAction, Orders,
    Revocations, Ticket, TrustDocument,
};
pub use envelope::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, Signature};
pub use key::{KeyError, KeyId, PublicKey, SigningKey};
pub use set::{DescriptorId, set_root};
pub use store::{TrustError, TrustStore, check_window};
