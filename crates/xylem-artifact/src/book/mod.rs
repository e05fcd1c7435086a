//! Books: EPUB and iBooks Author (zip archives), and PDF documents.

mod container;
mod encryption;
mod epub;
mod facts;
mod opf;
mod pdf;

pub use facts::{BookFacts, BookKind, Cover};

pub(crate) use epub::inspect as inspect_epub;
pub(crate) use pdf::inspect as inspect_pdf;

use std::io::BufRead;

use crate::error::ArtifactError;
use crate::text::MAX_SHOWN_BYTES;
use crate::xml::{Document, Node};

/// Largest document read, in bytes: a book of a thousand parts lists them in some 200 KiB.
const MAX_DOCUMENT_BYTES: u64 = 8 << 20;
/// Longest element or text of a document. Descriptions of books are the longest.
const MAX_TOKEN_BYTES: usize = 1 << 20;

/// A document of a book. Books of the first two versions may name their document type, which
/// defines nothing that is looked at.
fn document<'a>(bytes: &'a [u8], what: &str) -> Document<&'a [u8]> {
    Document::new(bytes, what, MAX_TOKEN_BYTES).allowing_plain_doctype()
}

/// The text of the element that was just opened, cut to what is shown; the texts of elements inside
/// it count. Reads up to its end.
fn text_of<R: BufRead>(document: &mut Document<R>) -> Result<String, ArtifactError> {
    let (mut text, mut depth) = (String::new(), 1_usize);
    while depth > 0 {
        match document.next()? {
            Node::Open(_) => depth += 1,
            Node::Close => depth -= 1,
            // More than is shown, so that blanks at the start do not push the rest out.
            Node::Text(piece) if text.len() < 2 * MAX_SHOWN_BYTES => text.push_str(&piece),
            Node::Text(_) | Node::Ignored => {}
            Node::End => break,
        }
    }
    Ok(text)
}
