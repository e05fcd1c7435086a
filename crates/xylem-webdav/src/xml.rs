//! Bodies of XML, looked through before they are read.

use xml::ParserConfig;
use xml::reader::XmlEvent;

/// Deepest nesting of elements. The reader behind us calls itself for each level, so without a
/// limit a body of 64 KiB could use up a thread's stack.
const MAX_NESTING: usize = 32;

/// Most elements of a body: a client asks for one or two dozen properties.
const MAX_ELEMENTS: usize = 128;

/// Most namespaces in force at any place. The reader behind us gives each element a copy of all of
/// them, and each element may be looked for on each file of a folder.
const MAX_NAMESPACES: usize = 32;

/// A body that is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    /// It is no XML.
    #[error("the body is not well-formed XML: {0}")]
    Malformed(String),
    /// It brings definitions of its own.
    #[error("the body has a document type definition: send it without")]
    DocumentType,
    /// It is too much.
    #[error(
        "the body has more than {MAX_ELEMENTS} elements or {MAX_NAMESPACES} namespaces, or nests \
         elements deeper than {MAX_NESTING}"
    )]
    TooMuch,
}

/// Looks through a body with the parser that will read it, so that both mean the same by it.
pub(crate) fn check(body: &[u8]) -> Result<(), XmlError> {
    // The text of a definition is refused before its parser sees it. Only encodings in which these
    // bytes mean these characters are read: UTF-16 has zero bytes, and zero bytes are no XML.
    if body.contains(&0) {
        return Err(XmlError::Malformed("it is not UTF-8".to_owned()));
    }
    if body.windows(9).any(|bytes| bytes.eq_ignore_ascii_case(b"<!DOCTYPE"))
        || body.windows(8).any(|bytes| bytes.eq_ignore_ascii_case(b"<!ENTITY"))
    {
        return Err(XmlError::DocumentType);
    }
    let config = ParserConfig::new().ignore_comments(true);
    let (mut nesting, mut elements) = (0_usize, 0_usize);
    for event in config.create_reader(body) {
        match event.map_err(|error| XmlError::Malformed(error.to_string()))? {
            XmlEvent::StartElement { namespace, .. } => {
                nesting += 1;
                elements += 1;
                let namespaces = namespace.0.len();
                if nesting > MAX_NESTING || elements > MAX_ELEMENTS || namespaces > MAX_NAMESPACES {
                    return Err(XmlError::TooMuch);
                }
            }
            XmlEvent::EndElement { .. } => nesting = nesting.saturating_sub(1),
            XmlEvent::Doctype { .. } => return Err(XmlError::DocumentType),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_read() {
        let propfind = br#"<?xml version="1.0" encoding="utf-8"?>
            <D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>"#;
        assert_eq!(check(propfind), Ok(()));
    }

    #[test]
    fn definitions_and_bombs_are_not() {
        let doctype = b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>";
        assert_eq!(check(doctype), Err(XmlError::DocumentType));
        assert_eq!(check(b"<!doctype a><a/>"), Err(XmlError::DocumentType));
        let deep = [b"<a>".repeat(33), b"</a>".repeat(33)].concat();
        assert_eq!(check(&deep), Err(XmlError::TooMuch));
        let many = [b"<a>".to_vec(), b"<b/>".repeat(128), b"</a>".to_vec()].concat();
        assert_eq!(check(&many), Err(XmlError::TooMuch));
        let spaces: String = (0..40).map(|n| format!(" xmlns:n{n}='x'")).collect();
        assert_eq!(check(format!("<a{spaces}/>").as_bytes()), Err(XmlError::TooMuch));
        for body in [&b"<a>"[..], b"", b"<a></b>", b"<\0a\0/\0>\0", b"<a>&x;</a>"] {
            assert!(matches!(check(body), Err(XmlError::Malformed(_))), "{body:?}");
        }
    }
}
