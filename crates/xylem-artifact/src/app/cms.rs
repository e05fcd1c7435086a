//! The content of a signed message (CMS, RFC 5652), in the encoding that Apple uses (BER).
//!
//! ```text
//! ContentInfo  SEQUENCE { OID signedData, [0] { SignedData } }
//! SignedData   SEQUENCE { version INTEGER, digests SET, SEQUENCE { OID data, [0] { content } }, … }
//! content      OCTET STRING, whole or in pieces
//! ```
//!
//! Nothing is judged: neither signature nor certificates are looked at. Lengths may be definite or
//! indefinite; every step takes at least two bytes, and nothing recurses.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const CONTEXT_0: u8 = 0xa0;
const OCTET_STRING: u8 = 0x04;
const OCTET_STRING_IN_PIECES: u8 = 0x24;
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];

/// The message's content; `None` when this is no signed message, or one without content.
pub(super) fn content(message: &[u8]) -> Option<Vec<u8>> {
    let mut at = Cursor { bytes: message };
    at.enter(SEQUENCE)?;
    at.expect(OBJECT_IDENTIFIER, SIGNED_DATA)?;
    at.enter(CONTEXT_0)?;
    at.enter(SEQUENCE)?;
    at.skip(INTEGER)?;
    at.skip(SET)?;
    at.enter(SEQUENCE)?;
    at.expect(OBJECT_IDENTIFIER, DATA)?;
    at.enter(CONTEXT_0)?;
    at.octets()
}

struct Cursor<'a> {
    bytes: &'a [u8],
}

/// A tag and how long what follows is; `None` stands for an indefinite length.
struct Header {
    tag: u8,
    length: Option<usize>,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn header(&mut self) -> Option<Header> {
        let tag = self.byte()?;
        // Tags of several bytes occur nowhere in a message's frame.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let length = match self.byte()? {
            short @ 0..=0x7f => Some(short.into()),
            0x80 if tag & 0x20 != 0 => None,
            long @ 0x81..=0x88 => {
                let digits = self.take((long & 0x7f).into())?;
                let value = digits.iter().try_fold(0_u64, |value, digit| {
                    Some(value.checked_mul(256)? | u64::from(*digit))
                })?;
                Some(usize::try_from(value).ok()?)
            }
            _ => return None,
        };
        // A length past the end of the message would be found later; here it is plain.
        length.is_none_or(|length| length <= self.bytes.len()).then_some(Header { tag, length })
    }

    /// Goes on inside an element. Where it ends does not matter, as nothing behind is read.
    fn enter(&mut self, tag: u8) -> Option<()> {
        (self.header()?.tag == tag).then_some(())
    }

    fn expect(&mut self, tag: u8, content: &[u8]) -> Option<()> {
        let header = self.header().filter(|header| header.tag == tag)?;
        (self.take(header.length?)? == content).then_some(())
    }

    /// Passes an element with all that it holds.
    fn skip(&mut self, tag: u8) -> Option<()> {
        let header = self.header().filter(|header| header.tag == tag)?;
        let Some(length) = header.length else {
            // The end marks of indefinite lengths are counted; definite ones are passed whole.
            let mut open = 1_usize;
            while open > 0 {
                match self.header()? {
                    Header { tag: 0, length: Some(0) } => open -= 1,
                    Header { length: Some(length), .. } => drop(self.take(length)?),
                    Header { length: None, .. } => open += 1,
                }
            }
            return Some(());
        };
        self.take(length).map(drop)
    }

    /// An octet string, of which the pieces are put together.
    fn octets(&mut self) -> Option<Vec<u8>> {
        let header = self.header()?;
        match (header.tag, header.length) {
            (OCTET_STRING, Some(length)) => self.take(length).map(<[u8]>::to_vec),
            (OCTET_STRING_IN_PIECES, length) => {
                let mut pieces = match length {
                    Some(length) => Cursor { bytes: self.take(length)? },
                    None => Cursor { bytes: self.bytes },
                };
                pieces.join(length.is_none())
            }
            _ => None,
        }
    }

    fn join(&mut self, until_mark: bool) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        while until_mark || !self.bytes.is_empty() {
            match self.header()? {
                Header { tag: OCTET_STRING, length: Some(length) } => {
                    content.extend_from_slice(self.take(length)?);
                }
                Header { tag: 0, length: Some(0) } if until_mark => break,
                _ => return None,
            }
        }
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut bytes = vec![tag, 0x82];
        bytes.extend_from_slice(&(content.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&content);
        bytes
    }

    fn endless(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat()
    }

    type Wrap = fn(u8, &[&[u8]]) -> Vec<u8>;

    fn message(wrap: Wrap, content: &[u8]) -> Vec<u8> {
        let algorithm = element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[DATA])]);
        let inner =
            wrap(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[DATA]), &wrap(CONTEXT_0, &[content])]);
        let digests = wrap(SET, &[&wrap(SEQUENCE, &[&algorithm])]);
        let signed = wrap(SEQUENCE, &[&element(INTEGER, &[&[1]]), &digests, &inner, &[0x31, 0]]);
        let outer = element(OBJECT_IDENTIFIER, &[SIGNED_DATA]);
        wrap(SEQUENCE, &[&outer, &wrap(CONTEXT_0, &[&signed])])
    }

    #[test]
    fn content_is_found_in_either_kind_of_length() {
        let whole = element(OCTET_STRING, &[b"content"]);
        let (first, second) = (element(OCTET_STRING, &[b"con"]), element(OCTET_STRING, &[b"tent"]));
        let pieces = [first.as_slice(), second.as_slice()];
        for wrap in [element as Wrap, endless] {
            for content_form in [
                whole.clone(),
                element(OCTET_STRING_IN_PIECES, &pieces),
                endless(OCTET_STRING_IN_PIECES, &pieces),
            ] {
                assert_eq!(
                    content(&message(wrap, &content_form)).as_deref(),
                    Some(&b"content"[..])
                );
            }
        }
    }

    #[test]
    fn what_is_no_whole_message_has_no_content() {
        let sound = message(endless, &element(OCTET_STRING, &[b"content"]));
        // Behind the content only end marks and signatures follow, which nobody here reads.
        let end_of_content = sound.windows(7).position(|bytes| bytes == b"content").unwrap() + 7;
        for cut in 0..end_of_content {
            assert_eq!(content(&sound[..cut]), None, "cut to {cut} bytes");
        }
        for bytes in [
            &b"<?xml version=\"1.0\"?><plist/>"[..],
            &[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            &[0x3f, 0x80],
            &message(element, &element(OCTET_STRING_IN_PIECES, &[&element(INTEGER, &[b"1"])])),
            &message(element, &element(INTEGER, &[b"1"])),
        ] {
            assert_eq!(content(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
