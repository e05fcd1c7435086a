//! What a device or its management needs to fetch and install a file: `docs/design/manifests.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::Timestamp;

/// How long the addresses in a manifest are good for, where nothing is said, in hours.
pub const DEFAULT_HOURS: u32 = 24;

/// The longest that they can be good for, in hours: a week.
pub const MAX_HOURS: u32 = xylem_trust::LONGEST_DEVICE_TICKET_HOURS;

/// What the ticket is called in an address.
pub const TICKET_PARAMETER: &str = "ticket";

/// `POST /v1/files/{kind}/{name}/manifest`: what kind of manifest is wanted.
// What is not asked for is not named: a management server of before refuses words that it does not
// know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewManifest {
    /// The distribution server to fetch from, by name. Not with `site`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The site where the devices are, by name: a server there is fetched from, where one holds the
    /// file. Without both, and where there is none, the root is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// How many hours the addresses in it are good for: 1 to 168, and 24 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// Whether parts have MD5 digests instead of SHA-256, for macOS before 10.13.6.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub md5: bool,
}

/// A manifest, and where it can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// The name of the file.
    pub name: String,
    /// The distribution server that the file is fetched from.
    pub server: String,
    /// The address of the file, for whoever has it.
    pub url: String,
    /// The address of the manifest, for whoever has it; none for a book, which has none.
    pub manifest_url: Option<String>,
    /// The link that installs an app, for a page that a device shows.
    pub install_link: Option<String>,
    /// When all these addresses end.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// The property list in XML: a manifest, or the `InstallMedia` command of a book.
    pub plist: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_not_named() {
        let asked = NewManifest { hours: Some(2), ..NewManifest::default() };
        assert_eq!(serde_json::to_string(&asked).unwrap(), r#"{"hours":2}"#);
        assert_eq!(serde_json::from_str::<NewManifest>("{}").unwrap(), NewManifest::default());
    }
}
