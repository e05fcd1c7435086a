//! Records: what is said of files, and what was said before.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use xylem_model::{FileKind, FileName, Timestamp};

/// What is said of a file, with names in the place of ids. Apps and books have the first four; the
/// other fields are for packages, and are left out of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// The name that people read, not unique; empty: the file's name. One line, at most 1,024 bytes.
    pub display_name: String,
    /// Category by name.
    pub category: Option<String>,
    /// Shown to whoever deploys it or takes it away. At most 16 KiB.
    pub info: String,
    /// For those who keep it. At most 16 KiB.
    pub notes: String,
    /// What is installed first where there are several: 1 to 20, the lower first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 20, example = 10)]
    pub priority: Option<u8>,
    /// Whether the computer has to restart afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<bool>,
    /// Whether home folders in it go into the template of new users. Disk images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill_user_template: Option<bool>,
    /// Whether they go into every home that is there, too. Disk images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill_existing_homes: Option<bool>,
    /// Whether it can be installed on the volume alone that the computer has started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_volume_required: Option<bool>,
    /// Whether it may be taken away again. Refused while there is no index of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_uninstall: Option<bool>,
    /// The versions of macOS that it is for, such as `10.6.8, 10.6.x, >=10.13`; empty: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_requirement: Option<String>,
    /// The processor that it is for: `none` (any), `arm64`, `ppc`, `universal`, `x86`, `x86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "none")]
    pub required_processor: Option<String>,
    /// The package that is installed where the processor is another, by name; empty: none is. One
    /// that was deleted is shown with `(deleted)` behind its name, and stays where it is sent so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_with_package: Option<String>,
    /// Whether it is installed only where `softwareupdate` lists an update with its display name.
    /// Installer packages only: `.pkg` and `.mpkg`, zipped or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_if_reported_available: Option<bool>,
    /// When it is installed once more: `never`, `when-missing`, `when-changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "never")]
    pub reinstall_option: Option<String>,
    /// The files that are looked at for that, each by its whole path. At most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggering_files: Option<Vec<String>>,
    /// Whether somebody is told when it was installed once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_notification: Option<bool>,
    /// The serial number of an Adobe installer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_serial_number: Option<String>,
    /// Whether an Adobe application is kept from updating itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_suppress_updates: Option<bool>,
    /// Whether an Adobe installer goes on while applications in its way are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_ignore_conflicting_processes: Option<bool>,
    /// Whether an Adobe application stays out of the Dock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_suppress_from_dock: Option<bool>,
    /// Whether the licence of an Adobe application is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_suppress_eula: Option<bool>,
    /// Whether an Adobe application does not ask to be registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_suppress_registration: Option<bool>,
    /// The language of an Adobe installer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_language: Option<String>,
    /// The Adobe installer that this update is for, a package by name; empty: none. One that was
    /// deleted is shown as in `switch_with_package`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_parent_package: Option<String>,
    /// Where that installer's files lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adobe_base_path: Option<String>,
    /// Whether it is an installer of macOS itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_install: Option<bool>,
    /// Which macOS it installs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_installer_version: Option<String>,
    /// The manifest with which an MDM server has it installed. At most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// That manifest's file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_file_name: Option<String>,
}

/// A revision of a record, without the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordRevision {
    /// 0 is what a file begins with; then 1, 2, …
    pub revision: u64,
    /// Who made it.
    pub author: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that differ from the revision before.
    pub changed: Vec<String>,
    /// The revision that it repeats.
    pub restores: Option<u64>,
}

/// The record of a file as it is, or was, in one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileRecord {
    /// The file.
    #[schema(value_type = String)]
    pub name: FileName,
    /// What kind of file.
    #[schema(value_type = String)]
    pub kind: FileKind,
    /// The name that people read: the display name, or the file's.
    pub shown_as: String,
    /// The revision.
    pub revision: RecordRevision,
    /// What is said of the file in it.
    pub record: Record,
}

/// `PATCH /v1/files/{kind}/{name}/record`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    /// The revision that the change was made on. Where it is not the newest, nothing is overwritten.
    pub revision: u64,
    /// The fields to be changed, as in `Record`: what is left out stays, `null` brings back the first
    /// value (a JSON merge patch, RFC 7396).
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

/// `POST /v1/files/{kind}/{name}/record/restore`: an earlier revision becomes the newest, as one
/// more.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRecord {
    /// Which revision.
    pub revision: u64,
    /// The revision that is the newest as far as the caller knows.
    pub based_on: u64,
}

/// What came of a change of a record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordSaved {
    /// The record as it is now.
    pub record: FileRecord,
    /// Whether it became a revision; not where nothing would be different.
    pub changed: bool,
}

/// `GET /v1/files/{kind}/{name}/record/revisions`: a page, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordRevisionPage {
    /// The revisions.
    pub items: Vec<RecordRevision>,
    /// Pass as `before` to get the next page.
    pub next: Option<u64>,
}

/// What differs between two revisions of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordDiff {
    /// The file.
    #[schema(value_type = String)]
    pub name: FileName,
    /// From this revision.
    pub from: u64,
    /// To this one.
    pub to: u64,
    /// The fields that differ.
    pub fields: Vec<FieldDifference>,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldDifference {
    /// The field, as `Record` names it.
    pub field: String,
    /// What it was.
    pub from: Value,
    /// What it is.
    pub to: Value,
}
