//! The state machine that turns the table's XML into entries.
//!
//! An element means something only in its place (the `name` of an extended attribute is not the
//! name of its file), so the open elements are kept on a stack of known kinds; unknown elements
//! and everything inside them are passed over. Nothing recurses.

mod tag;
mod value;

use std::io::BufRead;

use super::{Signature, SignatureKind, StoredChecksum, Table, WHAT};
use crate::digest::{Checksum, ChecksumStyle};
use crate::error::ArtifactError;
use crate::xar::entry::{Encoding, Entry, EntryKind, HeapData};
use crate::xar::{MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_NESTING};
use crate::xml::{Document, Element, Node};
use tag::{Leaf, Tag, classify};
use value::{base64, check_name, checksum, kind, number, set_once};

/// Longest text of an element that is kept; certificates are the longest.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// Most signatures, and most certificates of one; genuine packages have two and three.
const MAX_SIGNATURES: usize = 8;

/// A range of the heap while its elements arrive, in whatever order.
#[derive(Default)]
struct Range {
    length: Option<u64>,
    offset: Option<u64>,
    size: Option<u64>,
    encoding: Encoding,
    archived: Option<Checksum>,
    extracted: Option<Checksum>,
    /// The `style` of a table checksum or signature.
    style: String,
    certificates: Vec<Vec<u8>>,
}

pub(super) struct Parser {
    heap_start: u64,
    file_bytes: u64,
    table: Table,
    open: Vec<Tag>,
    /// Numbers of the open `file` elements.
    folders: Vec<u32>,
    range: Range,
    text: String,
    /// The `style` of an open checksum leaf or the `enctype` of an open name.
    leaf_style: String,
    toc_seen: bool,
}

impl Parser {
    pub(super) fn new(heap_start: u64, file_bytes: u64) -> Self {
        Self {
            heap_start,
            file_bytes,
            table: Table::default(),
            open: Vec::new(),
            folders: Vec::new(),
            range: Range::default(),
            text: String::new(),
            leaf_style: String::new(),
            toc_seen: false,
        }
    }

    pub(super) fn run<R: BufRead>(
        mut self,
        document: &mut Document<R>,
    ) -> Result<Table, ArtifactError> {
        loop {
            match document.next()? {
                Node::Open(element) => self.begin(&element)?,
                Node::Text(text) => self.collect(&text)?,
                Node::Close => self.end()?,
                Node::Ignored => {}
                Node::End if self.toc_seen => return Ok(self.table),
                Node::End => return Err(damaged("it has no toc element")),
            }
        }
    }

    fn begin(&mut self, element: &Element<'_>) -> Result<(), ArtifactError> {
        let parent = self.open.last().copied();
        let tag = classify(parent, element.name())
            .ok_or_else(|| damaged("its outermost element is not xar"))?;
        match tag {
            Tag::Toc if std::mem::replace(&mut self.toc_seen, true) => {
                return Err(damaged("it has two toc elements"));
            }
            Tag::File => self.begin_file()?,
            Tag::TableChecksum | Tag::Signature => {
                let style = element.attribute("style")?.unwrap_or_default();
                self.range = Range { style, ..Range::default() };
            }
            Tag::Data | Tag::ExtendedAttribute => self.range = Range::default(),
            Tag::Leaf(leaf) => {
                self.text.clear();
                let attribute = if leaf == Leaf::Name { "enctype" } else { "style" };
                self.leaf_style = element.attribute(attribute)?.unwrap_or_default();
            }
            _ if matches!(parent, Some(Tag::Data | Tag::ExtendedAttribute))
                && element.name() == b"encoding" =>
            {
                let style = element.attribute("style")?.unwrap_or_default();
                self.range.encoding = Encoding::parse(&style)
                    .ok_or_else(|| damaged(format!("it uses the unknown encoding {style:?}")))?;
            }
            _ => {}
        }
        self.open.push(tag);
        Ok(())
    }

