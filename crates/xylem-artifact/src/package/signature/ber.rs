//! From BER, which signers write, to DER, which can be read in one way only.
//!
//! Apple's signing tools leave lengths open (`30 80 … 00 00`) and cut octet strings into pieces;
//! readers of CMS in Rust want DER, save one that brings its own cryptography along. What has to be
//! turned is a few kilobytes of a simple grammar: a stack of open elements, no recursion, and every
//! turn of the loop takes at least one byte.

/// Deepest nesting of elements. The deepest genuine ones are the certificates of a timestamp: 21.
const MAX_DEPTH: usize = 40;

/// The bit of a tag that says that elements are inside.
const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
/// The bits of a tag that announce a number in further bytes.
const LONG_TAG: u8 = 0x1f;
const OPEN_LENGTH: u8 = 0x80;

/// An element whose end has not come yet.
struct Open {
    tag: u8,
    /// Nothing inside may reach further than this.
    limit: usize,
    /// Whether two zero bytes end it, rather than the limit.
    open_ended: bool,
    content: Vec<u8>,
}

/// The first element of `input` as DER; what follows it, such as padding, is left alone. `None`
/// when it is not BER, or uses what no signature needs (tags above 30, nesting without end).
pub(super) fn to_der(input: &[u8]) -> Option<Vec<u8>> {
    let mut stack: Vec<Open> = Vec::new();
    let mut position = 0;
    loop {
        while let Some(end) = stack.last().and_then(|open| ended(open, input, position)) {
            position = end;
            let closed = stack.pop()?;
            let tag = if is_pieces(&closed) { OCTET_STRING } else { closed.tag };
            match stack.last_mut() {
                Some(parent) => append(parent, tag, &closed.content)?,
                None => return Some(element(tag, &closed.content)),
            }
        }
        let limit = stack.last().map_or(input.len(), |open| open.limit);
        let (tag, length, start) = header(input.get(..limit)?, position)?;
        let end = match length {
            Some(length) => start.checked_add(length).filter(|end| *end <= limit)?,
            None => limit,
        };
        if tag & CONSTRUCTED != 0 {
            if stack.len() == MAX_DEPTH {
                return None;
            }
            let open_ended = length.is_none();
            stack.push(Open { tag, limit: end, open_ended, content: Vec::new() });
            position = start;
        } else {
            length?;
            append(stack.last_mut()?, tag, input.get(start..end)?)?;
            position = end;
        }
    }
}

/// Where the element that is open ends, if it ends here.
fn ended(open: &Open, input: &[u8], position: usize) -> Option<usize> {
    if !open.open_ended {
        return (position == open.limit).then_some(position);
    }
    let end = position.checked_add(2).filter(|end| *end <= open.limit)?;
    (input.get(position..end) == Some(&[0, 0])).then_some(end)
}

/// Tag, length (`None` where it is left open) and where the content starts.
fn header(input: &[u8], position: usize) -> Option<(u8, Option<usize>, usize)> {
    let mut rest = input.get(position..)?.iter();
    let tag = *rest.next()?;
    if tag & LONG_TAG == LONG_TAG {
        return None;
    }
    let first = *rest.next()?;
    let length = match first {
        OPEN_LENGTH => None,
        0..OPEN_LENGTH => Some(usize::from(first)),
        _ => {
            let mut length: usize = 0;
            for _ in 0..first & !OPEN_LENGTH {
                length = length.checked_mul(256)?.checked_add(usize::from(*rest.next()?))?;
            }
            Some(length)
        }
    };
    Some((tag, length, input.len() - rest.len()))
}

/// Whether it is an octet string that was written piece by piece.
fn is_pieces(open: &Open) -> bool {
    open.tag == OCTET_STRING | CONSTRUCTED
}

fn append(parent: &mut Open, tag: u8, content: &[u8]) -> Option<()> {
    if is_pieces(parent) {
        if tag != OCTET_STRING {
            return None;
        }
        parent.content.extend_from_slice(content);
    } else {
        parent.content.extend_from_slice(&element(tag, content));
    }
    Some(())
}

/// An element with the shortest length that there is.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let digits = length.iter().skip_while(|digit| **digit == 0);
    match u8::try_from(content.len()) {
        Ok(short) if short < OPEN_LENGTH => bytes.push(short),
        _ => {
            // A length has at most eight digits.
            bytes.push(OPEN_LENGTH | digits.clone().count() as u8);
            bytes.extend(digits);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_stays_as_it_is_and_what_follows_is_left_alone() {
        let long = element(0x30, &element(0x04, &[7; 300]));
        for der in [&[0x30, 3, 2, 1, 5][..], &[0x30, 0], &long] {
            assert_eq!(to_der(der).as_deref(), Some(der));
            assert_eq!(to_der(&[der, &[0; 9]].concat()).as_deref(), Some(der));
        }
    }

    #[test]
    fn open_lengths_pieces_and_long_lengths_are_mended() {
        let ber = [0x30, 0x80, 0x24, 0x80, 4, 1, 1, 4, 0x81, 2, 2, 3, 0, 0, 0xa0, 2, 5, 0, 0, 0];
        let der = [0x30, 9, 4, 3, 1, 2, 3, 0xa0, 2, 5, 0];
        assert_eq!(to_der(&ber).as_deref(), Some(&der[..]));
    }

    #[test]
    fn what_is_no_ber_is_refused() {
        let deep = [0x30, 0x80].repeat(MAX_DEPTH + 1);
        let cases: [&[u8]; 11] = [
            b"",
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 2, 5],
            &[0x30, 2, 4, 1, 0],
            &[0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x24, 3, 2, 1, 5],
            &[0x30, 3, 0x1f, 0x81, 0],
            &[0x04, 0x80, 0, 0],
            &deep,
        ];
        for case in cases {
            assert_eq!(to_der(case), None, "{case:x?}");
        }
    }
}
