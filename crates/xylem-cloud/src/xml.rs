//! XML as clouds answer it, and nothing more.
//!
//! An answer has at most [`crate::MAX_ANSWER_BYTES`], so a small tree of it is kept. Document types
//! and entities other than the five of XML 1.0 are refused; depth, elements and attributes are
//! bounded. The tree is built without recursion.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::answer::MAX_ANSWER_BYTES;

/// Deepest nesting; genuine answers have five levels.
const MAX_DEPTH: usize = 16;
/// Most elements: a page of a thousand objects has about ten of them each.
const MAX_ELEMENTS: usize = 32_768;
/// Most attributes of one element; NetStorage writes about ten.
const MAX_ATTRIBUTES: usize = 32;

/// An element with what is inside.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

/// Why an answer is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("it is longer than 1 MiB")]
    Long,
    #[error("it has more than {0} {1}")]
    Many(usize, &'static str),
    #[error("it has a document type or an entity of its own")]
    Forbidden,
    #[error("it is no XML: {0}")]
    Malformed(String),
}

impl Element {
    /// Reads a document and returns its root.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, XmlError> {
        if body.len() > MAX_ANSWER_BYTES {
            return Err(XmlError::Long);
        }
        let mut reader = Reader::from_reader(body);
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Tree::default();
        loop {
            match reader.read_event().map_err(malformed)? {
                Event::Start(start) => tree.open(&start)?,
                Event::End(_) => tree.close(),
                Event::Text(text) => tree.text(&text.decode().map_err(malformed)?)?,
                Event::CData(text) => tree.text(&text.decode().map_err(malformed)?)?,
                Event::GeneralRef(reference) => tree.text(&resolve(&reference)?)?,
                Event::DocType(_) => return Err(XmlError::Forbidden),
                Event::Eof => return tree.root(),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// The name, without a namespace's prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The characters directly inside.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first child of this name, by itself.
    pub(crate) fn into_child(self, name: &str) -> Option<Self> {
        self.children.into_iter().find(|child| child.name == name)
    }

    /// The children of this name, in order.
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text)
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A document while it is read: the open elements, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    elements: usize,
    root: Option<Element>,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(XmlError::Many(MAX_ELEMENTS, "elements"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(XmlError::Many(MAX_DEPTH, "levels"));
        }
        if self.root.is_some() {
            return Err(XmlError::Malformed("it has two roots".to_owned()));
        }
        self.open.push(Element {
            name: String::from_utf8_lossy(start.local_name().into_inner()).into_owned(),
            attributes: attributes(start)?,
            ..Element::default()
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            // A byte order mark is no character of the document.
            None if text.trim_matches('\u{feff}').trim().is_empty() => {}
            None => return Err(XmlError::Malformed("it is not an XML document".to_owned())),
        }
        Ok(())
    }

    fn root(self) -> Result<Element, XmlError> {
        let whole = self.open.is_empty();
        self.root
            .filter(|_| whole)
            .ok_or_else(|| XmlError::Malformed("it ends before its root does".to_owned()))
    }
}

fn attributes(start: &BytesStart<'_>) -> Result<Vec<(String, String)>, XmlError> {
    let mut found = Vec::new();
    // quick-xml's own check for doubled names is quadratic; the first of two wins.
    for attribute in start.attributes().with_checks(false) {
        if found.len() == MAX_ATTRIBUTES {
            return Err(XmlError::Many(MAX_ATTRIBUTES, "attributes of one element"));
        }
        let attribute = attribute.map_err(malformed)?;
        let value = attribute.decode_and_unescape_value(start.decoder()).map_err(malformed)?;
        let name = String::from_utf8_lossy(attribute.key.local_name().into_inner()).into_owned();
        found.push((name, value.into_owned()));
    }
    Ok(found)
}

/// Character references and the five predefined entities; any other has to come from a DTD.
fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(malformed)? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(malformed)?;
    resolve_predefined_entity(&name).map(str::to_owned).ok_or(XmlError::Forbidden)
}

fn malformed(error: impl std::fmt::Display) -> XmlError {
    XmlError::Malformed(error.to_string().chars().take(120).collect())
}

/// Text for inside an element or an attribute of what we write.
pub(crate) fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    quick_xml::escape::escape(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_answers_are_read() {
        let text = "<?xml version='1.0'?>\n<!-- c --><a:L xmlns='urn:x'><K>a&amp;b&#65;</K>\
                    <K><![CDATA[<]]></K><f n=\"x&lt;\" m='2'/></a:L>\n";
        let root = Element::parse(text.as_bytes()).unwrap();
        assert_eq!(root.name(), "L");
        let texts: Vec<_> = root.children("K").map(Element::text).collect();
        assert_eq!(texts, ["a&bA", "<"]);
        let file = root.child("f").unwrap();
        assert_eq!((file.attribute("n"), file.attribute("m")), (Some("x<"), Some("2")));
        assert_eq!((root.child_text("none"), file.attribute("none")), (None, None));
    }

    #[test]
    fn answers_that_expand_or_break_the_rules_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        let attributes: String = (0..=MAX_ATTRIBUTES).map(|n| format!(" b{n}=''")).collect();
        let attributes = format!("<a{attributes}/>");
        let long = format!("<a>{}</a>", " ".repeat(MAX_ANSWER_BYTES));
        for text in [
            "<!DOCTYPE x [<!ENTITY a 'aa'>]><x>&a;</x>",
            "<x>&a;</x>",
            "<x a='&a;'/>",
            "<x>",
            "<x></y>",
            "<x/><x/>",
            "",
            "text",
            "<x/>text",
            "</x>",
            &deep,
            &wide,
            &attributes,
            &long,
        ] {
            assert!(Element::parse(text.as_bytes()).is_err(), "{}", text.get(..60).unwrap_or(text));
        }
        assert!(Element::parse(b"<x>\xff</x>").is_err());
    }
}
