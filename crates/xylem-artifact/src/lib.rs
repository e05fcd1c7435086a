//! Bounded readers for packages, disk images, apps and books, and a writer of genuine packages.
//!
//! What an administrator uploads is parsed before it is published, and what is parsed may be
//! hostile: a few kilobytes can claim to be terabytes, nest fifty thousand deep or name files
//! outside the archive. Every reader here states its limits as constants, refuses before it
//! allocates, walks instead of recursing, and reports a reason that an administrator can act on.
//!
//! From the outside in:
//!
//! 1. [`inspect`] answers the one question an upload raises: may this file pass, and what is in it?
//! 2. [`child`] asks that question in a process of its own with hard limits, so that not even a
//!    fault in a decompressor can take the server down. Servers use this and never call
//!    [`inspect`] directly.
//! 3. [`package`] understands flat installer packages (component packages and product archives).
//! 4. [`xar`] reads the archive format around them.
//! 5. [`image`] understands disk images, down to the folder that a user sees first.
//! 6. [`archive`], [`app`] and [`book`] understand what comes as a zip archive (bundle packages and
//!    applications, apps for mobile devices, EPUB books), and PDF documents.
//! 7. [`payload`] reads the files inside; only the managed Mac's agent does that, never a server.
//! 8. [`build`] writes genuine packages of any size in bounded memory, for demonstrations and tests.
//!
//! What a file puts on a Mac ([`inspect::Inspection::index`]) is gathered by `index`.
//!
//! One module per format, with a variant of [`inspect::Content`].
//!
//! Deliberately not here: trust. The facts of a signature are reported separately
//! ([`package::SignatureSummary`]); whether a certificate chain is believed is decided elsewhere.

pub mod app;
pub mod archive;
pub mod book;
pub mod build;
pub mod child;
mod digest;
mod error;
mod form;
pub mod image;
mod index;
pub mod inspect;
pub mod package;
pub mod payload;
mod plist;
mod sniff;
mod text;
mod warning;
pub mod xar;
mod xml;
mod zip;

pub use digest::{Checksum, ChecksumStyle};
pub use error::{ArtifactError, RefusalCode};
pub use form::Form;
pub use sniff::LooksLike;
pub use warning::{Warning, WarningCode};
