//! Apps for mobile devices (IPA): a zip archive with one application in a folder `Payload`.
//!
//! The facts come from three small members: `Info.plist`, `embedded.mobileprovision` (what the
//! profile allows, not whether Apple signed it) and the icons' first bytes.

mod cms;
mod facts;
mod icon;
mod profile;

use std::collections::BTreeSet;
use std::fs::File;

pub use facts::{AppFacts, AppIcon, DeviceFamily, DistributionKind, ProfileFacts};

use crate::Form;
use crate::error::ArtifactError;
use crate::inspect::{Content, Inspection};
use crate::plist::{MAX_PLIST_BYTES, Value};
use crate::text::shown;
use crate::warning::{Warning, WarningCode};
use crate::zip::ZipArchive;

/// Folder of the application.
const PAYLOAD: &str = "Payload";
/// Most device families and platforms listed; there are about ten of each.
const MAX_LISTED: usize = 20;

/// Reads and verifies an app archive.
pub(crate) fn inspect(file: File) -> Result<Inspection, ArtifactError> {
    let archive = ZipArchive::open(file, Form::MobileApp)?;
    let folder = only_app(&archive)?;
    let verified = archive.verify()?;
    let facts = read(&archive, &folder)?;
    let mut warnings = archive.warnings(&verified);
    warnings.extend(profile_warning(facts.profile.as_ref()));
    Ok(Inspection {
        size_bytes: archive.file_bytes(),
        display_name: Some(facts.name.clone().unwrap_or_else(|| facts.identifier.clone())),
        version: facts.version.clone().or_else(|| facts.build_version.clone()),
        content: Content::MobileApp(facts),
        warnings,
        index: None,
    })
}

/// The path of the one application in the archive.
fn only_app(archive: &ZipArchive) -> Result<String, ArtifactError> {
    let (mut apps, mut deeper) = (BTreeSet::new(), None);
    for member in archive.members() {
        let mut parts = member.name().split('/');
        match (parts.next(), parts.next(), parts.next()) {
            // A file of that name is no application.
            (Some(PAYLOAD), Some(app), below)
                if is_app(app) && (below.is_some() || !member.is_file()) =>
            {
                apps.insert(app);
            }
            (Some(outer), Some(PAYLOAD), Some(app)) if is_app(app) && outer != "__MACOSX" => {
                deeper = Some(outer);
            }
            _ => {}
        }
    }
    let advice = "export the app again from Xcode, as an IPA";
    let wrong = |reason: String| Err(ArtifactError::WrongContent { reason, advice });
    match (apps.len(), apps.first(), deeper) {
        (1, Some(app), _) => Ok(format!("{PAYLOAD}/{app}")),
        (0, _, Some(outer)) => wrong(format!(
            "the app lies one folder too deep, in {:?}: the folder Payload has to be at the top of \
             the archive",
            shown(outer)
        )),
        (0, ..) => wrong("the archive holds no app: there is no Payload/NAME.app".to_owned()),
        (count, ..) => wrong(format!("the archive holds {count} apps where one is to be")),
    }
}

fn is_app(name: &str) -> bool {
    name.len() > 4 && name.ends_with(".app")
}

fn read(archive: &ZipArchive, folder: &str) -> Result<AppFacts, ArtifactError> {
    let path = format!("{folder}/Info.plist");
    let member = archive.find_file(&path).ok_or_else(|| ArtifactError::WrongContent {
        reason: format!("the app has no Info.plist: {} is missing", shown(&path)),
        advice: "export the app again from Xcode, as an IPA",
    })?;
    let info = Value::parse(&archive.read(member, MAX_PLIST_BYTES)?, &shown(&path))?;
    let identifier = info.text("CFBundleIdentifier");
    let identifier = identifier.ok_or_else(|| {
        ArtifactError::malformed(shown(&path), "it has no CFBundleIdentifier, or an empty one")
    })?;
    let platforms = info.list("CFBundleSupportedPlatforms").iter().filter_map(Value::as_text);
    Ok(AppFacts {
        inner_name: shown(folder.trim_start_matches("Payload/")),
        identifier,
        name: info.text("CFBundleDisplayName").or_else(|| info.text("CFBundleName")),
        version: info.text("CFBundleShortVersionString"),
        build_version: info.text("CFBundleVersion"),
        minimum_os: info.text("MinimumOSVersion"),
        device_families: device_families(&info),
        platforms: platforms.take(MAX_LISTED).map(shown).collect(),
        expanded_bytes: archive.expanded_bytes(),
        icon: icon::best(archive, folder, &info)?,
        profile: profile::read(archive, folder)?,
    })
}

/// One family may stand alone, without a list around it.
fn device_families(info: &Value) -> Vec<DeviceFamily> {
    let alone = info.integer("UIDeviceFamily");
    let listed = info.list("UIDeviceFamily").iter().filter_map(Value::as_integer);
    alone.into_iter().chain(listed).take(MAX_LISTED).map(DeviceFamily::of_number).collect()
}

fn profile_warning(profile: Option<&ProfileFacts>) -> Option<Warning> {
    let Some(profile) = profile else {
        return Some(Warning::new(
            WarningCode::WithoutProfile,
            "the app has no provisioning profile, so devices install it only if Apple distributes \
             it",
        ));
    };
    let who = match profile.distribution {
        DistributionKind::InHouse => return None,
        DistributionKind::AdHoc => format!(
            "the app is for the devices that its provisioning profile lists ({}); others refuse it",
            profile.provisioned_devices
        ),
        DistributionKind::Development => format!(
            "the app is a development build for the devices that its provisioning profile lists \
             ({})",
            profile.provisioned_devices
        ),
        DistributionKind::AppStore => {
            "the app is built for the App Store; devices refuse it from anywhere else".to_owned()
        }
    };
    let message = format!("{who}; an in-house distribution profile is needed for all devices");
    Some(Warning::new(WarningCode::NotInHouse, message))
}
