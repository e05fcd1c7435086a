//! Zip archives made by hand, so that every rule can be broken one at a time.

use std::fs::File;
use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use xylem_artifact::inspect::{Inspection, Refusal};
use xylem_artifact::{Form, RefusalCode};

/// A member under construction.
#[derive(Clone)]
pub(crate) struct Member {
    name: Vec<u8>,
    /// Bytes as they stand in the archive.
    packed: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    size: u32,
    mode: u32,
    /// Bytes between the header and the data.
    extra: Vec<u8>,
    /// Bytes behind the data.
    behind: Vec<u8>,
    header_patches: Vec<(usize, Vec<u8>)>,
    entry_patches: Vec<(usize, Vec<u8>)>,
}

impl Member {
    pub(crate) fn stored(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.as_ref().to_vec(),
            packed: content.to_vec(),
            method: 0,
            flags: 0,
            crc: crc.sum(),
            size: content.len() as u32,
            mode: 0o100_644,
            extra: Vec::new(),
            behind: Vec::new(),
            header_patches: Vec::new(),
            entry_patches: Vec::new(),
        }
    }

    pub(crate) fn deflated(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content.as_ref()).unwrap();
        let packed = encoder.finish().unwrap();
        Self { packed, method: 8, ..Self::stored(name, content) }
    }

    pub(crate) fn link(name: &str, target: &str) -> Self {
        Self::stored(name, target).mode(0o120_755)
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) fn method(mut self, method: u16) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    pub(crate) fn crc(mut self, crc: u32) -> Self {
        self.crc = crc;
        self
    }

    pub(crate) fn packed(mut self, edit: impl FnOnce(&mut Vec<u8>)) -> Self {
        edit(&mut self.packed);
        self
    }

    pub(crate) fn behind(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.behind = bytes.into();
        self
    }

    /// Puts the numbers behind the data, with or without a signature, of 32 or 64 bits.
    pub(crate) fn described(self, signature: bool, wide: bool) -> Self {
        let mut bytes = if signature { b"PK\x07\x08".to_vec() } else { Vec::new() };
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        for length in [self.packed.len() as u32, self.size] {
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&[0; 4][..if wide { 4 } else { 0 }]);
        }
        let flags = self.flags | 8;
        self.flags(flags).behind(bytes).header(14, [0; 12])
    }

    /// Replaces bytes of the member's own header.
    pub(crate) fn header(mut self, at: usize, bytes: impl Into<Vec<u8>>) -> Self {
        self.header_patches.push((at, bytes.into()));
        self
    }

    /// Replaces bytes of its entry in the directory.
    pub(crate) fn entry(mut self, at: usize, bytes: impl Into<Vec<u8>>) -> Self {
        self.entry_patches.push((at, bytes.into()));
        self
    }

    pub(crate) fn packed_len(&self) -> usize {
        self.packed.len()
    }

    pub(crate) fn packed_bytes(&self) -> &[u8] {
        &self.packed
    }

    fn numbers(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.flags, self.method, 0, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.crc, self.packed.len() as u32, self.size] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        bytes
    }

    pub(crate) fn header_bytes(&self) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04\x14\0".to_vec();
        bytes.extend_from_slice(&self.numbers());
        bytes.extend_from_slice(&(self.extra.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.name);
        bytes.extend_from_slice(&self.extra);
        patch(&mut bytes, &self.header_patches);
        bytes
    }

    pub(crate) fn entry_bytes(&self, header_start: usize) -> Vec<u8> {
        let mut bytes = b"PK\x01\x02\x14\x03\x14\0".to_vec();
        bytes.extend_from_slice(&self.numbers());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&(self.mode << 16).to_le_bytes());
        bytes.extend_from_slice(&(header_start as u32).to_le_bytes());
        bytes.extend_from_slice(&self.name);
        patch(&mut bytes, &self.entry_patches);
        bytes
    }
}

fn patch(bytes: &mut [u8], patches: &[(usize, Vec<u8>)]) {
    for (at, patch) in patches {
        bytes[*at..*at + patch.len()].copy_from_slice(patch);
    }
}

/// An archive under construction.
#[derive(Clone, Default)]
pub(crate) struct Zip {
    members: Vec<Member>,
    before: Vec<u8>,
    between: Vec<u8>,
    comment: Vec<u8>,
    behind: Vec<u8>,
    end_patches: Vec<(usize, Vec<u8>)>,
}

impl Zip {
    pub(crate) fn of(members: impl IntoIterator<Item = Member>) -> Self {
        Self { members: members.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn with(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// Bytes before everything, with positions that count from there or do not.
    pub(crate) fn before(mut self, bytes: &[u8]) -> Self {
        self.before = bytes.to_vec();
        self
    }

    /// Bytes between the directory and the end.
    pub(crate) fn between(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.between = bytes.into();
        self
    }

    pub(crate) fn comment(mut self, comment: impl Into<Vec<u8>>) -> Self {
        self.comment = comment.into();
        self
    }

    pub(crate) fn behind(mut self, bytes: &[u8]) -> Self {
        self.behind = bytes.to_vec();
        self
    }

    /// Replaces bytes of the end.
    pub(crate) fn end(mut self, at: usize, bytes: impl Into<Vec<u8>>) -> Self {
        self.end_patches.push((at, bytes.into()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.clone();
        let mut directory = Vec::new();
        for member in &self.members {
            directory.extend_from_slice(&member.entry_bytes(bytes.len()));
            bytes.extend_from_slice(&member.header_bytes());
            bytes.extend_from_slice(&member.packed);
            bytes.extend_from_slice(&member.behind);
        }
        let directory_start = bytes.len() as u32;
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(&self.between);
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        let count = (self.members.len() as u16).to_le_bytes();
        end.extend_from_slice(&[count, count].concat());
        end.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        end.extend_from_slice(&directory_start.to_le_bytes());
        end.extend_from_slice(&(self.comment.len() as u16).to_le_bytes());
        end.extend_from_slice(&self.comment);
        patch(&mut end, &self.end_patches);
        [bytes, end, self.behind.clone()].concat()
    }
}

/// Inspects bytes as a file of some form.
pub(crate) fn inspect(form: Form, bytes: &[u8]) -> Result<Inspection, Refusal> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    inspect_file(form, file)
}

pub(crate) fn inspect_file(form: Form, file: File) -> Result<Inspection, Refusal> {
    xylem_artifact::inspect::inspect(form, file)
}

pub(crate) fn assert_refused<N: AsRef<str>>(
    form: Form,
    cases: impl IntoIterator<Item = (N, Vec<u8>, RefusalCode)>,
) {
    for (name, bytes, code) in cases {
        let name = name.as_ref();
        let refusal = inspect(form, &bytes).expect_err(name);
        assert_eq!(refusal.code, code, "{name}: {}", refusal.message);
        assert!(refusal.message.contains(';'), "{name} says how to mend it: {}", refusal.message);
    }
}

/// The words of an inspection's warnings, as they cross the border.
pub(crate) fn warnings(inspection: &Inspection) -> Vec<String> {
    let words = inspection.warnings.iter().map(|warning| serde_json::to_value(warning.code));
    words.map(|word| word.unwrap().as_str().unwrap().to_owned()).collect()
}

/// A property list with this inside its dictionary.
pub(crate) fn plist(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST \
         1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\
         <dict>{inside}</dict></plist>\n"
    )
}

/// A key with a text.
pub(crate) fn text(key: &str, value: &str) -> String {
    format!("<key>{key}</key><string>{value}</string>")
}
