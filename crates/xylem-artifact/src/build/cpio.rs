//! A writer of cpio archives in the portable format (odc, magic `070707`), the one that pkgbuild
//! puts into payloads.

use std::io::{self, Read, Write};

use super::MODIFIED_UNIX_SECONDS;
use super::checksum::PosixChecksum;

/// Largest member: its length is written with eleven octal digits.
pub const MAX_MEMBER_BYTES: u64 = (1 << 33) - 1;
/// Name of the member that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Digits for inode and device numbers hold 18 bits.
const NUMBER_BITS: u32 = 18;
/// Bytes copied at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What a member's header says.
#[derive(Clone, Copy, Debug)]
pub struct CpioMember<'a> {
    /// The path as it is to be written; nothing is checked or added.
    pub name: &'a str,
    /// File type and permissions, such as `0o100644`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Members with equal numbers and more than one link are one file.
    pub inode: u32,
    /// How many members are this file.
    pub links: u32,
    /// Length of the content in bytes; a symbolic link's content is its target.
    pub size_bytes: u64,
}

/// Writes a cpio archive.
#[derive(Debug)]
pub struct CpioWriter<W: Write> {
    inner: W,
}

impl<W: Write> CpioWriter<W> {
    /// Writes to `inner` from where it stands.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Appends a member and returns the POSIX checksum of its content.
    ///
    /// # Errors
    /// When the member is too large for the format, `content` is not exactly as long as the header
    /// says, or reading or writing fails.
    pub fn append(&mut self, member: &CpioMember<'_>, content: impl Read) -> io::Result<u32> {
        if member.size_bytes > MAX_MEMBER_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "cpio archives hold files up to 8 GiB",
            ));
        }
        self.header(member, MODIFIED_UNIX_SECONDS)?;
        let mut checksum = PosixChecksum::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut copied = 0;
        // A byte more than promised would be noticed, and must be: it would shift what follows.
        let mut content = content.take(member.size_bytes.saturating_add(1));
        loop {
            let read = content.read(&mut buffer)?;
            let piece = buffer.get(..read).unwrap_or_default();
            copied += read as u64;
            if copied > member.size_bytes || (read == 0 && copied < member.size_bytes) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "the content of {} is not {} bytes long",
                        member.name, member.size_bytes
                    ),
                ));
            }
            if read == 0 {
                return Ok(checksum.finish());
            }
            checksum.update(piece);
            self.inner.write_all(piece)?;
        }
    }

    /// Ends the archive and returns what it was written to.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        let trailer = CpioMember {
            name: TRAILER,
            mode: 0,
            uid: 0,
            gid: 0,
            inode: 0,
            links: 1,
            size_bytes: 0,
        };
        self.header(&trailer, 0)?;
        Ok(self.inner)
    }

    fn header(&mut self, member: &CpioMember<'_>, modified: u32) -> io::Result<()> {
        let low = member.inode & ((1 << NUMBER_BITS) - 1);
        // The device takes what the inode field cannot hold, so that numbers stay distinct.
        let device = 1 + (member.inode >> NUMBER_BITS);
        write!(
            self.inner,
            "070707{device:06o}{low:06o}{:06o}{:06o}{:06o}{:06o}{:06o}{modified:011o}{:06o}{:011o}{}\0",
            member.mode & 0o777_777,
            member.uid & 0o777_777,
            member.gid & 0o777_777,
            member.links & 0o777_777,
            0,
            member.name.len() + 1,
            member.size_bytes,
            member.name,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: CpioMember<'static> = CpioMember {
        name: "./a",
        mode: 0o100_644,
        uid: 0,
        gid: 80,
        inode: 5,
        links: 1,
        size_bytes: 3,
    };

    #[test]
    fn a_member_is_76_bytes_of_header_then_name_then_content() {
        let mut writer = CpioWriter::new(Vec::new());
        writer.append(&MEMBER, &b"abc"[..]).unwrap();
        let archive = writer.finish().unwrap();
        assert_eq!(&archive[..6], b"070707");
        assert_eq!(&archive[76..83], b"./a\0abc");
        assert_eq!(&archive[83 + 76..], b"TRAILER!!!\0");
    }

    #[test]
    fn content_of_another_length_is_refused() {
        for content in [&b"ab"[..], b"abcd"] {
            let error = CpioWriter::new(Vec::new()).append(&MEMBER, content).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn files_beyond_the_formats_limit_are_refused() {
        let member = CpioMember { size_bytes: MAX_MEMBER_BYTES + 1, ..MEMBER };
        let error = CpioWriter::new(Vec::new()).append(&member, io::empty()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
