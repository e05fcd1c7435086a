//! Flat installer packages: what is in them, read from their small documents alone.
//!
//! A **component package** has a `PackageInfo` at the top, usually with `Payload`, `Bom` and
//! `Scripts`. A **product archive** has a `Distribution` at the top that names component packages,
//! each a folder of the same archive. Payloads are never expanded here; what they hold is the
//! business of [`crate::payload`] and the managed Mac.
//!
//! [`FlatPackage::open`] costs memory in proportion to the table of contents and reads a few
//! kilobytes; [`FlatPackage::verify`] streams the whole file once.

mod component;
mod distribution;
mod facts;
mod package_info;
mod signature;
mod version;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;

pub use component::Component;
pub use facts::{
    ComponentFacts, PackageFacts, PackageKind, PayloadKind, RestartAction, SignatureSummary,
    Warning, WarningCode,
};

use crate::error::ArtifactError;
use crate::xar::{Entry, EntryReader, Verified, XarArchive};
use crate::xml::Document;
use distribution::Distribution;

/// Largest `Distribution` or `PackageInfo`, in bytes. Distributions carry scripts and, rarely,
/// embedded text; the largest genuine ones are a few hundred kilobytes.
pub const MAX_DOCUMENT_BYTES: u64 = 16 << 20;
/// Most component packages in one product archive.
pub const MAX_COMPONENTS: usize = 500;
/// Longest identifier, version, title or path taken from a document, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// Most applications that one document may ask to be closed.
pub const MAX_MUST_CLOSE: usize = 1000;

/// Longest element or text of a document: scripts are the longest.
const MAX_TOKEN_BYTES: usize = 4 << 20;
/// Bytes read at once from a document.
const BUFFER_BYTES: usize = 16 << 10;

/// An opened flat package.
#[derive(Debug)]
pub struct FlatPackage {
    archive: XarArchive,
    components: Vec<Component>,
    facts: PackageFacts,
    warnings: Vec<Warning>,
}

impl FlatPackage {
    /// Reads the table of contents, the `Distribution` and every `PackageInfo`.
    ///
    /// # Errors
    /// When the file is no xar archive or a damaged one, holds neither document, or a document
    /// breaks its format or names a component that is not there.
    pub fn open(file: File) -> Result<Self, ArtifactError> {
        let archive = XarArchive::open(file)?;
        let mut warnings = Vec::new();
        let (components, mut facts) = if let Some(entry) = archive.child(None, "Distribution") {
            open_product(&archive, entry, &mut warnings)?
        } else if archive.child(None, "PackageInfo").is_some() {
            let component = Component::read(&archive, None, &mut warnings)?;
            let facts = facts_of_component(&component.facts);
            (vec![component], facts)
        } else {
            return Err(ArtifactError::NoPackageDocument);
        };
        facts.signature = signature::summarise(&archive, &mut warnings)?;
        facts.ticket_present = signature::ticket_present(archive.file(), archive.file_bytes())?;
        if archive.table_digest().is_none() {
            warnings.push(Warning::new(
                WarningCode::Unprotected,
                "the table of contents carries no checksum, so damage to it cannot be noticed",
            ));
        }
        Ok(Self { archive, components, facts, warnings })
    }

    /// Everything that the documents say, in one serialisable value.
    #[must_use]
    pub fn facts(&self) -> &PackageFacts {
        &self.facts
    }

    /// Component package or product archive.
    #[must_use]
    pub fn kind(&self) -> PackageKind {
        self.facts.kind
    }

    /// The component packages, in the order in which the `Distribution` names them.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// What is allowed, but should be known.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The archive around the package.
    #[must_use]
    pub fn archive(&self) -> &XarArchive {
        &self.archive
    }

    /// A reader of an entry's bytes, decoded as the archive encodes them (a payload's own
    /// compression is left as it is) and bounded to the declared size. It owns its file handle.
    ///
    /// # Errors
    /// When the entry holds no data.
    pub fn open_entry(&self, entry: &Entry) -> Result<EntryReader, ArtifactError> {
        self.archive.reader(entry)
    }

    /// Reads the whole file once and compares every part with its checksums.
    ///
    /// # Errors
    /// When a part differs; also when a signed package holds a part that no checksum, and
    /// therefore no signature, covers.
    pub fn verify(&self) -> Result<Verified, ArtifactError> {
        let verified = self.archive.verify_all()?;
        if self.facts.signature.is_some() && verified.unprotected_entries > 0 {
            return Err(ArtifactError::malformed(
                "the signed package",
                format!(
                    "{} of its files have no checksum, so the signature does not cover them",
                    verified.unprotected_entries
                ),
            ));
        }
        Ok(verified)
    }
}

