//! The property list of an image: the block tables, and whether there is a licence.
//!
//! It is an old resource fork written as XML. Tables are handed on one by one, so that no more than
//! one is held in its encoded form.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::trailer::ByteRange;
use crate::error::ArtifactError;
use crate::xar::Section;
use crate::xml::{Document, Node};

/// Largest property list accepted, in bytes. It takes 54 bytes for each chunk of the disk, and 1 MiB
/// for a disk of 20 GB.
pub(super) const MAX_PLIST_BYTES: u64 = 16 << 20;
/// Most block tables: one for each partition, and a few for the partition table itself.
const MAX_TABLES: usize = 1024;
/// Longest single value: a table of 150,000 chunks.
const MAX_TOKEN_BYTES: usize = 8 << 20;
/// Bytes read at once.
const BUFFER_BYTES: usize = 16 << 10;
/// Resources that only images with a licence have.
const LICENSE_RESOURCES: [&str; 3] = ["LPic", "RTF ", "TEXT"];

pub(super) const WHAT: &str = "the disk image's property list";

/// Where the reader is inside the document: what contains the next element.
enum Container {
    Array,
    /// With the key of the next value.
    Dictionary(String),
}

/// The kinds of element that matter.
enum Kind {
    Container,
    Data,
    Key,
    Other,
}

/// Reads the list, hands every block table on, and says whether there is a licence.
pub(super) fn read(
    file: &Arc<File>,
    range: ByteRange,
    mut take: impl FnMut(&[u8]) -> Result<(), ArtifactError>,
) -> Result<bool, ArtifactError> {
    let section = Section::new(Arc::clone(file), range.offset, range.length);
    let source = BufReader::with_capacity(BUFFER_BYTES, section);
    let mut document = Document::property_list(source, WHAT, MAX_TOKEN_BYTES);
    let (mut path, mut open, mut text) = (Vec::new(), Vec::new(), String::new());
    let (mut tables, mut licensed) = (0, false);
    loop {
        match document.next()? {
            Node::Open(element) => {
                text.clear();
                open.push(match element.name() {
                    b"dict" => {
                        path.push(Container::Dictionary(String::new()));
                        Kind::Container
                    }
                    b"array" => {
                        path.push(Container::Array);
                        Kind::Container
                    }
                    b"data" => Kind::Data,
                    b"key" => Kind::Key,
                    _ => Kind::Other,
                });
            }
            Node::Text(piece) => match open.last() {
                Some(Kind::Data) if is_table(&path) => {
                    text.extend(piece.chars().filter(|c| !c.is_ascii_whitespace()));
                }
                Some(Kind::Key) => text.push_str(&piece),
                _ => {}
            },
            Node::Close => match open.pop() {
                Some(Kind::Container) => drop(path.pop()),
                Some(Kind::Data) if is_table(&path) => {
                    tables += 1;
                    take(&decode(&text, tables)?)?;
                }
                Some(Kind::Key) => {
                    if let Some(Container::Dictionary(key)) = path.last_mut() {
                        *key = std::mem::take(&mut text);
                    }
                    licensed |= is_license(&path);
                }
                _ => {}
            },
            Node::Ignored => {}
            Node::End => break,
        }
    }
    if tables == 0 {
        return Err(ArtifactError::malformed(WHAT, "it has no block table"));
    }
    Ok(licensed)
}

fn decode(text: &str, tables: usize) -> Result<Vec<u8>, ArtifactError> {
    if tables > MAX_TABLES {
        return Err(ArtifactError::TooLarge {
            what: "the number of block tables".to_owned(),
            found: tables as u64,
            limit: MAX_TABLES as u64,
        });
    }
    STANDARD
        .decode(text)
        .map_err(|error| ArtifactError::malformed(WHAT, format!("a table is not base64: {error}")))
}

/// `resource-fork` → `blkx` → any → `Data`.
fn is_table(path: &[Container]) -> bool {
    match path {
        [
            Container::Dictionary(top),
            Container::Dictionary(kind),
            Container::Array,
            Container::Dictionary(key),
        ] => top == "resource-fork" && kind == "blkx" && key == "Data",
        _ => false,
    }
}

/// `resource-fork` → a kind of resource that belongs to a licence.
fn is_license(path: &[Container]) -> bool {
    match path {
        [Container::Dictionary(top), Container::Dictionary(kind)] => {
            top == "resource-fork" && LICENSE_RESOURCES.contains(&kind.as_str())
        }
        _ => false,
    }
}
