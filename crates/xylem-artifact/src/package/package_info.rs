//! The `PackageInfo` document of a component package.

use std::io::BufRead;

use super::facts::{BundleFacts, RestartAction};
use super::{MAX_LISTED_BUNDLES, MAX_MUST_CLOSE, bounded_text};
use crate::error::ArtifactError;
use crate::xml::{Document, Element, Node};

/// What errors call it.
const WHAT: &str = "PackageInfo";
/// The scripts that the installer knows.
const SCRIPT_NAMES: &[&[u8]] =
    &[b"preflight", b"preinstall", b"preupgrade", b"postinstall", b"postupgrade", b"postflight"];

/// The attributes and elements that count here.
#[derive(Debug, Default)]
pub(super) struct PackageInfo {
    pub(super) identifier: String,
    pub(super) version: Option<String>,
    pub(super) install_location: Option<String>,
    pub(super) install_kbytes: u64,
    pub(super) number_of_files: u64,
    pub(super) script_names: Vec<String>,
    /// The files in the archive of scripts that these are.
    pub(super) script_files: Vec<String>,
    pub(super) bundles: Vec<BundleFacts>,
    pub(super) bundle_count: usize,
    pub(super) auth: Option<String>,
    pub(super) postinstall_action: RestartAction,
    pub(super) minimum_os: Option<String>,
    pub(super) must_close: Vec<String>,
    pub(super) relocatable: bool,
}

/// An open element, as far as what is inside it counts.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Tag {
    Root,
    Bundle,
    MustClose,
    Relocate,
    Scripts,
    Other,
}

impl PackageInfo {
    pub(super) fn read<R: BufRead>(mut document: Document<R>) -> Result<Self, ArtifactError> {
        let mut info = Self::default();
        let mut open: Vec<Tag> = Vec::new();
        loop {
            match document.next()? {
                Node::Open(element) => {
                    let tag = info.element(open.last().copied(), &element)?;
                    open.push(tag);
                }
                Node::Close => {
                    open.pop();
                }
                Node::Text(_) | Node::Ignored => {}
                Node::End => break,
            }
        }
        if info.identifier.is_empty() {
            return Err(ArtifactError::malformed(WHAT, "it names no package identifier"));
        }
        Ok(info)
    }

    fn element(
        &mut self,
        parent: Option<Tag>,
        element: &Element<'_>,
    ) -> Result<Tag, ArtifactError> {
        match (parent, element.name()) {
            (None, b"pkg-info") => {
                self.root(element)?;
                return Ok(Tag::Root);
            }
            (None, _) => {
                return Err(ArtifactError::malformed(
                    WHAT,
                    "its outermost element is not pkg-info",
                ));
            }
            (Some(Tag::Root), b"payload") => {
                self.install_kbytes = count(element, "installKBytes")?;
                self.number_of_files = count(element, "numberOfFiles")?;
            }
            (Some(Tag::Root), b"must-close") => return Ok(Tag::MustClose),
            (Some(Tag::Root), b"relocate") => return Ok(Tag::Relocate),
            (Some(Tag::Root), b"scripts") => return Ok(Tag::Scripts),
            (Some(Tag::MustClose), b"app") => {
                let id = bounded_text(WHAT, "must-close application", element.attribute("id")?)?;
                push_bounded(&mut self.must_close, id, WHAT)?;
            }
            (Some(Tag::Root | Tag::Bundle), b"bundle") => {
                self.bundle(element)?;
                return Ok(Tag::Bundle);
            }
            (Some(Tag::Relocate), b"bundle") => self.relocatable = true,
            (Some(Tag::Scripts), name) if SCRIPT_NAMES.contains(&name) => {
                self.script(&String::from_utf8_lossy(name), element)?;
            }
            _ => {}
        }
        Ok(Tag::Other)
    }

    /// Lists a bundle. Elsewhere, elements of that name only refer to one.
    fn bundle(&mut self, element: &Element<'_>) -> Result<(), ArtifactError> {
        let text = |name| bounded_text(WHAT, name, element.attribute(name)?);
        let Some(identifier) = text("id")? else { return Ok(()) };
        self.bundle_count += 1;
        if self.bundles.len() < MAX_LISTED_BUNDLES {
            self.bundles.push(BundleFacts {
                identifier,
                path: text("path")?,
                short_version: text("CFBundleShortVersionString")?,
                version: text("CFBundleVersion")?,
            });
        }
        Ok(())
    }

    fn script(&mut self, name: &str, element: &Element<'_>) -> Result<(), ArtifactError> {
        if self.script_names.iter().any(|known| known == name) {
            return Ok(());
        }
        let file = bounded_text(WHAT, "file of a script", element.attribute("file")?)?;
        let file = file.as_deref().map_or(name, |file| file.strip_prefix("./").unwrap_or(file));
        self.script_names.push(name.to_owned());
        self.script_files.push(file.to_owned());
        Ok(())
    }

    fn root(&mut self, element: &Element<'_>) -> Result<(), ArtifactError> {
        let text = |name| bounded_text(WHAT, name, element.attribute(name)?);
        self.identifier = text("identifier")?.unwrap_or_default();
        self.version = text("version")?;
        self.install_location = text("install-location")?;
        self.minimum_os = text("minimumSystemVersion")?;
        self.auth = text("auth")?;
        self.postinstall_action = text("postinstall-action")?
            .map_or_else(RestartAction::default, |action| RestartAction::parse(&action));
        Ok(())
    }
}

/// A number that informs and decides nothing: builders write odd ones, so it is never refused.
pub(super) fn count(element: &Element<'_>, name: &str) -> Result<u64, ArtifactError> {
    Ok(element.attribute(name)?.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}

/// Appends an application to quit, within the limit.
pub(super) fn push_bounded(
    list: &mut Vec<String>,
    item: Option<String>,
    what: &str,
) -> Result<(), ArtifactError> {
    let Some(item) = item.filter(|item| !list.contains(item)) else { return Ok(()) };
    if list.len() >= MAX_MUST_CLOSE {
        return Err(ArtifactError::TooLarge {
            what: format!("the number of applications to close in {what}"),
            found: list.len() as u64 + 1,
            limit: MAX_MUST_CLOSE as u64,
        });
    }
    list.push(item);
    Ok(())
}
