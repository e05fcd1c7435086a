//! The fixed records of a zip archive, field by field.

/// 1980-01-01, the first day that the format can name.
const DOS_DATE: u16 = 0x0021;
const MADE_ON_UNIX: u16 = 3 << 8;
const NEEDS_DEFLATE: u16 = 20;
const NEEDS_ZIP64: u16 = 45;
const FLAG_SIZES_FOLLOW: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
pub(super) const FOLDER_MODE: u32 = 0o040_755;

/// What the list at the end says of a member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) mode: u32,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) stored: u64,
    pub(super) len: u64,
    pub(super) offset: u64,
    pub(super) is_large: bool,
}

impl Member {
    fn needs(&self) -> u16 {
        if self.is_large || self.offset >= u64::from(u32::MAX) {
            NEEDS_ZIP64
        } else {
            NEEDS_DEFLATE
        }
    }

    fn flags(&self) -> u16 {
        FLAG_UTF8 | if self.method == DEFLATED { FLAG_SIZES_FOLLOW } else { 0 }
    }

    /// What stands before the bytes. Of a deflated file nothing is known yet.
    pub(super) fn header(&self) -> Vec<u8> {
        let follows = self.method == DEFLATED;
        let mut to = Fields::default();
        to.u32(0x0403_4b50).u16(self.needs()).u16(self.flags()).u16(self.method);
        to.u16(0).u16(DOS_DATE).u32(if follows { 0 } else { self.crc });
        let size = if follows { 0 } else { narrow(self.len) };
        let size = if self.is_large { u32::MAX } else { size };
        to.u32(size).u32(size).u16(narrow16(self.name.len()));
        to.u16(if self.is_large { 20 } else { 0 }).bytes(self.name.as_bytes());
        if self.is_large {
            to.u16(1).u16(16).u64(0).u64(0);
        }
        to.0
    }

    /// What follows the bytes of a deflated file.
    pub(super) fn trailer(&self) -> Vec<u8> {
        let mut to = Fields::default();
        to.u32(0x0807_4b50).u32(self.crc);
        match self.is_large {
            true => to.u64(self.stored).u64(self.len),
            false => to.u32(narrow(self.stored)).u32(narrow(self.len)),
        };
        to.0
    }

    /// Its place in the list at the end.
    pub(super) fn listed(&self) -> Vec<u8> {
        let far = self.offset >= u64::from(u32::MAX);
        let mut wide = Fields::default();
        if self.is_large {
            wide.u64(self.len).u64(self.stored);
        }
        if far {
            wide.u64(self.offset);
        }
        let extra = if wide.0.is_empty() { 0 } else { wide.0.len() + 4 };
        let is_folder = self.mode == FOLDER_MODE;
        let mut to = Fields::default();
        to.u32(0x0201_4b50).u16(MADE_ON_UNIX | NEEDS_ZIP64).u16(self.needs()).u16(self.flags());
        to.u16(self.method).u16(0).u16(DOS_DATE).u32(self.crc);
        let size = |size| if self.is_large { u32::MAX } else { narrow(size) };
        to.u32(size(self.stored)).u32(size(self.len));
        to.u16(narrow16(self.name.len())).u16(narrow16(extra)).u16(0).u16(0).u16(0);
        to.u32(self.mode << 16 | if is_folder { 0x10 } else { 0 });
        to.u32(if far { u32::MAX } else { narrow(self.offset) }).bytes(self.name.as_bytes());
        if extra > 0 {
            to.u16(1).u16(narrow16(wide.0.len())).bytes(&wide.0);
        }
        to.0
    }
}

/// The end of the archive, in its wide form where the narrow one does not reach.
pub(super) fn end_of_archive(members: u64, begin: u64, size: u64) -> Vec<u8> {
    let mut to = Fields::default();
    let end = begin.saturating_add(size);
    if members >= u64::from(u16::MAX) || end >= u64::from(u32::MAX) {
        to.u32(0x0606_4b50).u64(44).u16(MADE_ON_UNIX | NEEDS_ZIP64).u16(NEEDS_ZIP64);
        to.u32(0).u32(0).u64(members).u64(members).u64(size).u64(begin);
        to.u32(0x0706_4b50).u32(0).u64(end).u32(1);
    }
    let members = u16::try_from(members).unwrap_or(u16::MAX);
    to.u32(0x0605_4b50).u16(0).u16(0).u16(members).u16(members);
    to.u32(narrow(size)).u32(narrow(begin)).u16(0);
    to.0
}

/// All ones where a number does not fit: the wide form holds it then.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn narrow16(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Little-endian fields, one after another.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}
