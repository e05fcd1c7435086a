//! The package document (OPF), in which a book says what it is and lists its parts.

use percent_encoding::percent_decode_str;

use super::{document, text_of};
use crate::error::ArtifactError;
use crate::text::{shown, shown_some};
use crate::xml::{Document, Element, Node};

/// Most creators; anthologies have some tens.
const MAX_CREATORS: usize = 100;

/// What the document says.
#[derive(Debug, Default)]
pub(super) struct Opf {
    pub(super) format_version: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) title: Option<String>,
    pub(super) creators: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) publisher: Option<String>,
    pub(super) modified: Option<String>,
    pub(super) version: Option<String>,
    /// The cover's path as it stands there, and its declared kind.
    pub(super) cover: Option<(String, Option<String>)>,
    /// Which identifier is the book's own.
    own_identifier: Option<String>,
    /// Which part is the cover, as version 2 says it.
    cover_part: Option<String>,
    rooted: bool,
}

/// What an element's text is for.
enum Text {
    Identifier { own: bool },
    Title,
    Creator,
    Language,
    Publisher,
    Modified,
    Version,
}

impl Opf {
    pub(super) fn read(bytes: &[u8], what: &str) -> Result<Self, ArtifactError> {
        let mut document = document(bytes, what);
        let mut opf = Self::default();
        loop {
            let text = match document.next()? {
                Node::Open(element) => opf.open(&element, what)?,
                Node::End => return Ok(opf),
                _ => None,
            };
            if let Some(text) = text {
                opf.take(text, &mut document)?;
            }
        }
    }

    fn open(&mut self, element: &Element<'_>, what: &str) -> Result<Option<Text>, ArtifactError> {
        let name = element.name();
        if !self.rooted {
            if name != b"package" {
                let reason = "its outermost element is not package";
                return Err(ArtifactError::malformed(what, reason));
            }
            self.rooted = true;
            self.format_version = shown_some(element.attribute("version")?.as_deref());
            self.own_identifier = element.attribute("unique-identifier")?;
            return Ok(None);
        }
        Ok(match name {
            b"identifier" => {
                let id = element.attribute("id")?;
                Some(Text::Identifier { own: id.is_some() && id == self.own_identifier })
            }
            b"title" => Some(Text::Title),
            b"creator" => Some(Text::Creator),
            b"language" => Some(Text::Language),
            b"publisher" => Some(Text::Publisher),
            b"meta" => self.meta(element)?,
            b"item" => {
                self.item(element)?;
                None
            }
            _ => None,
        })
    }

    fn meta(&mut self, element: &Element<'_>) -> Result<Option<Text>, ArtifactError> {
        if element.attribute("name")?.as_deref() == Some("cover") {
            self.cover_part = element.attribute("content")?.filter(|part| part.len() < 1024);
            return Ok(None);
        }
        Ok(match element.attribute("property")?.as_deref() {
            Some("dcterms:modified") => Some(Text::Modified),
            Some("ibooks:version") => Some(Text::Version),
            _ => None,
        })
    }

    /// A part of the book. The metadata comes first, so it is known which part version 2 calls the
    /// cover; version 3 marks it here, which goes before.
    fn item(&mut self, element: &Element<'_>) -> Result<(), ArtifactError> {
        let properties = element.attribute("properties")?.unwrap_or_default();
        let marked = properties.split_ascii_whitespace().any(|word| word == "cover-image");
        let named = self.cover.is_none()
            && self.cover_part.is_some()
            && element.attribute("id")? == self.cover_part;
        if marked || named {
            let media_type = shown_some(element.attribute("media-type")?.as_deref());
            self.cover = element.attribute("href")?.map(|path| (path, media_type));
        }
        Ok(())
    }

    fn take(&mut self, text: Text, document: &mut Document<&[u8]>) -> Result<(), ArtifactError> {
        let value = text_of(document)?;
        let Some(value) = shown_some(Some(&value)) else { return Ok(()) };
        let first = |place: &mut Option<String>, value| {
            if place.is_none() {
                *place = Some(value);
            }
        };
        match text {
            // Without one that is the book's own, the first has to do.
            Text::Identifier { own: true } => self.identifier = Some(value),
            Text::Identifier { own: false } => first(&mut self.identifier, value),
            Text::Title => first(&mut self.title, value),
            Text::Creator if self.creators.len() < MAX_CREATORS => self.creators.push(value),
            Text::Creator => {}
            Text::Language => first(&mut self.language, value),
            Text::Publisher => first(&mut self.publisher, value),
            Text::Modified => first(&mut self.modified, value),
            Text::Version => first(&mut self.version, value),
        }
        Ok(())
    }
}

/// A path that stands in the document at `base`, as a path in the archive; `None` when it leads out
/// of it or elsewhere. It is only looked up.
pub(super) fn resolve(base: &str, href: &str) -> Option<String> {
    if href.contains("://") || href.starts_with('/') {
        return None;
    }
    let href = href.split(['#', '?']).next()?;
    let href = percent_decode_str(href).decode_utf8().ok()?;
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in href.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// What errors call the document.
pub(super) fn called(path: &str) -> String {
    format!("{:?} in the book", shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_from_the_document() {
        for (base, href, path) in [
            ("OEBPS/content.opf", "cover.jpg", Some("OEBPS/cover.jpg")),
            ("content.opf", "a%20b/./c.jpg#x", Some("a b/c.jpg")),
            ("a/b/c.opf", "../d.jpg", Some("a/d.jpg")),
            ("c.opf", "../d.jpg", None),
            ("c.opf", "/d.jpg", None),
            ("c.opf", "http://example.org/d.jpg", None),
            ("c.opf", "%ff", None),
        ] {
            assert_eq!(resolve(base, href).as_deref(), path, "{base} {href}");
        }
    }

    #[test]
    fn the_identifier_that_the_book_calls_its_own_wins() {
        let read = |inside: &str| {
            let text = format!(
                "<!DOCTYPE package PUBLIC 'a' 'b'><package version='2.0' unique-identifier='own'>\
                 <metadata>{inside}</metadata></package>"
            );
            Opf::read(text.as_bytes(), "the document").unwrap()
        };
        let opf = read(
            "<x:identifier>first</x:identifier><x:identifier id='own'> mine </x:identifier>\
             <x:identifier>last</x:identifier><x:title>A <b>bold</b> title</x:title>",
        );
        assert_eq!(opf.identifier.as_deref(), Some("mine"));
        assert_eq!(opf.title.as_deref(), Some("A bold title"));
        assert_eq!(read("<identifier>only</identifier>").identifier.as_deref(), Some("only"));
        let many = "<creator>c</creator>".repeat(MAX_CREATORS + 5);
        assert_eq!(read(&many).creators.len(), MAX_CREATORS);
    }
}
