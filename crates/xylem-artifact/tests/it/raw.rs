//! Archives made by hand, so that every rule can be broken one at a time.

use std::fs::File;
use std::io::Write;

use aws_lc_rs::digest;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use xylem_artifact::Form;
use xylem_artifact::inspect::{Inspection, Refusal};

/// Where the first file's content lies in the heap: after the table's SHA-1.
pub(crate) const FIRST_OFFSET: usize = 20;

/// A minimal document of a component package.
pub(crate) const PACKAGE_INFO: &str = r#"<pkg-info identifier="org.example.raw" version="1.0"><payload installKBytes="1"/></pkg-info>"#;

/// A xar archive under construction: the table's XML and the heap behind its checksum.
#[derive(Clone, Default)]
pub(crate) struct Raw {
    pub(crate) files: String,
    pub(crate) heap: Vec<u8>,
    /// Stands before the files, for signatures.
    pub(crate) head: String,
    /// Replaces the whole XML.
    pub(crate) table: Option<String>,
    /// Replaces the declared length of the table.
    pub(crate) declared_table_bytes: Option<u64>,
}

impl Raw {
    /// A component package without payload.
    pub(crate) fn component() -> Self {
        Self::default().stored("PackageInfo", PACKAGE_INFO.as_bytes())
    }

    /// A product archive whose only document is this.
    pub(crate) fn distribution(document: &str) -> Self {
        Self::default().stored("Distribution", document.as_bytes())
    }

    /// Where the next content will lie.
    pub(crate) fn offset(&self) -> usize {
        FIRST_OFFSET + self.heap.len()
    }

    /// Adds a file as it is.
    pub(crate) fn stored(self, name: &str, content: &[u8]) -> Self {
        let data = self.data(content, content.len() as u64, "application/octet-stream", "");
        self.file(name, &data, content)
    }

    /// Adds a file encoded already.
    pub(crate) fn encoded(self, name: &str, style: &str, size: u64, encoded: &[u8]) -> Self {
        let data = self.data(encoded, size, style, "");
        self.file(name, &data, encoded)
    }

    /// Adds a file with this `data` element.
    pub(crate) fn file(mut self, name: &str, data: &str, content: &[u8]) -> Self {
        self.files.push_str(&format!("<file id=\"1\"><name>{name}</name>{data}</file>"));
        self.heap.extend_from_slice(content);
        self
    }

    /// Adds XML to the list of files.
    pub(crate) fn xml(mut self, xml: &str) -> Self {
        self.files.push_str(xml);
        self
    }

    /// Adds a folder with the files of another archive, which was begun with the heap of this one.
    pub(crate) fn folder(mut self, name: &str, inner: Self) -> Self {
        let files = inner.files;
        self.heap = inner.heap;
        self.xml(&format!("<file><name>{name}</name><type>directory</type>{files}</file>"))
    }

    /// A `data` element for content that will be added at the current offset.
    pub(crate) fn data(&self, content: &[u8], size: u64, style: &str, more: &str) -> String {
        format!(
            "<data><length>{}</length><offset>{}</offset><size>{size}</size>\
             <encoding style=\"{style}\"/><archived-checksum style=\"sha1\">{}</archived-checksum>\
             {more}</data>",
            content.len(),
            self.offset(),
            sha1_hex(content),
        )
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let table = self.table.clone().unwrap_or_else(|| {
            format!(
                "<?xml version=\"1.0\"?><xar><toc><checksum style=\"sha1\"><offset>0</offset>\
                 <size>20</size></checksum>{}{}</toc></xar>",
                self.head, self.files
            )
        });
        let compressed = zlib(table.as_bytes());
        let mut bytes = b"xar!\0\x1c\0\x01".to_vec();
        bytes.extend_from_slice(&(compressed.len() as u64).to_be_bytes());
        let declared = self.declared_table_bytes.unwrap_or(table.len() as u64);
        bytes.extend_from_slice(&declared.to_be_bytes());
        bytes.extend_from_slice(&1_u32.to_be_bytes());
        bytes.extend_from_slice(&compressed);
        bytes.extend_from_slice(&sha1(&compressed));
        bytes.extend_from_slice(&self.heap);
        bytes
    }
}

pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

pub(crate) fn sha1_hex(bytes: &[u8]) -> String {
    hex::encode(sha1(bytes))
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A nameless file with this content.
pub(crate) fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub(crate) fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    xylem_artifact::inspect::inspect(Form::FlatPackage, file_of(bytes))
}
