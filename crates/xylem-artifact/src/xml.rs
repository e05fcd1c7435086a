//! XML as packages use it, and nothing more.
//!
//! A pull reader over `quick-xml` that refuses document type declarations and entities, bounds
//! nesting and the size of one token, and insists on exactly one root element in UTF-8. It walks
//! the stream and never recurses, so its memory is one token however long the document is.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::ArtifactError;

/// Deepest element nesting of any document. The deepest genuine one is a table of contents with
/// [`crate::xar::MAX_NESTING`] folders and a few elements around and inside.
pub(crate) const MAX_DEPTH: usize = 96;
/// Most attributes of one element; genuine ones have about a dozen.
const MAX_ATTRIBUTES: usize = 256;

/// A document being read.
pub(crate) struct Document<R: BufRead> {
    reader: Reader<TokenMeter<R>>,
    buffer: Vec<u8>,
    what: String,
    depth: usize,
    root_closed: bool,
    /// Whether a document type that only names an external definition is passed over.
    plain_doctype: bool,
}

/// What comes next in a document.
pub(crate) enum Node<'a> {
    /// An element begins; a matching [`Node::Close`] follows, also for empty elements.
    Open(Element<'a>),
    /// Character data; one run of text may arrive in several pieces.
    Text(Cow<'a, str>),
    /// The innermost open element ends.
    Close,
    /// A comment or processing instruction, which packages give no meaning.
    Ignored,
    /// The document is complete.
    End,
}

/// An element's name and attributes.
pub(crate) struct Element<'a> {
    start: BytesStart<'a>,
    what: &'a str,
}

impl<R: BufRead> Document<R> {
    /// Reads `source`, called `what` in errors; no token may be longer than `max_token_bytes`.
    pub(crate) fn new(source: R, what: impl Into<String>, max_token_bytes: usize) -> Self {
        let mut reader = Reader::from_reader(TokenMeter::new(source, max_token_bytes));
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            what: what.into(),
            depth: 0,
            root_closed: false,
            plain_doctype: false,
        }
    }

    /// Reads a property list, which begins with the name of its document type.
    pub(crate) fn property_list(
        source: R,
        what: impl Into<String>,
        max_token_bytes: usize,
    ) -> Self {
        Self::new(source, what, max_token_bytes).allowing_plain_doctype()
    }

    /// Passes over a document type declaration that only names an external definition, which is
    /// never fetched: old books begin with one. One that defines something stays forbidden.
    pub(crate) fn allowing_plain_doctype(mut self) -> Self {
        self.plain_doctype = true;
        self
    }

    /// The next node.
    ///
    /// # Errors
    /// When the document is not well-formed, uses a forbidden construct or exceeds a limit.
    pub(crate) fn next(&mut self) -> Result<Node<'_>, ArtifactError> {
        self.buffer.clear();
        self.reader.get_mut().start_token();
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(xml_error(&self.what, error)),
        };
        match event {
            Event::Start(start) => {
                if self.root_closed {
                    return Err(ArtifactError::malformed(&self.what, "it has two root elements"));
                }
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(ArtifactError::TooLarge {
                        what: format!("the nesting of elements in {}", self.what),
                        found: self.depth as u64,
                        limit: MAX_DEPTH as u64,
                    });
                }
                Ok(Node::Open(Element { start, what: &self.what }))
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.root_closed = self.depth == 0;
                Ok(Node::Close)
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| not_utf8(&self.what, &error))?;
                if self.depth == 0 && !text.trim().is_empty() {
                    return Err(ArtifactError::malformed(&self.what, "it is not an XML document"));
                }
                Ok(Node::Text(text))
            }
            Event::CData(text) => {
                Ok(Node::Text(text.decode().map_err(|error| not_utf8(&self.what, &error))?))
            }
            Event::GeneralRef(reference) => resolve(&self.what, &reference).map(Node::Text),
            Event::DocType(text) if self.plain_doctype && !text.contains(&b'[') => {
                Ok(Node::Ignored)
            }
            Event::DocType(_) => Err(ArtifactError::ForbiddenXml {
                what: self.what.clone(),
                construct: "a document type declaration (<!DOCTYPE)".to_owned(),
            }),
            Event::Eof if self.depth > 0 => {
                Err(ArtifactError::malformed(&self.what, "it ends in the middle of an element"))
            }
            Event::Eof if !self.root_closed => {
                Err(ArtifactError::malformed(&self.what, "it is not an XML document"))
            }
            Event::Eof => Ok(Node::End),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {
                Ok(Node::Ignored)
            }
        }
    }
}

impl Element<'_> {
    /// The name without a namespace prefix.
    pub(crate) fn name(&self) -> &[u8] {
        self.start.local_name().into_inner()
    }

    /// The value of an attribute.
    ///
    /// # Errors
    /// When the element's attributes are not well-formed or the value uses an entity.
    pub(crate) fn attribute(&self, name: &str) -> Result<Option<String>, ArtifactError> {
        // quick-xml's own check for doubled names is quadratic, so the number is bounded instead
        // and the first of two wins.
        for (index, attribute) in self.start.attributes().with_checks(false).enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(ArtifactError::TooLarge {
                    what: format!("the number of attributes of an element in {}", self.what),
                    found: index as u64 + 1,
                    limit: MAX_ATTRIBUTES as u64,
                });
            }
            let attribute = attribute
                .map_err(|error| ArtifactError::malformed(self.what, error.to_string()))?;
            if attribute.key.local_name().into_inner() == name.as_bytes() {
                let value = attribute
                    .decode_and_unescape_value(self.start.decoder())
                    .map_err(|error| xml_error(self.what, error))?;
                return Ok(Some(value.into_owned()));
            }
        }
        Ok(None)
    }
}

