//! `META-INF/container.xml`, which says where a book's own document is.

use super::document;
use crate::error::ArtifactError;
use crate::xml::Node;

pub(super) const PATH: &str = "META-INF/container.xml";
const PACKAGE_TYPE: &str = "application/oebps-package+xml";

/// The path of the book's document: that of the first rendition.
pub(super) fn document_path(bytes: &[u8]) -> Result<String, ArtifactError> {
    let mut document = document(bytes, PATH);
    let mut path = None;
    loop {
        match document.next()? {
            Node::Open(element) if element.name() == b"rootfile" => {
                let media_type = element.attribute("media-type")?;
                let is_package = media_type.is_none_or(|kind| kind.trim() == PACKAGE_TYPE);
                if is_package && path.is_none() {
                    path = element.attribute("full-path")?.filter(|path| !path.is_empty());
                }
            }
            Node::End => break,
            _ => {}
        }
    }
    path.ok_or_else(|| ArtifactError::malformed(PATH, "it names no document of a book"))
}
