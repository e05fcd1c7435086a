//! Receipts: what `pkgutil` would tell about an installed package, kept in the target under
//! `var/db/receipts` as on a Mac (there the property lists are binary).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xylem_artifact::package::{Component, FlatPackage};
use xylem_artifact::payload::MemberPath;
use xylem_model::{FileName, Timestamp};

use super::directories::Directories;
use super::plan;
use crate::attributes::{Attributes, Ownership};
use crate::error::InstallError;
use crate::plist::{self, MAX_PLIST_BYTES, Value};
use crate::tree::{Tree, join};

/// Where receipts are, below the target root.
const FOLDER: &str = "var/db/receipts";

/// Longest identifier that is used as a file name, in bytes.
const MAX_IDENTIFIER_BYTES: usize = 200;

/// Largest bill of materials that is kept with a receipt, in bytes.
const MAX_BOM_BYTES: u64 = 256 * 1024 * 1024;

/// Permission bits of receipts.
const RECEIPT_MODE: u32 = 0o644;

/// Refuses identifiers that are no plain file names.
pub(super) fn check_identifier(identifier: &str) -> Result<(), InstallError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let well_formed = !identifier.is_empty()
        && identifier.len() <= MAX_IDENTIFIER_BYTES
        && !identifier.starts_with('.')
        && identifier.bytes().all(plain);
    if well_formed {
        return Ok(());
    }
    Err(InstallError::refused(format!(
        "the identifier {:?} of a component is not made of 1 to {MAX_IDENTIFIER_BYTES} letters, \
         digits, `.`, `_` and `-`",
        identifier.chars().take(MAX_IDENTIFIER_BYTES).collect::<String>()
    )))
}

/// The version that the receipt of `identifier` in the target states.
pub(super) fn installed_version(root: &Tree, identifier: &str) -> Option<String> {
    let folder = plan::resolve(root, FOLDER).ok()?;
    let folder = root.dir(&folder).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = format!("{identifier}.plist");
    let file = File::from(openat(folder, name, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.take(MAX_PLIST_BYTES).read_to_end(&mut bytes).ok()?;
    plist::value_of(&bytes, "PackageVersion")
}

/// Writes receipts into a staged tree.
pub(super) struct ReceiptWriter<'a> {
    pub(super) tree: &'a Tree,
    pub(super) directories: &'a mut Directories,
    pub(super) ownership: Ownership,
    pub(super) package_name: &'a FileName,
    pub(super) now: Timestamp,
}

impl ReceiptWriter<'_> {
    /// Makes the folder for receipts.
    pub(super) fn make_folder(&mut self) -> Result<(), InstallError> {
        let mut reached = String::new();
        for component in FOLDER.split('/') {
            let parent = self.tree.dir(&reached).map_err(failed("opening", &reached))?;
            reached = join(&reached, component);
            mkdirat(parent, component, Mode::RWXU)
                .map_err(InstallError::target("creating", &*reached))?;
            self.directories.imply(&reached, self.ownership)?;
        }
        Ok(())
    }

    /// Writes the receipt of one component. `location` is where its payload went.
    pub(super) fn write(
        &self,
        package: &FlatPackage,
        component: &Component,
        location: &MemberPath,
    ) -> Result<(), InstallError> {
        let facts = &component.facts;
        let date = OffsetDateTime::from_unix_timestamp(self.now.unix_seconds())
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .ok_or_else(|| InstallError::refused("the time of installation is no date"))?;
        let prefix = if location.is_root() { "/" } else { location.as_str() };
        let bytes = plist::write(&[
            ("InstallDate", Value::Date(&date)),
            ("InstallPrefixPath", Value::Text(prefix)),
            ("InstallProcessName", Value::Text("xylem-agent")),
            ("PackageFileName", Value::Text(self.package_name.as_str())),
            ("PackageIdentifier", Value::Text(&facts.identifier)),
            ("PackageVersion", Value::Text(facts.version.as_deref().unwrap_or_default())),
        ])
        .map_err(failed("composing the receipt of", &facts.identifier))?;
        self.put(&format!("{}.plist", facts.identifier), &mut bytes.as_slice())?;
        match &component.bom {
            Some(bom) if bom.size_bytes() <= MAX_BOM_BYTES => {
                let mut reader = package.open_entry(bom).map_err(InstallError::Package)?;
                self.put(&format!("{}.bom", facts.identifier), &mut reader)
            }
            _ => Ok(()),
        }
    }

    fn put(&self, name: &str, content: &mut impl Read) -> Result<(), InstallError> {
        let path = join(FOLDER, name);
        let folder = self.tree.dir(FOLDER).map_err(failed("opening", FOLDER))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let fd = openat(folder.as_fd(), name, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
            .map_err(InstallError::target::<Errno>("creating", &*path))?;
        let mut file = File::from(fd);
        let attributes = Attributes {
            mtime: Some(self.now.unix_seconds()),
            ..self.ownership.undescribed(RECEIPT_MODE)
        };
        io::copy(content, &mut file)
            .and_then(|_| file.flush())
            .and_then(|()| attributes.apply(&file))
            .map_err(failed("writing", &path))
    }
}

fn failed<'p>(doing: &'static str, path: &'p str) -> impl FnOnce(io::Error) -> InstallError + 'p {
    InstallError::target::<io::Error>(doing, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_that_are_no_plain_file_names_are_refused() {
        for good in ["org.example.depot", "a", "com.x_y-2.pkg"] {
            check_identifier(good).unwrap();
        }
        let long = "a".repeat(201);
        for bad in ["", "..", "../x", "a/b", "a b", ".hidden", "é", "a\0", &long] {
            assert_eq!(check_identifier(bad).unwrap_err().result_word(), "refused", "{bad:?}");
        }
    }
}
