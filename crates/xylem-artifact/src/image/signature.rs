//! The code signature of an image: a few facts out of its parts.
//!
//! It is a blob with an index: the code directory says who signed what, another part is the
//! signature itself, another the notarisation ticket.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::facts::{ImageSignature, shown};
use super::fields::{Fields, broken};
use super::partitions::c_text;
use super::trailer::ByteRange;

/// Longest signature that is read: tickets and certificates take some 10 KiB.
const MAX_BYTES: u64 = 4 << 20;
/// Most parts of one; there are about six kinds.
const MAX_PARTS: u32 = 64;
const MAGIC: u32 = 0xfade_0cc0;
const CODE_DIRECTORY: u32 = 0;
const CMS: u32 = 0x1_0000;
const TICKET: u32 = 0x1_0002;
/// Length of a part's own header: parts that are no longer hold nothing.
const PART_HEADER_BYTES: u32 = 8;
/// The first version of a code directory that names a team.
const WITH_TEAM: u32 = 0x2_0200;

/// Reads the signature; absent when there is none.
pub(super) fn read(file: &File, range: ByteRange) -> io::Result<Option<ImageSignature>> {
    if range.length == 0 {
        return Ok(None);
    }
    if range.length > MAX_BYTES {
        return Err(broken(format!("it is {} bytes long", range.length)));
    }
    let mut bytes = vec![0; usize::try_from(range.length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, range.offset)?;
    parse(Fields(&bytes)).map(Some)
}

fn parse(blob: Fields<'_>) -> io::Result<ImageSignature> {
    if blob.be32(0)? != MAGIC {
        return Err(broken("it does not start as signatures do"));
    }
    let mut signature = ImageSignature::default();
    for index in 0..blob.be32(8)?.min(MAX_PARTS) as usize {
        let (kind, at) = (blob.be32(12 + index * 8)?, blob.be32(16 + index * 8)? as usize);
        let part = blob.from(at)?;
        let part = Fields(part.bytes(0, part.be32(4)? as usize)?);
        let filled = part.0.len() > PART_HEADER_BYTES as usize;
        match kind {
            CODE_DIRECTORY => {
                signature.identifier = text(part, 20)?;
                if part.be32(8)? >= WITH_TEAM {
                    signature.team = text(part, 48)?;
                }
            }
            CMS => signature.cms = filled,
            TICKET => signature.ticket_present = filled,
            _ => {}
        }
    }
    Ok(signature)
}

/// The text to which an offset leads; an offset of zero leads to none.
fn text(part: Fields<'_>, at: usize) -> io::Result<Option<String>> {
    match part.be32(at)? as usize {
        0 => Ok(None),
        offset => Ok(Some(shown(&c_text(part.from(offset)?.0)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(magic: u32, parts: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let (mut index, mut body) = (Vec::new(), Vec::new());
        for (kind, content) in parts {
            let at = 12 + 8 * parts.len() + body.len();
            index.extend(kind.to_be_bytes());
            index.extend((at as u32).to_be_bytes());
            body.extend([0xfa, 0xde, 0x0c, 0x02]);
            body.extend((content.len() as u32 + 8).to_be_bytes());
            body.extend(content);
        }
        let mut blob = magic.to_be_bytes().to_vec();
        blob.extend(((12 + index.len() + body.len()) as u32).to_be_bytes());
        blob.extend((parts.len() as u32).to_be_bytes());
        blob.extend(index.into_iter().chain(body));
        blob
    }

    /// A code directory with both names at its end.
    fn directory(version: u32) -> Vec<u8> {
        let mut content = vec![0; 44];
        content[..4].copy_from_slice(&version.to_be_bytes());
        content[12..16].copy_from_slice(&52_u32.to_be_bytes());
        content[40..44].copy_from_slice(&61_u32.to_be_bytes());
        content.extend(b"org.tool\0TEAM123456\0");
        content
    }

    #[test]
    fn a_signature_with_everything_and_one_with_little() {
        let parts = [(0, directory(WITH_TEAM)), (CMS, vec![1]), (TICKET, vec![1])];
        let full = ImageSignature {
            identifier: Some("org.tool".to_owned()),
            team: Some("TEAM123456".to_owned()),
            cms: true,
            ticket_present: true,
        };
        assert_eq!(parse(Fields(&blob(MAGIC, &parts))).unwrap(), full);
        let parts = [(0, directory(WITH_TEAM - 1)), (CMS, vec![])];
        let little = ImageSignature { team: None, cms: false, ticket_present: false, ..full };
        assert_eq!(parse(Fields(&blob(MAGIC, &parts))).unwrap(), little);
    }

    #[test]
    fn what_is_none_or_cut_short_is_an_error() {
        assert!(parse(Fields(&blob(0, &[]))).is_err());
        let whole = blob(MAGIC, &[(0, directory(WITH_TEAM)), (TICKET, vec![1])]);
        for len in 0..whole.len() {
            assert!(parse(Fields(&whole[..len])).is_err(), "cut to {len} bytes");
        }
    }
}
