//! The provisioning profile in an app: a property list in a signed message.

use super::cms;
use super::facts::{DistributionKind, ProfileFacts};
use crate::error::ArtifactError;
use crate::plist::{MAX_PLIST_BYTES, Value};
use crate::text::shown;
use crate::zip::ZipArchive;

/// Largest profile, in bytes: the list, and room for the certificates around it.
const MAX_PROFILE_BYTES: u64 = MAX_PLIST_BYTES + (1 << 18);

pub(super) fn read(
    archive: &ZipArchive,
    folder: &str,
) -> Result<Option<ProfileFacts>, ArtifactError> {
    let path = format!("{folder}/embedded.mobileprovision");
    let Some(member) = archive.find_file(&path) else { return Ok(None) };
    parse(&archive.read(member, MAX_PROFILE_BYTES)?, &shown(&path)).map(Some)
}

fn parse(message: &[u8], what: &str) -> Result<ProfileFacts, ArtifactError> {
    let content = cms::content(message)
        .ok_or_else(|| ArtifactError::malformed(what, "it is no signed message (CMS)"))?;
    let profile = Value::parse(&content, what)?;
    let all_devices = profile.flag("ProvisionsAllDevices");
    let devices = profile.list("ProvisionedDevices").len();
    let debugged = profile.get("Entitlements").is_some_and(|rights| rights.flag("get-task-allow"));
    let team = match profile.list("TeamIdentifier") {
        [team, ..] => team.as_text().map(shown),
        [] => profile.text("TeamIdentifier"),
    };
    Ok(ProfileFacts {
        name: profile.text("Name"),
        uuid: profile.text("UUID"),
        team,
        team_name: profile.text("TeamName"),
        expires_unix_seconds: profile.unix_seconds("ExpirationDate"),
        distribution: match (all_devices, profile.get("ProvisionedDevices"), debugged) {
            (true, ..) => DistributionKind::InHouse,
            (false, Some(_), true) => DistributionKind::Development,
            (false, Some(_), false) => DistributionKind::AdHoc,
            (false, None, _) => DistributionKind::AppStore,
        },
        all_devices,
        provisioned_devices: devices as u64,
    })
}