/// Character references and the five predefined entities; any other has to come from a DTD.
fn resolve(what: &str, reference: &BytesRef<'_>) -> Result<Cow<'static, str>, ArtifactError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| xml_error(what, error))? {
        return Ok(Cow::Owned(character.to_string()));
    }
    let name = reference.decode().map_err(|error| not_utf8(what, &error))?;
    resolve_predefined_entity(&name).map(Cow::Borrowed).ok_or_else(|| ArtifactError::ForbiddenXml {
        what: what.to_owned(),
        construct: format!("the entity &{};", name.chars().take(32).collect::<String>()),
    })
}

fn not_utf8(what: &str, error: &quick_xml::encoding::EncodingError) -> ArtifactError {
    ArtifactError::malformed(what, format!("it is not UTF-8 text: {error}"))
}

fn xml_error(what: &str, error: quick_xml::Error) -> ArtifactError {
    match error {
        quick_xml::Error::Io(cause) => {
            ArtifactError::from_read(
                what,
                Arc::try_unwrap(cause).unwrap_or_else(|shared| {
                    // The reader may keep a second handle on its cause: what is decided by is kept.
                    match shared.raw_os_error() {
                        Some(errno) => io::Error::from_raw_os_error(errno),
                        None => io::Error::new(shared.kind(), shared.to_string()),
                    }
                }),
            )
        }
        quick_xml::Error::Escape(quick_xml::escape::EscapeError::UnrecognizedEntity(_, name)) => {
            ArtifactError::ForbiddenXml {
                what: what.to_owned(),
                construct: format!("the entity &{};", name.chars().take(32).collect::<String>()),
            }
        }
        other => ArtifactError::malformed(what, format!("it is not well-formed XML: {other}")),
    }
}

/// Refuses to deliver more than a fixed number of bytes for one token.
///
/// quick-xml collects a whole token before it returns, so a document of nothing but blanks would
/// otherwise be held in memory.
struct TokenMeter<R> {
    inner: R,
    max_token_bytes: usize,
    left_bytes: usize,
}

impl<R> TokenMeter<R> {
    fn new(inner: R, max_token_bytes: usize) -> Self {
        Self { inner, max_token_bytes, left_bytes: max_token_bytes }
    }

    fn start_token(&mut self) {
        self.left_bytes = self.max_token_bytes;
    }
}

impl<R: BufRead> BufRead for TokenMeter<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if self.left_bytes == 0 && !available.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("one element or text is longer than {} bytes", self.max_token_bytes),
            ));
        }
        let len = available.len().min(self.left_bytes);
        Ok(available.get(..len).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.left_bytes = self.left_bytes.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for TokenMeter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let len = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), available.get(..len)) {
            to.copy_from_slice(from);
        }
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RefusalCode;

    fn read(text: &str) -> Result<String, ArtifactError> {
        let mut document = Document::new(text.as_bytes(), "the document", 4096);
        let mut seen = String::new();
        loop {
            match document.next()? {
                Node::Open(element) => {
                    seen.push('<');
                    seen.push_str(&String::from_utf8_lossy(element.name()));
                    seen.push_str(&element.attribute("a")?.unwrap_or_default());
                }
                Node::Text(text) => seen.push_str(&text),
                Node::Close => seen.push('>'),
                Node::Ignored => {}
                Node::End => return Ok(seen),
            }
        }
    }

    #[test]
    fn ordinary_documents_are_read() {
        let text =
            "<?xml version='1.0'?><!-- c --><x a='1&amp;2'>A&#65;&lt;<![CDATA[<&]]><y/></x>\n";
        assert_eq!(read(text).unwrap(), "<x1&2AA<<&<y>>\n");
    }

    #[test]
    fn documents_that_expand_or_break_the_rules_are_refused() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        let long = format!("<a>{}</a>", " ".repeat(8000));
        let attributes = |count: usize| -> String {
            let list: String = (0..count).map(|n| format!(" b{n}=''")).collect();
            format!("<a{list}/>")
        };
        let (most, too_many) = (attributes(MAX_ATTRIBUTES), attributes(MAX_ATTRIBUTES + 1));
        let cases = [
            ("<!DOCTYPE x [<!ENTITY a 'aa'>]><x>&a;</x>", RefusalCode::ForbiddenXml),
            ("<x>&a;</x>", RefusalCode::ForbiddenXml),
            ("<x a='&a;'/>", RefusalCode::ForbiddenXml),
            ("<x>", RefusalCode::Damaged),
            ("<x></y>", RefusalCode::Damaged),
            ("<x/><x/>", RefusalCode::Damaged),
            ("", RefusalCode::Damaged),
            ("just text", RefusalCode::Damaged),
            (&deep, RefusalCode::TooLarge),
            (&long, RefusalCode::TooLarge),
            (&too_many, RefusalCode::TooLarge),
        ];
        for (text, code) in cases {
            assert_eq!(read(text).unwrap_err().code(), code, "{text}");
        }
        assert!(read(&most).is_ok(), "as many attributes as allowed pass");
    }
}
