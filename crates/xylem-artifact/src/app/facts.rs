//! What is known about an app: plain values that cross a process border as JSON.

use serde::{Deserialize, Serialize};

/// What an app says about itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AppFacts {
    /// The name of its folder, such as `Depot.app`.
    pub inner_name: String,
    /// The bundle identifier.
    pub identifier: String,
    /// The name under its icon.
    pub name: Option<String>,
    /// The version that people see.
    pub version: Option<String>,
    /// The version of the build.
    pub build_version: Option<String>,
    /// The lowest system version that it runs on.
    pub minimum_os: Option<String>,
    /// The kinds of device that it is made for.
    pub device_families: Vec<DeviceFamily>,
    /// The platforms that it is built for, such as `iPhoneOS`.
    pub platforms: Vec<String>,
    /// Length of all its files, once expanded.
    pub expanded_bytes: u64,
    /// The largest of its icons that lie openly in the archive.
    pub icon: Option<AppIcon>,
    /// Its provisioning profile.
    pub profile: Option<ProfileFacts>,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the name of a well-known kind of device")]
pub enum DeviceFamily {
    Phone,
    Pad,
    Tv,
    Watch,
    Mac,
    Vision,
    Unknown,
}

impl DeviceFamily {
    pub(super) fn of_number(number: i64) -> Self {
        match number {
            1 => Self::Phone,
            2 => Self::Pad,
            3 => Self::Tv,
            4 => Self::Watch,
            6 => Self::Mac,
            7 => Self::Vision,
            _ => Self::Unknown,
        }
    }
}

/// An icon in the archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AppIcon {
    /// Its path in the archive.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its width in pixels, as declared.
    pub width: u32,
    /// Its height in pixels, as declared.
    pub height: u32,
    /// Whether Xcode has rearranged it for devices (`CgBI`): no browser shows it then.
    pub crushed: bool,
}

/// What a provisioning profile allows. Whether Apple signed it is not judged here.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ProfileFacts {
    /// The profile's name.
    pub name: Option<String>,
    /// Its own identifier.
    pub uuid: Option<String>,
    /// The ten characters of the developer's team.
    pub team: Option<String>,
    /// The team's name.
    pub team_name: Option<String>,
    /// When it expires, in seconds since 1970: from then on the app does not start.
    pub expires_unix_seconds: Option<i64>,
    /// Whom it lets install the app.
    pub distribution: DistributionKind,
    /// Whether it allows all devices.
    pub all_devices: bool,
    /// How many devices it lists.
    pub provisioned_devices: u64,
}

/// Whom a provisioning profile lets install the app.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DistributionKind {
    /// The listed devices.
    AdHoc,
    /// Everyone, through Apple.
    AppStore,
    /// The listed devices, with a debugger.
    Development,
    /// All devices of the organisation.
    InHouse,
}
