//! The `Distribution` document of a product archive.
//!
//! Its JavaScript is noted and never run.

use std::collections::BTreeMap;
use std::io::BufRead;

use percent_encoding::percent_decode_str;

use super::facts::RestartAction;
use super::os_versions::OsVersions;
use super::package_info::{count, push_bounded};
use super::{MAX_COMPONENTS, MAX_TEXT_BYTES, bounded_text};
use crate::error::ArtifactError;
use crate::xml::{Document, Element, Node};

/// What errors call it.
const WHAT: &str = "Distribution";

/// What the document says.
#[derive(Debug, Default)]
pub(super) struct Distribution {
    pub(super) title: Option<String>,
    pub(super) product_id: Option<String>,
    pub(super) product_version: Option<String>,
    pub(super) host_architectures: Vec<String>,
    pub(super) os_versions: OsVersions,
    pub(super) root_volume_only: bool,
    pub(super) customize: Option<String>,
    pub(super) choices: usize,
    pub(super) license_present: bool,
    pub(super) restart: RestartAction,
    pub(super) must_close: Vec<String>,
    pub(super) javascript: bool,
    /// Package references, those with the same id merged, in order of first appearance.
    pub(super) references: Vec<Reference>,
}

/// A package that the product consists of.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) id: String,
    /// The folder in the archive, decoded; absent where no element says it.
    pub(super) folder: Option<String>,
    pub(super) install_kbytes: u64,
    /// Where the choices that it belongs to put it, as far as they say it: none, one, or two of several.
    pub(super) custom_locations: Vec<String>,
}

/// An open element, as far as what is inside it counts.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Tag {
    Root,
    Title,
    Reference(usize),
    MustClose,
    AllowedOsVersions,
    Choice,
    Other,
}

#[derive(Default)]
struct Reader {
    distribution: Distribution,
    by_id: BTreeMap<String, usize>,
    text: String,
    /// Of the open choice.
    custom_location: Option<String>,
}

impl Distribution {
    pub(super) fn read<R: BufRead>(mut document: Document<R>) -> Result<Self, ArtifactError> {
        let mut reader = Reader::default();
        let mut open: Vec<Tag> = Vec::new();
        loop {
            match document.next()? {
                Node::Open(element) => {
                    let tag = reader.begin(open.last().copied(), &element)?;
                    open.push(tag);
                }
                Node::Text(text) => reader.collect(open.last().copied(), &text)?,
                Node::Close => {
                    if let Some(tag) = open.pop() {
                        reader.end(tag)?;
                    }
                }
                Node::Ignored => {}
                Node::End => return Ok(reader.distribution),
            }
        }
    }
}

impl Reader {
    fn begin(&mut self, parent: Option<Tag>, element: &Element<'_>) -> Result<Tag, ArtifactError> {
        let distribution = &mut self.distribution;
        let text = |name| bounded_text(WHAT, name, element.attribute(name)?);
        match (parent, element.name()) {
            (None, b"installer-gui-script" | b"installer-script") => return Ok(Tag::Root),
            (None, _) => {
                let reason = "its outermost element is not installer-gui-script";
                return Err(ArtifactError::malformed(WHAT, reason));
            }
            (Some(Tag::Root), b"title") => {
                self.text.clear();
                return Ok(Tag::Title);
            }
            (Some(Tag::Root), b"product") => {
                distribution.product_id = text("id")?;
                distribution.product_version = text("version")?;
            }
            (Some(Tag::Root), b"options") => {
                let list = text("hostArchitectures")?.unwrap_or_default();
                let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
                distribution.host_architectures = names.map(str::to_owned).collect();
                distribution.customize = text("customize")?;
                distribution.root_volume_only = is_true(text("rootVolumeOnly")?);
            }
            (Some(Tag::Root), b"license") => distribution.license_present = true,
            (Some(Tag::Root), b"choice") => {
                distribution.choices += 1;
                self.custom_location = text("customLocation")?;
                return Ok(Tag::Choice);
            }
            (Some(Tag::Root), b"script") => distribution.javascript = true,
            (Some(Tag::Root), b"installation-check" | b"volume-check") => {
                distribution.javascript |= element.attribute("script")?.is_some();
            }
            (_, b"allowed-os-versions") => return Ok(Tag::AllowedOsVersions),
            (Some(Tag::AllowedOsVersions), b"os-version") => {
                distribution.os_versions.add(text("min")?, text("before")?);
            }
            (parent, b"pkg-ref") => {
                let location = match parent {
                    Some(Tag::Choice) => self.custom_location.clone(),
                    _ => None,
                };
                return self.reference(element, location);
            }
            (Some(Tag::Reference(_) | Tag::Root), b"must-close") => return Ok(Tag::MustClose),
            (Some(Tag::MustClose), b"app") => {
                push_bounded(&mut distribution.must_close, text("id")?, WHAT)?;
            }
            _ => {}
        }
        Ok(Tag::Other)
    }

