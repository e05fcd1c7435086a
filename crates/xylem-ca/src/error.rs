//! What can go wrong in the authority.

use std::path::PathBuf;

use xylem_model::Timestamp;
use xylem_pki::{CredentialsError, FileError, KeyError, PeerError};

/// A certificate request that is refused. All of these are the requester's doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Larger than any honest request.
    #[error("the certificate request is larger than {limit} bytes")]
    TooLarge {
        /// The bytes accepted.
        limit: usize,
    },
    /// Neither PEM nor PKCS#10 inside.
    #[error("the certificate request cannot be read: PKCS#10 in PEM is expected")]
    Unreadable,
    /// Signed with another key than the one in it, or changed on the way.
    #[error(
        "the certificate request was not signed with the key in it: it was changed on the way, or \
         the requester does not hold the key"
    )]
    NoProofOfPossession,
    /// A kind of key that is too weak or that our TLS cannot use.
    #[error(
        "the certificate request has a key of a kind that is not accepted ({found}): ECDSA on \
         P-256 or P-384, or RSA of {} to {} bits is",
        crate::MIN_RSA_BITS,
        crate::MAX_RSA_BITS
    )]
    Key {
        /// What the request has.
        found: String,
    },
}

/// A failure of the authority.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The request is refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A certificate for a server that could be reached under no name.
    #[error("a server's certificate needs at least one host name or address")]
    NoHostNames,
    /// The intermediate has run out.
    #[error(
        "the CA's intermediate certificate expired on {not_after}: put root.key back beside \
         root.pem and start the server again, so that it makes a new one"
    )]
    IntermediateExpired {
        /// When it ran out.
        not_after: Timestamp,
    },
    /// The clock is behind the authority's beginning.
    #[error(
        "this machine's clock says {now}, but the CA begins on {not_before}: set the clock right"
    )]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// When the intermediate becomes valid.
        not_before: Timestamp,
    },
    /// The root's key is needed and is kept elsewhere.
    #[error(
        "the CA's root key is not on this machine, and making a new intermediate certificate \
         needs it: put root.key back beside root.pem for the time being"
    )]
    RootKeyAway,
    /// A moment that certificates cannot express.
    #[error("{0} is beyond the years that a certificate can express: is the clock right?")]
    Time(Timestamp),
    /// The library refused to write a certificate.
    #[error("cannot write {what}")]
    Certificate {
        /// Which certificate.
        what: &'static str,
        /// What the library says.
        #[source]
        source: rcgen::Error,
    },
    /// A key could not be made.
    #[error("cannot make a key for the CA")]
    Key(#[from] KeyError),
    /// A certificate just written cannot be read back.
    #[error("the certificate just issued cannot be read back")]
    ReadBack(#[from] PeerError),
    /// A key and the certificate just made for it do not go together.
    #[error("the certificate just issued does not fit its key")]
    OwnCertificate(#[from] CredentialsError),
    /// A file of the authority could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder belongs to another authority, which is not to be lost.
    #[error("{} holds another CA already; nothing was changed", folder.display())]
    OtherAuthority {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of the authority holds something else than it should.
    #[error("{} cannot be used: {reason}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Authorities change already.
    #[error(
        "another authority is being brought in already: `xylem ca show` says how far it is, \
         `xylem ca abandon` gives it up"
    )]
    Changing,
    /// There is none to come.
    #[error("no authority is being brought in: `xylem ca rotate` begins with it")]
    NotChanging,
    /// Parties that only know former roots would be cut off if yet another root came.
    #[error(
        "the root before is still believed: `xylem ca finish` ends that, once all certificates it \
         gave are replaced"
    )]
    Unfinished,
    /// No request for an intermediate was made, or another one since.
    #[error(
        "the first certificate is not for the key of the request that `xylem ca request` wrote \
         last: have that one signed, and put the intermediate's own certificate first"
    )]
    NotRequested,
    /// What an organisation signed cannot be used.
    #[error("the intermediate certificate cannot be used: {reason}")]
    Intermediate {
        /// Why not.
        reason: String,
    },
}
