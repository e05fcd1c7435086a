//! `META-INF/encryption.xml`, which says what parts of a book are encrypted.

use super::document;
use crate::error::ArtifactError;
use crate::xml::Node;

pub(super) const PATH: &str = "META-INF/encryption.xml";
/// Fonts disguised against copying, which every reader can show.
const DISGUISES: [&str; 2] =
    ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"];

/// How many parts are encrypted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Encrypted {
    pub(super) parts: u64,
    /// Those of them that are only disguised.
    pub(super) disguised: u64,
}

pub(super) fn count(bytes: &[u8]) -> Result<Encrypted, ArtifactError> {
    let mut document = document(bytes, PATH);
    let mut encrypted = Encrypted::default();
    let mut of_data = false;
    loop {
        match document.next()? {
            Node::Open(element) => match element.name() {
                b"EncryptedData" => {
                    encrypted.parts += 1;
                    of_data = true;
                }
                // A part's key may be encrypted with a method of its own, which comes later.
                b"EncryptionMethod" if of_data => {
                    let method = element.attribute("Algorithm")?.unwrap_or_default();
                    encrypted.disguised += u64::from(DISGUISES.contains(&method.trim()));
                    of_data = false;
                }
                _ => {}
            },
            Node::End => return Ok(encrypted),
            _ => {}
        }
    }
}