    fn reference(
        &mut self,
        element: &Element<'_>,
        location: Option<String>,
    ) -> Result<Tag, ArtifactError> {
        self.text.clear();
        let Some(id) = bounded_text(WHAT, "pkg-ref id", element.attribute("id")?)? else {
            return Err(ArtifactError::malformed(WHAT, "a pkg-ref has no id"));
        };
        let action = element.attribute("onConclusion")?.unwrap_or_default();
        self.distribution.restart = self.distribution.restart.max(RestartAction::parse(&action));
        let references = &mut self.distribution.references;
        let index = *self.by_id.entry(id.clone()).or_insert_with(|| {
            references.push(Reference { id, ..Reference::default() });
            references.len() - 1
        });
        if references.len() > MAX_COMPONENTS {
            return Err(ArtifactError::TooLarge {
                what: "the number of component packages in the Distribution".to_owned(),
                found: references.len() as u64,
                limit: MAX_COMPONENTS as u64,
            });
        }
        let install_kbytes = count(element, "installKBytes")?;
        if let Some(reference) = references.get_mut(index) {
            reference.install_kbytes = reference.install_kbytes.max(install_kbytes);
            // Two that differ cannot both be where it says itself that it goes.
            let known = &mut reference.custom_locations;
            known.extend(location.filter(|it| known.len() < 2 && !known.contains(it)));
        }
        Ok(Tag::Reference(index))
    }

    fn collect(&mut self, open: Option<Tag>, text: &str) -> Result<(), ArtifactError> {
        if !matches!(open, Some(Tag::Title | Tag::Reference(_))) {
            return Ok(());
        }
        self.text.push_str(text.trim_matches(['\r', '\n', '\t']));
        // Percent-encoding takes up to three bytes for one.
        if self.text.len() > 3 * MAX_TEXT_BYTES {
            return Err(ArtifactError::TooLarge {
                what: "a title or package path in the Distribution, in bytes,".to_owned(),
                found: self.text.len() as u64,
                limit: 3 * MAX_TEXT_BYTES as u64,
            });
        }
        Ok(())
    }

    fn end(&mut self, tag: Tag) -> Result<(), ArtifactError> {
        match tag {
            Tag::Title => {
                let text = std::mem::take(&mut self.text);
                self.distribution.title = bounded_text(WHAT, "title", Some(text))?;
            }
            Tag::Reference(index) => {
                let text = std::mem::take(&mut self.text);
                if let Some(reference) = self.distribution.references.get_mut(index)
                    && let Some(folder) = folder(&text)?
                {
                    reference.folder = Some(folder);
                }
            }
            Tag::Choice => self.custom_location = None,
            _ => {}
        }
        Ok(())
    }
}

/// Installers write both spellings.
fn is_true(text: Option<String>) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("yes"))
}

/// The folder that a reference's text names: `#docs%20and%20help.pkg`, also with `file:` before it.
fn folder(text: &str) -> Result<Option<String>, ArtifactError> {
    let text = text.trim();
    let path = text.strip_prefix("file:").unwrap_or(text);
    let path = path.strip_prefix('#').unwrap_or(path);
    let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
    let decoded = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| ArtifactError::malformed(WHAT, "the path of a package is not UTF-8"))?;
    bounded_text(WHAT, "path of a package", Some(decoded.into_owned()))
}
