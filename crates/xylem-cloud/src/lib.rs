//! Protocols of cloud storage: requests are made, answers are read, nothing is sent.
//!
//! The cloud distribution point (`docs/design/cloud.md`) parts signing from sending: the management
//! server has the keys and signs, the root distribution server has the bytes and sends (decision
//! 8). So this crate touches nothing (decision 9): the present moment, numbers at random and keys
//! are arguments, and whoever has a connection sends a [`CloudRequest`] as it is and hands the
//! [`CloudAnswer`] back.
//!
//! * [`PointSettings`], [`CloudSettings`] and [`Secrets`]: what is set, checked, and what is never printed.
//! * [`Prefix`], [`ObjectKey`], [`Marker`], [`disposition`]: under which names things lie.
//! * [`PartRules`], [`PartPlan`]: how a file is cut.
//! * [`Provider`]: what every provider can be asked; [`s3`], `cloudfront`, [`swift`] and [`akamai`]
//!   speak to one each. [`folder`]: the root's own folder, which is asked in the same way.
//! * [`Fault`]: why something did not succeed, and how far that reaches.
//!
//! Answers come from strangers: they are bounded, and what is not of the protocol is a fault, never
//! a guess.

pub mod akamai;
mod answer;
mod choice;
mod cloudfront;
mod cursor;
mod digest;
mod disposition;
mod encode;
mod endpoint;
mod fault;
pub mod folder;
mod folders;
mod layout;
mod marker;
mod named;
mod parts;
mod provider;
mod request;
pub mod s3;
mod secret;
mod settings;
mod stamp;
pub mod swift;
mod upload;
mod xml;

pub use answer::{CloudAnswer, MAX_ANSWER_BYTES};
pub use choice::{ProviderError, SwiftAccess, login_of, provider_of, swift_of};
pub use cursor::{Below, Cursor};
pub use disposition::disposition;
pub use endpoint::{Endpoint, EndpointError};
pub use fault::{Fault, FaultKind, FaultScope};
pub use layout::{MAX_PREFIX_BYTES, ObjectKey, Prefix, PrefixError};
pub use marker::{LAYOUT, MAX_MARKER_BYTES, Marker, MarkerError};
pub use named::Named;
pub use parts::{FileTooLarge, MIB, Part, PartPlan, PartRules};
pub use provider::{Provider, UrlFor};
pub use request::{Body, CloudRequest, Header, SecretUrl};
pub use secret::{
    AkamaiSecrets, EdgeGridSecrets, FolderSecrets, S3Secrets, Secret, Secrets, SwiftSecrets,
};
pub use settings::{
    AkamaiSettings, CLOUDFRONT_LARGEST_BYTES, CloudFrontHash, CloudFrontSettings, CloudSettings,
    FolderSettings, KeyScope, Offer, PointSettings, RACKSPACE_TTL_SECONDS, RackspaceSettings,
    S3Settings, SettingsError, SwiftAuth, SwiftSettings, URL_LIFETIME_SECONDS, VERIFY_DAYS, Verify,
};
pub use upload::{Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef};
