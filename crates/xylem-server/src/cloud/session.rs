//! What is asked for before a provider is: tokens and what a place can do.
//!
//! S3 and NetStorage need nothing of it. Swift and Rackspace do, and a TempURL key of ours in the
//! account besides; nothing makes these yet, so no such point can be set (its test says so). One
//! that was stored all the same stands still and says why.

use xylem_cloud::{CloudSettings, SwiftAccess};

use super::trouble::Trouble;

/// What the provider of these settings needs besides its keys.
pub(super) fn access(storage: &CloudSettings) -> Result<Option<&'static SwiftAccess>, Trouble> {
    match storage {
        CloudSettings::S3(_) | CloudSettings::Akamai(_) => Ok(None),
        CloudSettings::Swift(_) | CloudSettings::Rackspace(_) => Err(Trouble::Point(
            "this version fills S3 and NetStorage only: update the management server, or set \
             another point"
                .to_owned(),
        )),
    }
}
