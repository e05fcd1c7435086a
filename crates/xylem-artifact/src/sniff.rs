//! Names what a file looks like by its first and last bytes.
//!
//! Used for one purpose: when a file is not what its name says, the refusal should say what it is.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::Form;

/// Bytes looked at from the start: enough for a tar header and an HTML page's preamble.
const HEAD_BYTES: usize = 512;
/// The last bytes of a disk image encrypted in the way of Mac OS X 10.2.
const ENCRYPTED_END: &[u8; 8] = b"cdsaencr";
/// Length of a disk image's trailer.
const UDIF_TRAILER_BYTES: u64 = 512;

/// What a file looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the name of a well-known kind of file")]
pub enum LooksLike {
    AppleArchive,
    AppleScript,
    BillOfMaterials,
    Bzip2,
    CpioArchive,
    DiskImage,
    EncryptedDiskImage,
    Gzip,
    HtmlPage,
    JsonDocument,
    MachO,
    Pbzx,
    Pdf,
    PropertyList,
    Script,
    SevenZip,
    TarArchive,
    Text,
    Unknown,
    Xar,
    XmlDocument,
    Xz,
    Zip,
}

/// Magic numbers at the very start, longest first where one begins another.
const MAGICS: &[(&[u8], LooksLike)] = &[
    (b"xar!", LooksLike::Xar),
    (b"PK\x03\x04", LooksLike::Zip),
    (b"PK\x05\x06", LooksLike::Zip),
    (b"encrcdsa", LooksLike::EncryptedDiskImage),
    (b"koly", LooksLike::DiskImage),
    (b"AA01", LooksLike::AppleArchive),
    (b"YAA1", LooksLike::AppleArchive),
    (b"AEA1", LooksLike::AppleArchive),
    (b"pbze", LooksLike::AppleArchive),
    (b"pbzx", LooksLike::Pbzx),
    (b"%PDF-", LooksLike::Pdf),
    (b"bplist00", LooksLike::PropertyList),
    (b"BOMStore", LooksLike::BillOfMaterials),
    (b"FasdUAS", LooksLike::AppleScript),
    (b"\x1f\x8b", LooksLike::Gzip),
    (b"BZh", LooksLike::Bzip2),
    (b"\xfd7zXZ\0", LooksLike::Xz),
    (b"7z\xbc\xaf\x27\x1c", LooksLike::SevenZip),
    (b"070707", LooksLike::CpioArchive),
    (b"070701", LooksLike::CpioArchive),
    (b"\xcf\xfa\xed\xfe", LooksLike::MachO),
    (b"\xca\xfe\xba\xbe", LooksLike::MachO),
    (b"#!", LooksLike::Script),
];

impl LooksLike {
    /// Looks at a file's first and last bytes.
    ///
    /// # Errors
    /// Only those of reading.
    pub fn of_file(file: &File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let mut head = [0; HEAD_BYTES];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        // Disk images are known by their end; their start is whatever was compressed first.
        let mut trailer = [0; 4];
        if let Some(position) = len.checked_sub(UDIF_TRAILER_BYTES) {
            file.read_exact_at(&mut trailer, position)?;
        }
        let mut end = [0; ENCRYPTED_END.len()];
        if let Some(position) = len.checked_sub(end.len() as u64) {
            file.read_exact_at(&mut end, position)?;
        }
        Ok(match Self::of_head(head.get(..filled).unwrap_or_default()) {
            Self::Xar => Self::Xar,
            _ if &end == ENCRYPTED_END => Self::EncryptedDiskImage,
            _ if &trailer == b"koly" => Self::DiskImage,
            other => other,
        })
    }

