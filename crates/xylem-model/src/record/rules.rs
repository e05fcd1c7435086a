//! What the fields of a record, and the file that it is of, have to say to each other.

use super::{PackageRecord, ReinstallOption, RequiredProcessor};
use crate::{FileId, FileKind, FileName};

/// How the names of installer packages end.
const INSTALLERS: [&str; 4] = [".pkg", ".mpkg", ".pkg.zip", ".mpkg.zip"];

/// The fields that apps and books have too.
const OF_EVERY_KIND: [&str; 4] = ["category", "display_name", "info", "notes"];

/// Longest part of a wrong name that is repeated in an error, in characters.
const REPEATED: usize = 40;

/// The file that a record is of, as far as the rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSubject {
    /// Which.
    pub file: FileId,
    /// What it is.
    pub kind: FileKind,
    /// Whether it is a disk image.
    pub is_disk_image: bool,
    /// Whether it is an installer package, zipped or not.
    pub is_installer: bool,
    /// Whether there is an index of it, a list of what it installs: of the version in production, or
    /// of the one that waits where none is yet.
    pub has_index: bool,
}

/// Why a record cannot be so. Each names the field as the API does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field that this kind of file has not got.
    #[error(
        "a file of kind {kind} has no `{field}`: of it there are {}, the rest is for packages",
        OF_EVERY_KIND.join(", ")
    )]
    NotOfKind {
        /// The field.
        field: String,
        /// What the file is.
        kind: FileKind,
    },
    /// It breaks a rule.
    #[error("`{field}` cannot be set: {why}")]
    Rule {
        /// The field.
        field: &'static str,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// There is no such field.
    #[error("a record has no field `{field}`; it has {known}")]
    Unknown {
        /// The beginning of what was given.
        field: String,
        /// The fields that there are.
        known: String,
    },
    /// It cannot have this value.
    #[error("the value for `{field}` is refused: {problem}")]
    Value {
        /// The field.
        field: String,
        /// What is wrong with the value.
        problem: String,
    },
}

impl RecordError {
    pub(super) fn unknown(field: &str, subject: &RecordSubject) -> Self {
        let fields = PackageRecord::default().fields();
        let known = fields.keys().filter(|name| PackageRecord::has_field(subject.kind, name));
        let known = known.map(String::as_str).collect::<Vec<_>>().join(", ");
        Self::Unknown { field: field.chars().take(REPEATED).collect(), known }
    }
}

impl RecordSubject {
    /// A file of this name.
    pub fn new(file: FileId, kind: FileKind, name: &FileName, has_index: bool) -> Self {
        let (is_package, ending) = (kind == FileKind::Package, name.ending());
        let is_disk_image = is_package && ending == ".dmg";
        let is_installer = is_package && INSTALLERS.contains(&ending.as_str());
        Self { file, kind, is_disk_image, is_installer, has_index }
    }

    pub(super) fn require_field(&self, field: &str) -> Result<(), RecordError> {
        match PackageRecord::has_field(self.kind, field) {
            true => Ok(()),
            false => Err(RecordError::NotOfKind { field: field.into(), kind: self.kind }),
        }
    }
}

impl PackageRecord {
    /// Whether the records of such files have this field.
    pub fn has_field(kind: FileKind, field: &str) -> bool {
        kind == FileKind::Package || OF_EVERY_KIND.contains(&field)
    }

    /// Whether a file may have this record after the one `before`. What it refers to is not looked up
    /// here.
    ///
    /// Whether it may be uninstalled is asked where that is new: the next version may come without
    /// an index, and is not to stand in the way of any other change.
    ///
    /// # Errors
    /// [`RecordError::Rule`] for the first field that may not be as it is.
    pub fn check_after(&self, before: &Self, subject: &RecordSubject) -> Result<(), RecordError> {
        let broken = self.rules(before, subject).into_iter().find(|(_, holds, _)| !holds);
        match broken {
            Some((field, _, why)) => Err(RecordError::Rule { field, why }),
            None => Ok(()),
        }
    }

    /// Each rule: the field, whether it holds, and what is said where it does not.
    fn rules(
        &self,
        before: &Self,
        subject: &RecordSubject,
    ) -> [(&'static str, bool, &'static str); 10] {
        const HOMES: &str = "home folders are taken from disk images (.dmg) alone";
        const ITSELF: &str = "it cannot be the package itself: name another one";
        [
            ("fill_user_template", !self.fill_user_template || subject.is_disk_image, HOMES),
            ("fill_existing_homes", !self.fill_existing_homes || subject.is_disk_image, HOMES),
            (
                "allow_uninstall",
                !self.allow_uninstall || before.allow_uninstall || subject.has_index,
                "there is no index of this package, the list of what it installs, so nothing would \
                 know what to take away: `xylem package index` says why there is none",
            ),
            (
                "install_if_reported_available",
                !self.install_if_reported_available || subject.is_installer,
                "softwareupdate reports installer packages (.pkg or .mpkg, zipped or not), and \
                 this is none",
            ),
            (
                "switch_with_package",
                self.switch_with_package.is_none()
                    || self.required_processor != RequiredProcessor::None,
                "it is for computers without the required processor, and none is required: set \
                 required_processor too, or take this away",
            ),
            ("switch_with_package", self.switch_with_package != Some(subject.file), ITSELF),
            (
                "reinstall_option",
                self.reinstall_option == ReinstallOption::Never
                    || !self.triggering_files.is_empty(),
                "name the files that are looked at: set triggering_files too",
            ),
            ("adobe_parent_package", self.adobe_parent_package != Some(subject.file), ITSELF),
            (
                "adobe_base_path",
                self.adobe_base_path.as_str().is_empty() || self.adobe_parent_package.is_some(),
                "it says where the parent's files lie: set adobe_parent_package too, or take this \
                 away",
            ),
            (
                "manifest_file_name",
                self.manifest_file_name.as_str().is_empty() || !self.manifest.as_str().is_empty(),
                "it is the name of the manifest, and there is none: set manifest too, or take this \
                 away",
            ),
        ]
    }
}
