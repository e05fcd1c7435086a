//! cpio member headers: odc (POSIX.1-1988 "portable ASCII") and newc (SVR4).
//!
//! odc: 76 bytes of octal digits. newc: 110 bytes of hexadecimal digits, with name and data padded
//! to multiples of four. Both end with a member called `TRAILER!!!`.

use super::error::PayloadError;

/// Bytes of magic that begin every header.
pub(super) const MAGIC_BYTES: usize = 6;

/// Name of the member that ends an archive.
pub(super) const TRAILER: &[u8] = b"TRAILER!!!";

/// The two header layouts that packages use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Odc,
    Newc,
}

impl Dialect {
    /// Recognises a header by its magic.
    pub(super) fn from_magic(magic: &[u8]) -> Option<Self> {
        match magic {
            b"070707" => Some(Self::Odc),
            b"070701" => Some(Self::Newc),
            _ => None,
        }
    }

    /// Bytes of a header without its magic.
    pub(super) fn fields_bytes(self) -> usize {
        match self {
            Self::Odc => 70,
            Self::Newc => 104,
        }
    }

    /// Bytes of padding after `name_bytes` of name, so that the data begins aligned.
    pub(super) fn name_padding(self, name_bytes: usize) -> usize {
        match self {
            Self::Odc => 0,
            Self::Newc => (4 - (MAGIC_BYTES + self.fields_bytes() + name_bytes) % 4) % 4,
        }
    }

    /// Bytes of padding after `data_bytes` of data.
    pub(super) fn data_padding(self, data_bytes: u64) -> u64 {
        match self {
            Self::Odc => 0,
            Self::Newc => (4 - data_bytes % 4) % 4,
        }
    }
}

/// A member header as it stands in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dev: u64,
    pub(super) ino: u64,
    /// File type and permission bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// Bytes of name, the closing NUL included.
    pub(super) name_bytes: u32,
    /// Bytes of data.
    pub(super) size: u64,
}

impl Header {
    /// Reads the digits after the magic.
    pub(super) fn parse(dialect: Dialect, fields: &[u8]) -> Result<Self, PayloadError> {
        let parsed = match dialect {
            Dialect::Odc => Self::parse_odc(Digits { rest: fields, radix: 8 }),
            Dialect::Newc => Self::parse_newc(Digits { rest: fields, radix: 16 }),
        };
        parsed
            .ok_or_else(|| PayloadError::damaged("a cpio header holds something else than digits"))
    }

    fn parse_odc(mut digits: Digits<'_>) -> Option<Self> {
        let dev = digits.take(6)?;
        let ino = digits.take(6)?;
        let mode = digits.take_u32(6)?;
        let uid = digits.take_u32(6)?;
        let gid = digits.take_u32(6)?;
        let nlink = digits.take_u32(6)?;
        let _rdev = digits.take(6)?;
        let mtime = i64::try_from(digits.take(11)?).ok()?;
        let name_bytes = digits.take_u32(6)?;
        let size = digits.take(11)?;
        Some(Self { dev, ino, mode, uid, gid, nlink, mtime, name_bytes, size })
    }

    fn parse_newc(mut digits: Digits<'_>) -> Option<Self> {
        let ino = digits.take(8)?;
        let mode = digits.take_u32(8)?;
        let uid = digits.take_u32(8)?;
        let gid = digits.take_u32(8)?;
        let nlink = digits.take_u32(8)?;
        let mtime = i64::try_from(digits.take(8)?).ok()?;
        let size = digits.take(8)?;
        let (major, minor) = (digits.take(8)?, digits.take(8)?);
        let _rdev = (digits.take(8)?, digits.take(8)?);
        let name_bytes = digits.take_u32(8)?;
        let _check = digits.take(8)?;
        let dev = (major << 32) | minor;
        Some(Self { dev, ino, mode, uid, gid, nlink, mtime, name_bytes, size })
    }
}

struct Digits<'a> {
    rest: &'a [u8],
    radix: u32,
}

impl Digits<'_> {
    /// Takes `count` digits, nothing but digits: `from_str_radix` would let a sign pass.
    fn take(&mut self, count: usize) -> Option<u64> {
        let (field, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        field.iter().try_fold(0_u64, |number, digit| {
            let digit = char::from(*digit).to_digit(self.radix)?;
            number.checked_mul(u64::from(self.radix))?.checked_add(u64::from(digit))
        })
    }

    fn take_u32(&mut self, count: usize) -> Option<u32> {
        u32::try_from(self.take(count)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odc_fields_are_read_in_order() {
        let fields = b"0000010000021007550000030000040000050000001453014220000000700000000012";
        let header = Header::parse(Dialect::Odc, fields).unwrap();
        assert_eq!((header.dev, header.ino, header.mode), (1, 2, 0o100755));
        assert_eq!((header.uid, header.gid, header.nlink), (3, 4, 5));
        assert_eq!((header.mtime, header.name_bytes, header.size), (0o14530142200, 7, 10));
    }

    #[test]
    fn newc_fields_are_read_in_order() {
        let mut fields = String::new();
        for value in [2_u32, 0o100755, 3, 4, 5, 1_700_000_000, 10, 1, 9, 0, 0, 7, 0] {
            fields.push_str(&format!("{value:08x}"));
        }
        let header = Header::parse(Dialect::Newc, fields.as_bytes()).unwrap();
        assert_eq!((header.dev, header.ino, header.mode), ((1 << 32) | 9, 2, 0o100755));
        assert_eq!((header.uid, header.gid, header.nlink), (3, 4, 5));
        assert_eq!((header.mtime, header.name_bytes, header.size), (1_700_000_000, 7, 10));
    }

    #[test]
    fn signs_blanks_and_foreign_digits_are_refused() {
        let good = b"0000010000021007550000030000040000050000001453014220000000700000000012";
        for intruder in [b'+', b'-', b' ', b'8', b'a', 0, 0xff] {
            let mut fields = *good;
            fields[0] = intruder;
            assert!(Header::parse(Dialect::Odc, &fields).is_err(), "{intruder}");
        }
        assert!(Header::parse(Dialect::Odc, &good[..60]).is_err());
    }

    #[test]
    fn newc_pads_name_and_data_to_four() {
        assert_eq!(Dialect::Newc.name_padding(2), 0);
        assert_eq!(Dialect::Newc.name_padding(3), 3);
        assert_eq!(Dialect::Newc.data_padding(5), 3);
        assert_eq!(Dialect::Newc.data_padding(8), 0);
        assert_eq!(Dialect::Odc.name_padding(3), 0);
        assert_eq!(Dialect::Odc.data_padding(5), 0);
    }
}