    /// Judges by the first bytes alone.
    #[must_use]
    pub fn of_head(head: &[u8]) -> Self {
        if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
            return *kind;
        }
        if head.get(257..262) == Some(b"ustar") {
            return Self::TarArchive;
        }
        Self::of_text(head)
    }

    /// Tells text formats apart; anything with bytes that text never has is unknown.
    fn of_text(head: &[u8]) -> Self {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let start = String::from_utf8_lossy(head.trim_ascii_start()).to_ascii_lowercase();
        if start.starts_with("<!doctype html") || start.starts_with("<html") {
            Self::HtmlPage
        } else if start.starts_with("<?xml") && start.contains("<plist") {
            Self::PropertyList
        } else if start.starts_with("<?xml") {
            if start.contains("<html") { Self::HtmlPage } else { Self::XmlDocument }
        } else if start.starts_with('{') || start.starts_with('[') {
            Self::JsonDocument
        } else if !head.is_empty()
            && head.iter().all(|byte| *byte >= b' ' || b"\t\r\n".contains(byte))
        {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// What to do instead, as a clause.
    pub(crate) fn advice(self, promised: Form) -> &'static str {
        match (promised, self) {
            (_, Self::Script | Self::AppleScript) => {
                "scripts are kept in the management server's database and never on a distribution \
                 point: use `xylem script upload`, which takes no AppleScripts"
            }
            (_, Self::HtmlPage | Self::JsonDocument | Self::XmlDocument | Self::Text) => {
                "a web server probably sent an error page in place of the file: open it in a text \
                 editor, then download the file again"
            }
            (Form::FlatPackage, Self::Zip) => {
                "unzip it and upload the flat package inside; a bundle package (a folder) is \
                 uploaded zipped, with a name that ends in .pkg.zip or .mpkg.zip"
            }
            (Form::FlatPackage, Self::DiskImage | Self::EncryptedDiskImage) => {
                "open the image and upload the package inside, or name the file .dmg"
            }
            (Form::FlatPackage, _) => {
                "upload an installer package made by pkgbuild or productbuild"
            }
            (Form::DiskImage, _) => "upload an image made by Disk Utility or hdiutil",
            (Form::Archive, _) => "compress the package or application again, in the Finder",
            (Form::MobileApp, _) => "export the app again from Xcode, as an IPA",
            (Form::Epub | Form::IBooks | Form::Pdf, _) => {
                "upload the book itself, with the ending that belongs to it"
            }
        }
    }
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppleArchive => "an Apple Archive",
            Self::AppleScript => "a compiled AppleScript",
            Self::BillOfMaterials => "a bill of materials (Bom)",
            Self::Bzip2 => "bzip2-compressed data",
            Self::CpioArchive => "a cpio archive",
            Self::DiskImage => "a disk image (DMG)",
            Self::EncryptedDiskImage => "an encrypted disk image (DMG)",
            Self::Gzip => "gzip-compressed data",
            Self::HtmlPage => "a web page (HTML)",
            Self::JsonDocument => "a JSON document",
            Self::MachO => "a program (Mach-O)",
            Self::Pbzx => "a bare package payload (pbzx)",
            Self::Pdf => "a PDF document",
            Self::PropertyList => "a property list",
            Self::Script => "a script",
            Self::SevenZip => "a 7-Zip archive",
            Self::TarArchive => "a tar archive",
            Self::Text => "plain text",
            Self::Unknown => "no kind of file known here",
            Self::Xar => "a xar archive",
            Self::XmlDocument => "an XML document",
            Self::Xz => "xz-compressed data",
            Self::Zip => "a zip archive",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_called_by_their_name() {
        let cases: &[(&[u8], LooksLike)] = &[
            (b"PK\x03\x04rest", LooksLike::Zip),
            (b"\n <!DOCTYPE html><title>404", LooksLike::HtmlPage),
            (b"<?xml version='1.0'?><html>", LooksLike::HtmlPage),
            (b"<?xml version='1.0'?><plist>", LooksLike::PropertyList),
            (b"<?xml version='1.0'?><Error>", LooksLike::XmlDocument),
            (b"AA01....", LooksLike::AppleArchive),
            (b"%PDF-1.7", LooksLike::Pdf),
            (b"\x1f\x8b\x08\0", LooksLike::Gzip),
            (b"{\"error\": 1}", LooksLike::JsonDocument),
            (b"Not found\n", LooksLike::Text),
            (b"\x00\x01\x02", LooksLike::Unknown),
            (b"", LooksLike::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(LooksLike::of_head(head), *expected, "{}", head.escape_ascii());
        }
    }
}
