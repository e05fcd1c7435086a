//! What this server is to hold, as the management server signed it.
//!
//! * [`Manifest`]: the descriptors in force and the head over them; pure.
//! * [`Change`]: how the next head's set differs from it, checked against that head before anything
//!   is touched.
//! * [`ManifestLog`]: the same on disk, appended to and self-checking.
//! * [`Catalogue`]: the manifest beside reality: what is missing, what is held but unwanted.

mod catalogue;
mod lines;
mod log;
mod set;

pub(crate) use catalogue::{Catalogue, Unwanted};
pub(crate) use log::ManifestLog;
pub(crate) use set::{Change, Listing, Manifest, SignedDescriptor, SignedHead};
