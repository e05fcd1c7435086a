//! What is said of a file of the catalogue: the record that an administrator keeps of it.
//!
//! The fields and their first values are those of the original (`distribution-points.md`, section
//! 4.1), with the processors of today. A record belongs to the file and not to one of its versions.
//! An app or a book has the [fields of every kind](PackageRecord::has_field) and no others.
//!
//! A record is changed by a JSON merge patch (RFC 7396): what is not named stays, `null` brings back
//! the first value. Each value checks itself as it is read; what several of them, or the file,
//! have to say to each other is in [`rules`].

mod rules;
mod values;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CategoryId, FileId, OsRequirement};

pub use rules::{RecordError, RecordSubject};
pub use values::{
    InstallPriority, Line, MAX_LINE_BYTES, MAX_MANIFEST_BYTES, MAX_PROSE_BYTES,
    MAX_TRIGGERING_FILES, Prose, ReinstallOption, RequiredProcessor, TextError, TriggeringFiles,
};

/// Longest part of what is wrong with a value that is told, in characters: it may repeat the value.
const TOLD: usize = 200;

/// What is said of a file. [`Default`] is what is said of one that nobody has said anything of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PackageRecord {
    /// The name that people read, not unique; empty: the file's name.
    pub display_name: Line,
    /// The category it is sorted into.
    pub category: Option<CategoryId>,
    /// Shown to whoever deploys it or takes it away.
    pub info: Prose,
    /// For those who keep it.
    pub notes: Prose,
    /// What is installed first where there are several.
    pub priority: InstallPriority,
    /// Whether the computer has to restart afterwards.
    pub reboot_required: bool,
    /// Whether home folders in it go into the template of new users.
    pub fill_user_template: bool,
    /// Whether they go into every home that is there, too.
    pub fill_existing_homes: bool,
    /// Whether it can be installed on the volume alone that the computer has started from.
    pub boot_volume_required: bool,
    /// Whether it may be taken away again.
    pub allow_uninstall: bool,
    /// The versions of macOS that it is for.
    pub os_requirement: OsRequirement,
    /// The processor that it is for.
    pub required_processor: RequiredProcessor,
    /// What is installed where the processor is another; none: nothing.
    pub switch_with_package: Option<FileId>,
    /// Whether it is installed only where `softwareupdate` lists an update with its display name.
    pub install_if_reported_available: bool,
    /// When it is installed once more.
    pub reinstall_option: ReinstallOption,
    /// The files that are looked at for that.
    pub triggering_files: TriggeringFiles,
    /// Whether somebody is told when it was installed once more.
    pub send_notification: bool,
    /// The serial number of an Adobe installer. Whoever reads the record reads it.
    pub adobe_serial_number: Line,
    /// Whether an Adobe application is kept from updating itself.
    pub adobe_suppress_updates: bool,
    /// Whether an Adobe installer goes on while applications in its way are open.
    pub adobe_ignore_conflicting_processes: bool,
    /// Whether an Adobe application stays out of the Dock.
    pub adobe_suppress_from_dock: bool,
    /// Whether the licence of an Adobe application is not shown.
    pub adobe_suppress_eula: bool,
    /// Whether an Adobe application does not ask to be registered.
    pub adobe_suppress_registration: bool,
    /// The language of an Adobe installer, such as `en_US`.
    pub adobe_language: Line,
    /// The Adobe installer that this update is for.
    pub adobe_parent_package: Option<FileId>,
    /// Where that installer's files lie.
    pub adobe_base_path: Line,
    /// Whether it is an installer of macOS itself.
    pub os_install: bool,
    /// Which macOS it installs.
    pub os_installer_version: Line,
    /// The manifest with which an MDM server has it installed.
    pub manifest: Prose<MAX_MANIFEST_BYTES>,
    /// That manifest's file name.
    pub manifest_file_name: Line,
}

impl PackageRecord {
    /// Each field by its name, as JSON.
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            // A value of texts, numbers and lists always has a JSON form.
            _ => Map::new(),
        }
    }

    /// The packages that it refers to, each with the field that does.
    pub const fn packages(&self) -> [(&'static str, Option<FileId>); 2] {
        [
            ("adobe_parent_package", self.adobe_parent_package),
            ("switch_with_package", self.switch_with_package),
        ]
    }

    /// The names of the fields in which another record differs from this one, by the alphabet.
    pub fn changed_fields(&self, other: &Self) -> Vec<String> {
        let theirs = other.fields();
        let differs =
            |(name, value): (String, Value)| (theirs.get(&name) != Some(&value)).then_some(name);
        self.fields().into_iter().filter_map(differs).collect()
    }

    /// Refuses a change with more than any record holds, before it is read.
    ///
    /// # Errors
    /// [`RecordError::Value`] where a list has too many entries.
    pub fn check_lists(patch: &Map<String, Value>) -> Result<(), RecordError> {
        let first = Self::default().fields();
        for (name, value) in patch {
            let (Some(Value::Array(_)), Value::Array(parts)) = (first.get(name), value) else {
                continue;
            };
            if parts.len() > MAX_TRIGGERING_FILES {
                let problem = TextError::Files(parts.len()).to_string();
                return Err(RecordError::Value { field: name.clone(), problem });
            }
        }
        Ok(())
    }

    /// This record with a change, as a JSON merge patch.
    ///
    /// # Errors
    /// For a field that there is not, or not for this kind of file; for a value that cannot be; and
    /// where the whole breaks a rule. Each names the field.
    pub fn changed(
        &self,
        patch: &Map<String, Value>,
        subject: &RecordSubject,
    ) -> Result<Self, RecordError> {
        let (first, mut fields, mut changed) =
            (Self::default().fields(), self.fields(), self.clone());
        for (name, value) in patch {
            let Some(first) = first.get(name) else {
                return Err(RecordError::unknown(name, subject));
            };
            subject.require_field(name)?;
            let value = if value.is_null() { first } else { value };
            fields.insert(name.clone(), value.clone());
            // One at a time, so that what is wrong has a name.
            changed = serde_json::from_value(Value::Object(fields.clone())).map_err(|error| {
                let problem = error.to_string().chars().take(TOLD).collect();
                RecordError::Value { field: name.clone(), problem }
            })?;
        }
        changed.check_after(self, subject)?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests;
