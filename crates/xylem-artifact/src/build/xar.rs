//! A writer of xar archives in bounded memory.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use quick_xml::escape::escape;

use super::MODIFIED_TEXT;
use super::sign::{CMS_BYTES, Signer};
use crate::digest::{Checksum, ChecksumStyle, Hasher};
use crate::xar::{HEADER_BYTES, MAGIC};

/// Bytes collected before they go to the file.
const BUFFER_BYTES: usize = 256 << 10;

/// Collects entries in a nameless file and puts the archive together at the end.
pub struct XarWriter {
    style: ChecksumStyle,
    heap: BufWriter<File>,
    /// Length of the heap so far, counting the places of the table's checksum and signatures.
    heap_bytes: u64,
    signer: Option<Signer>,
    top: Vec<Node>,
}

struct Node {
    name: String,
    content: NodeContent,
}

enum NodeContent {
    Folder(Vec<Node>),
    File(Stored),
}

/// Where an entry's bytes are, and their checksums.
struct Stored {
    offset: u64,
    length: u64,
    size: u64,
    encoding: &'static str,
    archived: Checksum,
    extracted: Checksum,
}

impl XarWriter {
    /// Starts an archive; its content is collected in `folder`, which needs room for it.
    ///
    /// # Errors
    /// When no file can be created there.
    pub fn new(folder: &Path, style: ChecksumStyle) -> io::Result<Self> {
        let heap = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(folder)?);
        let heap_bytes = style.digest_len() as u64;
        Ok(Self { style, heap, heap_bytes, signer: None, top: Vec::new() })
    }

    /// Leaves room for signatures, which are made at the end. To be called before any file is added.
    #[must_use]
    pub fn signed_by(mut self, signer: Signer) -> Self {
        self.heap_bytes += (signer.rsa_bytes() + CMS_BYTES) as u64;
        self.signer = Some(signer);
        self
    }

    /// Adds a file as it is, its content written by `write`. Folders of the path are made.
    ///
    /// # Errors
    /// Those of `write` and of writing; also when the path is taken.
    pub fn add_stored(
        &mut self,
        path: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut counted =
            Counted { inner: &mut self.heap, hasher: Hasher::new(self.style), length: 0 };
        write(&mut counted)?;
        let (length, checksum) = (counted.length, counted.hasher.finish());
        self.insert(
            path,
            Stored {
                offset: self.heap_bytes,
                length,
                size: length,
                encoding: "application/octet-stream",
                archived: checksum.clone(),
                extracted: checksum,
            },
        )
    }

    /// Adds a small document, compressed with zlib as Apple's tools do.
    ///
    /// # Errors
    /// Those of writing; also when the path is taken.
    pub fn add_compressed(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let compressed = deflate(content)?;
        self.heap.write_all(&compressed)?;
        self.insert(
            path,
            Stored {
                offset: self.heap_bytes,
                length: compressed.len() as u64,
                size: content.len() as u64,
                encoding: "application/x-gzip",
                archived: self.hash(&compressed),
                extracted: self.hash(content),
            },
        )
    }

    /// Writes the archive and returns its length in bytes.
    ///
    /// # Errors
    /// Those of writing and of reading the collected content back.
    pub fn finish(self, output: &mut File) -> io::Result<u64> {
        let table = self.table();
        let compressed = deflate(table.as_bytes())?;
        let digest = self.hash(&compressed);
        let algorithm: u32 = match self.style {
            ChecksumStyle::Sha1 => 1,
            ChecksumStyle::Md5 => 2,
            ChecksumStyle::Sha256 => 3,
            ChecksumStyle::Sha512 => 4,
        };
        output.write_all(MAGIC)?;
        output.write_all(&HEADER_BYTES.to_be_bytes())?;
        output.write_all(&1_u16.to_be_bytes())?;
        output.write_all(&(compressed.len() as u64).to_be_bytes())?;
        output.write_all(&(table.len() as u64).to_be_bytes())?;
        output.write_all(&algorithm.to_be_bytes())?;
        output.write_all(&compressed)?;
        output.write_all(digest.as_bytes())?;
        if let Some(signer) = &self.signer {
            output.write_all(&signer.sign_table(&compressed, self.style)?)?;
            output.write_all(&signer.sign_digest(digest.as_bytes())?)?;
        }
        let mut heap = self.heap.into_inner().map_err(|error| error.into_error())?;
        heap.seek(SeekFrom::Start(0))?;
        io::copy(&mut heap, output)?;
        Ok(u64::from(HEADER_BYTES) + compressed.len() as u64 + self.heap_bytes)
    }

    fn hash(&self, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(self.style);
        hasher.update(bytes);
        hasher.finish()
    }

    fn insert(&mut self, path: &str, stored: Stored) -> io::Result<()> {
        self.heap_bytes += stored.length;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut nodes = &mut self.top;
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            nodes = enter(nodes, folder)?;
        }
        if name.is_empty() || nodes.iter().any(|node| node.name == name) {
            return Err(taken(path));
        }
        nodes.push(Node { name: name.to_owned(), content: NodeContent::File(stored) });
        Ok(())
    }

    fn table(&self) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xar>\n<toc>\n\
             <creation-time>{MODIFIED_TEXT}</creation-time>\n\
             <checksum style=\"{}\"><offset>0</offset><size>{}</size></checksum>\n",
            self.style.as_str(),
            self.style.digest_len(),
        );
        if let Some(signer) = &self.signer {
            write_signatures(&mut xml, signer, self.style.digest_len());
        }
        let mut number = 0;
        for node in &self.top {
            node.write_xml(&mut xml, &mut number);
        }
        xml.push_str("</toc>\n</xar>\n");
        xml
    }
}

