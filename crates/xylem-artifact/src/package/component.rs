//! One component package: a folder of the archive, or the archive itself.

use std::io::Read;

use super::facts::{ComponentFacts, PayloadKind};
use super::package_info::PackageInfo;
use super::{MAX_TEXT_BYTES, document};
use crate::error::ArtifactError;
use crate::warning::{Warning, WarningCode};
use crate::xar::{Entry, XarArchive};

/// A component package with the entries that hold its parts.
#[derive(Clone, Debug)]
pub struct Component {
    /// What its `PackageInfo` says.
    pub facts: ComponentFacts,
    /// The files to install; absent in a payload-free package.
    pub payload: Option<Entry>,
    /// The archive of scripts.
    pub scripts: Option<Entry>,
    /// The bill of materials.
    pub bom: Option<Entry>,
    /// The files in the archive of scripts that the installer will start.
    pub(super) script_files: Vec<String>,
    /// Whether the product may put it elsewhere than it says itself.
    pub(super) is_sent_elsewhere: bool,
}

impl Component {
    /// Reads the component in `folder`, or the one that is the whole archive.
    pub(super) fn read(
        archive: &XarArchive,
        folder: Option<&str>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, ArtifactError> {
        let folder_entry = match folder {
            Some(folder) => Some(archive.find(folder).ok_or_else(|| missing(folder))?),
            None => None,
        };
        let part = |name| archive.child(folder_entry, name);
        let info = part("PackageInfo").ok_or_else(|| missing(folder.unwrap_or_default()))?;
        let info = PackageInfo::read(document(archive, info)?)?;
        let with_content = |name| part(name).filter(|entry| entry.data().is_some()).cloned();
        let (payload, scripts, bom) =
            (with_content("Payload"), with_content("Scripts"), with_content("Bom"));
        let facts = ComponentFacts {
            folder: folder.unwrap_or_default().to_owned(),
            payload: payload.as_ref().map(|entry| payload_kind(archive, entry)).transpose()?,
            payload_bytes: payload.as_ref().map_or(0, Entry::size_bytes),
            bom_present: bom.is_some(),
            identifier: info.identifier,
            version: info.version,
            install_location: info.install_location,
            install_kbytes: info.install_kbytes,
            number_of_files: info.number_of_files,
            script_names: info.script_names,
            scripts: Vec::new(),
            script_files: 0,
            bundles: info.bundles,
            bundle_count: info.bundle_count,
            auth: info.auth,
            postinstall_action: info.postinstall_action,
            minimum_os: info.minimum_os,
            must_close: info.must_close,
            relocatable: info.relocatable,
        };
        warn(&facts, scripts.is_some(), warnings);
        let (script_files, is_sent_elsewhere) = (info.script_files, false);
        Ok(Self { facts, payload, scripts, bom, script_files, is_sent_elsewhere })
    }
}

/// Judges the form of a payload or an archive of scripts by its first bytes.
pub(super) fn payload_kind(
    archive: &XarArchive,
    payload: &Entry,
) -> Result<PayloadKind, ArtifactError> {
    let mut head = Vec::with_capacity(PayloadKind::MAGIC_BYTES);
    archive
        .reader(payload)?
        .take(PayloadKind::MAGIC_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|source| ArtifactError::from_read(archive.path(payload), source))?;
    Ok(PayloadKind::of_head(&head))
}

fn warn(facts: &ComponentFacts, has_scripts: bool, warnings: &mut Vec<Warning>) {
    let id = &facts.identifier;
    if facts.version.is_none() {
        let message = format!("{id} has no version, so updates of it cannot be told apart");
        warnings.push(Warning::new(WarningCode::WithoutVersion, message));
    }
    if facts.payload == Some(PayloadKind::Unknown) {
        let message = format!("the payload of {id} has a form unknown here; a Mac may know it");
        warnings.push(Warning::new(WarningCode::UnknownPayload, message));
    }
    if facts.relocatable {
        let message = format!(
            "{id} is relocatable: a Mac may install it over an older copy found anywhere on its disk"
        );
        warnings.push(Warning::new(WarningCode::Relocatable, message));
    }
    if !facts.script_names.is_empty() && !has_scripts {
        let message = format!(
            "{id} declares {}, but holds no scripts; its installation will fail",
            facts.script_names.join(" and ")
        );
        warnings.push(Warning::new(WarningCode::MissingScripts, message));
    }
}

fn missing(folder: &str) -> ArtifactError {
    ArtifactError::ComponentMissing { folder: folder.chars().take(MAX_TEXT_BYTES).collect() }
}
