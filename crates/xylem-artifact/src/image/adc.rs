//! Apple Data Compression: literals, and copies from what was decoded already.
//!
//! | first byte | length | what follows |
//! |---|---|---|
//! | 1xxxxxxx | x + 1 | that many literal bytes |
//! | 01xxxxxx | x + 4 | two bytes: how far back the copy starts, less 1 |
//! | 00xxxxyy | x + 3 | one byte more of it, below y |

use std::io;

use super::fields::broken;

/// Decodes exactly `len` bytes.
pub(super) fn decode(mut input: &[u8], len: usize) -> io::Result<Vec<u8>> {
    let mut output = Vec::with_capacity(len);
    while output.len() < len {
        let code = take_byte(&mut input)?;
        if code & 0x80 != 0 {
            let (literal, rest) =
                input.split_at_checked(usize::from(code & 0x7f) + 1).ok_or_else(ends_early)?;
            output.extend_from_slice(literal);
            input = rest;
        } else {
            copy_back(&mut output, &mut input, code)?;
        }
    }
    if output.len() > len {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it expands too far"));
    }
    Ok(output)
}

fn copy_back(output: &mut Vec<u8>, input: &mut &[u8], code: u8) -> io::Result<()> {
    let next = usize::from(take_byte(input)?);
    let (length, distance) = if code & 0x40 != 0 {
        (usize::from(code & 0x3f) + 4, (next << 8 | usize::from(take_byte(input)?)) + 1)
    } else {
        (usize::from(code >> 2) + 3, (usize::from(code & 3) << 8 | next) + 1)
    };
    // Byte by byte: a copy may run into what it has just written.
    for _ in 0..length {
        let from = output.len().checked_sub(distance);
        let byte = from.and_then(|from| output.get(from)).copied();
        output.push(byte.ok_or_else(|| broken("a copy starts before the beginning"))?);
    }
    Ok(())
}

fn take_byte(input: &mut &[u8]) -> io::Result<u8> {
    let (byte, rest) = input.split_first().ok_or_else(ends_early)?;
    *input = rest;
    Ok(*byte)
}

fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it stops in the middle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_both_copies_are_decoded() {
        // "abc", three from 3 back, five from 6 back, and a run of one letter.
        let input = [0x82, b'a', b'b', b'c', 0x00, 0x02, 0x41, 0x00, 0x05, 0x80, b'z', 0x04, 0x00];
        assert_eq!(decode(&input, 16).unwrap(), b"abcabcabcabzzzzz");
    }

    #[test]
    fn streams_that_break_the_rules_are_refused() {
        for (name, input, len) in [
            ("nothing", &[][..], 1),
            ("a literal cut short", &[0x82, b'a'], 3),
            ("a copy cut short", &[0x80, b'a', 0x40, 0x00], 5),
            ("a copy from before the beginning", &[0x80, b'a', 0x00, 0x01], 4),
            ("more than declared", &[0x81, b'a', b'b'], 1),
        ] {
            assert!(decode(input, len).is_err(), "{name}");
        }
    }
}
