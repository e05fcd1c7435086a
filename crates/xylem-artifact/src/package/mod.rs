//! Flat installer packages: what is in them, read from their small documents alone.
//!
//! A **component package** has a `PackageInfo` at the top, usually with `Payload`, `Bom` and
//! `Scripts`. A **product archive** has a `Distribution` at the top that names component packages,
//! each a folder of the same archive. Payloads are never expanded here; what they hold is the
//! business of [`crate::payload`] and the managed Mac. What they are said to hold is read from each
//! component's bill of materials.
//!
//! [`FlatPackage::open`] costs memory in proportion to the table of contents and reads a few
//! kilobytes; [`FlatPackage::verify`] streams the whole file once.

mod bom;
mod component;
mod distribution;
mod facts;
mod index;
mod os_versions;
mod package_info;
mod product;
mod scripts;
mod signature;
mod version;

use std::fs::File;
use std::io::BufReader;

pub use component::Component;
pub use facts::{
    BundleFacts, ComponentFacts, PackageFacts, PackageKind, PayloadKind, RestartAction, ScriptFacts,
};
pub use index::MAX_BOM_BYTES;
pub use scripts::{MAX_EXPANDED_SCRIPTS_BYTES, MAX_LISTED_SCRIPTS, MAX_SCRIPTS_BYTES};
pub(crate) use signature::der_element;
pub use signature::{SignatureMatch, SignatureSummary, SignerKind, TimestampFacts};

use xylem_model::FoundIndex;

use crate::error::ArtifactError;
use crate::warning::{Warning, WarningCode};
use crate::xar::{Entry, EntryReader, Verified, XarArchive};
use crate::xml::Document;

/// Largest `Distribution` or `PackageInfo`, in bytes. Distributions carry scripts and, rarely,
/// embedded text; the largest genuine ones are a few hundred kilobytes.
pub const MAX_DOCUMENT_BYTES: u64 = 16 << 20;
/// Most component packages in one product archive.
pub const MAX_COMPONENTS: usize = 500;
/// Longest identifier, version, title or path taken from a document, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// Most applications that one document may ask to be closed.
pub const MAX_MUST_CLOSE: usize = 1000;
/// Most bundles that are listed, over all components: those of Xcode alone would fill the answer.
pub const MAX_LISTED_BUNDLES: usize = 500;

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
            product::open(&archive, entry, &mut warnings)?
        } else if archive.child(None, "PackageInfo").is_some() {
            let component = Component::read(&archive, None, &mut warnings)?;
            let facts = product::facts_of_component(&component.facts);
            (vec![component], facts)
        } else {
            return Err(ArtifactError::NoPackageDocument);
        };
        product::cut_bundles(&mut facts.components);
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

    /// Looks into the archives of scripts and adds what they hold to the facts. To be called once,
    /// best after [`verify`](Self::verify), which names damage better.
    ///
    /// # Errors
    /// When an archive cannot be decoded, holds unsafe names, or expands past its limits.
    pub fn list_scripts(&mut self) -> Result<(), ArtifactError> {
        let mut allowance = scripts::Allowance::default();
        for (component, facts) in self.components.iter_mut().zip(&mut self.facts.components) {
            scripts::list(&self.archive, component, &mut allowance, &mut self.warnings)?;
            facts.scripts.clone_from(&component.facts.scripts);
            facts.script_files = component.facts.script_files;
        }
        Ok(())
    }

    /// What all components put on a Mac, as their bills of materials list it, or why there is no such
    /// list. Best after [`verify`](Self::verify): what is damaged is refused there.
    #[must_use]
    pub fn index(&self) -> FoundIndex {
        index::index(&self.archive, &self.components)
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
