//! Numbers at known places of a structure, where the structure may turn out to be too short.

use std::io;

/// The bytes of a structure.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// `len` bytes at an offset.
    pub(super) fn bytes(self, at: usize, len: usize) -> io::Result<&'a [u8]> {
        let end = at.checked_add(len).ok_or_else(too_short)?;
        self.0.get(at..end).ok_or_else(too_short)
    }

    /// Everything from an offset on.
    pub(super) fn from(self, at: usize) -> io::Result<Self> {
        self.0.get(at..).map(Self).ok_or_else(too_short)
    }

    fn array<const N: usize>(self, at: usize) -> io::Result<[u8; N]> {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(too_short)
    }

    pub(super) fn u8(self, at: usize) -> io::Result<u8> {
        self.array::<1>(at).map(u8::from_be_bytes)
    }

    pub(super) fn be16(self, at: usize) -> io::Result<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(super) fn be32(self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    pub(super) fn be64(self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    pub(super) fn le16(self, at: usize) -> io::Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn le32(self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn le64(self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

/// A structure that breaks its rules.
pub(super) fn broken(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

fn too_short() -> io::Error {
    broken("a structure is shorter than it has to be")
}