    fn begin_file(&mut self) -> Result<(), ArtifactError> {
        self.check_count()?;
        if self.folders.len() >= MAX_NESTING {
            return Err(ArtifactError::TooLarge {
                what: "the nesting of folders in the table of contents".to_owned(),
                found: self.folders.len() as u64 + 1,
                limit: MAX_NESTING as u64,
            });
        }
        let number = u32::try_from(self.table.entries.len())
            .map_err(|_| damaged("it has too many files"))?;
        self.table.entries.push(Entry {
            number,
            parent: self.folders.last().copied(),
            name: String::new(),
            kind: EntryKind::default(),
            data: None,
        });
        self.folders.push(number);
        Ok(())
    }

    fn check_count(&self) -> Result<(), ArtifactError> {
        let found = self.table.entries.len() + self.table.attributes.len() + 1;
        if found > MAX_ENTRIES {
            return Err(ArtifactError::TooLarge {
                what: "the number of files in the table of contents".to_owned(),
                found: found as u64,
                limit: MAX_ENTRIES as u64,
            });
        }
        Ok(())
    }

    fn collect(&mut self, text: &str) -> Result<(), ArtifactError> {
        if !matches!(self.open.last(), Some(Tag::Leaf(_))) {
            return Ok(());
        }
        if self.text.len() + text.len() > MAX_TEXT_BYTES {
            return Err(ArtifactError::TooLarge {
                what: "a text in the table of contents, in bytes,".to_owned(),
                found: (self.text.len() + text.len()) as u64,
                limit: MAX_TEXT_BYTES as u64,
            });
        }
        self.text.push_str(text);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ArtifactError> {
        match self.open.pop() {
            Some(Tag::Leaf(leaf)) => self.end_leaf(leaf),
            Some(Tag::Data) => self.end_data(),
            Some(Tag::ExtendedAttribute) => {
                self.check_count()?;
                if let Some(data) = self.heap_data()? {
                    self.table.attributes.push(data);
                }
                Ok(())
            }
            Some(Tag::TableChecksum) => self.end_table_checksum(),
            Some(Tag::Signature) => self.end_signature(),
            Some(Tag::File) => {
                let nameless = self.current_file().is_none_or(|file| file.name.is_empty());
                self.folders.pop();
                if nameless { Err(damaged("it lists a file without a name")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn end_leaf(&mut self, leaf: Leaf) -> Result<(), ArtifactError> {
        let text = std::mem::take(&mut self.text);
        match leaf {
            Leaf::Name => self.set_name(&text),
            Leaf::Type => {
                if let Some(file) = self.current_file() {
                    file.kind = kind(text.trim());
                }
                Ok(())
            }
            Leaf::Length => set_once(&mut self.range.length, number(&text)?),
            Leaf::Offset => set_once(&mut self.range.offset, number(&text)?),
            Leaf::Size => set_once(&mut self.range.size, number(&text)?),
            Leaf::ArchivedChecksum => {
                let checksum = checksum(&self.leaf_style, &text)?;
                checksum.map_or(Ok(()), |checksum| set_once(&mut self.range.archived, checksum))
            }
            Leaf::ExtractedChecksum => {
                let checksum = checksum(&self.leaf_style, &text)?;
                checksum.map_or(Ok(()), |checksum| set_once(&mut self.range.extracted, checksum))
            }
            Leaf::Certificate => {
                if self.range.certificates.len() < MAX_SIGNATURES {
                    self.range.certificates.push(base64(&text, "a certificate")?);
                }
                Ok(())
            }
        }
    }

    /// Names may be doubled in one file (some builders do that), but only with one text.
    fn set_name(&mut self, text: &str) -> Result<(), ArtifactError> {
        let name = if self.leaf_style == "base64" {
            String::from_utf8(base64(text, "a file name")?)
                .map_err(|_| damaged("a file name is not UTF-8"))?
        } else {
            text.to_owned()
        };
        check_name(&name)?;
        match self.current_file() {
            Some(file) if file.name.is_empty() => file.name = name,
            Some(file) if file.name != name => {
                let reason = format!("one file has the two names {:?} and {name:?}", file.name);
                return Err(damaged(reason));
            }
            _ => {}
        }
        Ok(())
    }

    fn end_data(&mut self) -> Result<(), ArtifactError> {
        let data = self.heap_data()?;
        match self.current_file() {
            Some(file) if file.data.is_some() => Err(damaged("one file has two data elements")),
            Some(file) => {
                file.data = data;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The finished range; `None` when there is nothing in the heap.
    fn heap_data(&mut self) -> Result<Option<HeapData>, ArtifactError> {
        let range = std::mem::take(&mut self.range);
        let (length, size) = (range.length.unwrap_or(0), range.size.unwrap_or(0));
        if length == 0 && size == 0 {
            return Ok(None);
        }
        let (Some(offset), Some(_), Some(_)) = (range.offset, range.length, range.size) else {
            return Err(damaged("a file lacks its offset, length or size"));
        };
        if size > MAX_ENTRY_BYTES {
            return Err(ArtifactError::TooLarge {
                what: "the size of a file in the table of contents".to_owned(),
                found: size,
                limit: MAX_ENTRY_BYTES,
            });
        }
        if range.encoding == Encoding::Stored && length != size {
            let reason = format!("a stored file of {length} bytes claims a size of {size}");
            return Err(damaged(reason));
        }
        self.check_range(offset, length, "the content of a file")?;
        Ok(Some(HeapData {
            offset,
            length,
            size,
            encoding: range.encoding,
            archived: range.archived,
            extracted: range.extracted,
        }))
    }

    fn end_table_checksum(&mut self) -> Result<(), ArtifactError> {
        let range = std::mem::take(&mut self.range);
        let style = ChecksumStyle::parse(&range.style);
        if style.is_none() && !range.style.eq_ignore_ascii_case("none") {
            return Err(damaged(format!("its checksum style {:?} is unknown", range.style)));
        }
        let (offset, size) = (range.offset.unwrap_or(0), range.size.unwrap_or(0));
        self.check_range(offset, size, "the checksum of the table of contents")?;
        if self.table.checksum.replace(StoredChecksum { style, offset, size }).is_some() {
            return Err(damaged("it has two checksums"));
        }
        Ok(())
    }

    fn end_signature(&mut self) -> Result<(), ArtifactError> {
        let range = std::mem::take(&mut self.range);
        let kind = match range.style.to_ascii_uppercase().as_str() {
            "RSA" => SignatureKind::Rsa,
            "CMS" => SignatureKind::Cms,
            _ => SignatureKind::Other,
        };
        let (Some(offset), Some(size)) = (range.offset, range.size) else {
            return Err(damaged("a signature lacks its offset or size"));
        };
        self.check_range(offset, size, "a signature")?;
        if self.table.signatures.len() < MAX_SIGNATURES {
            let certificates = range.certificates;
            self.table.signatures.push(Signature { kind, offset, size, certificates });
        }
        Ok(())
    }

    /// Refuses a heap range whose end overflows or lies past the end of the file.
    fn check_range(&self, offset: u64, length: u64, what: &str) -> Result<(), ArtifactError> {
        let end = offset
            .checked_add(length)
            .and_then(|end| end.checked_add(self.heap_start))
            .ok_or_else(|| damaged(format!("the position of {what} is out of all bounds")))?;
        if end > self.file_bytes {
            return Err(ArtifactError::Truncated {
                what: what.to_owned(),
                needed_bytes: end,
                file_bytes: self.file_bytes,
            });
        }
        Ok(())
    }

    fn current_file(&mut self) -> Option<&mut Entry> {
        let number = usize::try_from(*self.folders.last()?).ok()?;
        self.table.entries.get_mut(number)
    }
}

fn damaged(reason: impl Into<String>) -> ArtifactError {
    ArtifactError::malformed(WHAT, reason)
}