impl Node {
    fn write_xml(&self, xml: &mut String, number: &mut u32) {
        *number += 1;
        let (kind, mode) = match self.content {
            NodeContent::Folder(_) => ("directory", "0755"),
            NodeContent::File(_) => ("file", "0644"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(xml, "<file id=\"{number}\">");
        if let NodeContent::File(stored) = &self.content {
            stored.write_xml(xml);
        }
        let _ = writeln!(
            xml,
            "<ctime>{MODIFIED_TEXT}Z</ctime><mtime>{MODIFIED_TEXT}Z</mtime>\
             <atime>{MODIFIED_TEXT}Z</atime><group>wheel</group><gid>0</gid><user>root</user>\
             <uid>0</uid><mode>{mode}</mode><type>{kind}</type><name>{}</name>",
            escape(self.name.as_str()),
        );
        if let NodeContent::Folder(children) = &self.content {
            for child in children {
                child.write_xml(xml, number);
            }
        }
        xml.push_str("</file>\n");
    }
}

impl Stored {
    fn write_xml(&self, xml: &mut String) {
        let style = self.archived.style().as_str();
        let _ = writeln!(
            xml,
            "<data><length>{}</length><offset>{}</offset><size>{}</size>\
             <encoding style=\"{}\"/>\
             <extracted-checksum style=\"{style}\">{}</extracted-checksum>\
             <archived-checksum style=\"{style}\">{}</archived-checksum></data>",
            self.length,
            self.offset,
            self.size,
            self.encoding,
            self.extracted.to_hex(),
            self.archived.to_hex(),
        );
    }
}

/// Announces the signatures, the first of which comes at `offset`.
fn write_signatures(xml: &mut String, signer: &Signer, offset: usize) {
    let rsa_bytes = signer.rsa_bytes();
    for (element, style, offset, size) in [
        ("signature", "RSA", offset, rsa_bytes),
        ("x-signature", "CMS", offset + rsa_bytes, CMS_BYTES),
    ] {
        let _ = write!(
            xml,
            "<{element} style=\"{style}\"><offset>{offset}</offset><size>{size}</size>\
             <KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data>",
        );
        for certificate in signer.certificates() {
            let text = BASE64.encode(certificate);
            let _ = writeln!(xml, "<X509Certificate>{text}</X509Certificate>");
        }
        let _ = writeln!(xml, "</X509Data></KeyInfo></{element}>");
    }
}

/// The nodes of a folder, made when it is not there yet.
fn enter<'a>(nodes: &'a mut Vec<Node>, name: &str) -> io::Result<&'a mut Vec<Node>> {
    let position = match nodes.iter().position(|node| node.name == name) {
        Some(position) => position,
        None => {
            let content = NodeContent::Folder(Vec::new());
            nodes.push(Node { name: name.to_owned(), content });
            nodes.len() - 1
        }
    };
    match nodes.get_mut(position).map(|node| &mut node.content) {
        Some(NodeContent::Folder(children)) => Ok(children),
        _ => Err(taken(name)),
    }
}

fn taken(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("the archive already holds {path:?}"))
}

fn deflate(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

/// Hashes and counts what passes through.
struct Counted<'a> {
    inner: &'a mut BufWriter<File>,
    hasher: Hasher,
    length: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