/// A component package's facts are those of its only component.
fn facts_of_component(component: &ComponentFacts) -> PackageFacts {
    PackageFacts {
        kind: PackageKind::Component,
        title: None,
        identifier: Some(component.identifier.clone()),
        version: component.version.clone(),
        minimum_os: component.minimum_os.clone(),
        host_architectures: Vec::new(),
        restart: component.postinstall_action,
        must_close: component.must_close.clone(),
        installed_kbytes: component.install_kbytes,
        javascript_checks: false,
        components: vec![component.clone()],
        signature: None,
        ticket_present: false,
    }
}

fn open_product(
    archive: &XarArchive,
    entry: &Entry,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Component>, PackageFacts), ArtifactError> {
    let distribution = Distribution::read(document(archive, entry)?)?;
    let mut components: Vec<Component> = Vec::new();
    let mut folders = BTreeSet::new();
    for reference in &distribution.references {
        let Some(folder) = &reference.folder else {
            warnings.push(Warning::new(
                WarningCode::UnresolvedReference,
                format!("the Distribution mentions {:?} without saying where it is", reference.id),
            ));
            continue;
        };
        if folders.insert(folder.as_str()) {
            let mut component = Component::read(archive, Some(folder), warnings)?;
            if component.facts.install_kbytes == 0 {
                component.facts.install_kbytes = reference.install_kbytes;
            }
            components.push(component);
        }
    }
    if components.is_empty() {
        return Err(ArtifactError::NoComponent);
    }
    warn_of_unnamed_components(archive, &folders, warnings);
    if distribution.javascript {
        warnings.push(Warning::new(
            WarningCode::JavascriptChecks,
            "the package checks the Mac with JavaScript of its own; such checks run only when it \
             is installed, so it may still refuse to install",
        ));
    }
    let facts = facts_of_product(distribution, &components);
    Ok((components, facts))
}

fn facts_of_product(distribution: Distribution, components: &[Component]) -> PackageFacts {
    let parts: Vec<ComponentFacts> =
        components.iter().map(|component| component.facts.clone()).collect();
    let restarts = parts.iter().map(|part| part.postinstall_action);
    let mut must_close: BTreeSet<String> = distribution.must_close.into_iter().collect();
    must_close.extend(parts.iter().flat_map(|part| part.must_close.iter().cloned()));
    let highest_version = || {
        let versions = parts.iter().filter_map(|part| part.version.as_deref());
        versions.max_by(|a, b| version::compare(a, b)).map(str::to_owned)
    };
    let only_identifier = || match parts.as_slice() {
        [part] => Some(part.identifier.clone()),
        _ => None,
    };
    PackageFacts {
        kind: PackageKind::Product,
        title: distribution.title,
        identifier: distribution.product_id.or_else(only_identifier),
        version: distribution.product_version.or_else(highest_version),
        minimum_os: distribution.minimum_os,
        host_architectures: distribution.host_architectures,
        restart: restarts.fold(distribution.restart, RestartAction::max),
        must_close: must_close.into_iter().collect(),
        installed_kbytes: parts
            .iter()
            .fold(0, |total: u64, part| total.saturating_add(part.install_kbytes)),
        javascript_checks: distribution.javascript,
        components: parts,
        signature: None,
        ticket_present: false,
    }
}

/// Component packages at the top of the archive that the `Distribution` never installs.
fn warn_of_unnamed_components(
    archive: &XarArchive,
    named: &BTreeSet<&str>,
    warnings: &mut Vec<Warning>,
) {
    let unnamed = archive.top_level().filter(|folder| {
        archive.child(Some(folder), "PackageInfo").is_some() && !named.contains(folder.name())
    });
    let count = unnamed.count();
    if count > 0 {
        warnings.push(Warning::new(
            WarningCode::UnnamedComponent,
            format!(
                "{count} component package(s) in the file are never installed, because the \
                 Distribution does not name them"
            ),
        ));
    }
}

/// A document of the package, verified and ready to be read.
fn document(
    archive: &XarArchive,
    entry: &Entry,
) -> Result<Document<BufReader<EntryReader>>, ArtifactError> {
    let path = archive.path(entry);
    if entry.size_bytes() > MAX_DOCUMENT_BYTES {
        return Err(ArtifactError::TooLarge {
            what: format!("the document {path}, in bytes,"),
            found: entry.size_bytes(),
            limit: MAX_DOCUMENT_BYTES,
        });
    }
    // Damage is better named by its checksum than by what a parser makes of it.
    archive.verify(entry)?;
    let reader = BufReader::with_capacity(BUFFER_BYTES, archive.reader(entry)?);
    Ok(Document::new(reader, path, MAX_TOKEN_BYTES))
}

/// An attribute or text that is kept, refused when it is absurdly long; empty means absent.
fn bounded_text(
    what: &str,
    name: &str,
    text: Option<String>,
) -> Result<Option<String>, ArtifactError> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.len() > MAX_TEXT_BYTES {
        return Err(ArtifactError::TooLarge {
            what: format!("the {name} in {what}, in bytes,"),
            found: text.len() as u64,
            limit: MAX_TEXT_BYTES as u64,
        });
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
