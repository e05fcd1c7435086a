//! The architectures of a program (Mach-O), from its first bytes.

/// Most architectures in one program; macOS has had five.
const MAX_ARCHITECTURES: u32 = 16;
/// Bytes that hold the list of a program for several architectures.
pub(super) const HEAD_BYTES: usize = 8 + 32 * MAX_ARCHITECTURES as usize;

const FAT: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];
const FAT_64: [u8; 4] = [0xca, 0xfe, 0xba, 0xbf];
const THIN_BIG: [[u8; 4]; 2] = [[0xfe, 0xed, 0xfa, 0xce], [0xfe, 0xed, 0xfa, 0xcf]];
const THIN_LITTLE: [[u8; 4]; 2] = [[0xce, 0xfa, 0xed, 0xfe], [0xcf, 0xfa, 0xed, 0xfe]];

/// What a program is built for; nothing when it is no program.
pub(super) fn architectures(head: &[u8]) -> Vec<String> {
    list(head).unwrap_or_default()
}

fn list(head: &[u8]) -> Option<Vec<String>> {
    let magic: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let entry_bytes = match magic {
        FAT => 20,
        FAT_64 => 32,
        thin => return thin_architecture(thin, head).map(|name| vec![name]),
    };
    let count = number(head, 4, u32::from_be_bytes)?;
    // Compiled Java begins with the same four bytes, and then its version, which is 45 or more.
    if count > MAX_ARCHITECTURES {
        return None;
    }
    let entries = head.get(8..)?.chunks_exact(entry_bytes).take(count.try_into().ok()?);
    let names = entries.map(|entry| {
        Some(name(number(entry, 0, u32::from_be_bytes)?, number(entry, 4, u32::from_be_bytes)?))
    });
    names.collect()
}

fn thin_architecture(magic: [u8; 4], head: &[u8]) -> Option<String> {
    let read = match magic {
        magic if THIN_BIG.contains(&magic) => u32::from_be_bytes,
        magic if THIN_LITTLE.contains(&magic) => u32::from_le_bytes,
        _ => return None,
    };
    Some(name(number(head, 4, read)?, number(head, 8, read)?))
}

fn number(bytes: &[u8], at: usize, read: fn([u8; 4]) -> u32) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(read)
}

/// Apple's names for its numbers; a number where there is none.
fn name(cpu: u32, subtype: u32) -> String {
    // The highest byte holds capabilities.
    let name = match (cpu, subtype & 0x00ff_ffff) {
        (7, _) => "i386",
        (0x0100_0007, _) => "x86_64",
        (12, _) => "arm",
        (0x0100_000c, 2) => "arm64e",
        (0x0100_000c, _) => "arm64",
        (18, _) => "ppc",
        (0x0100_0012, _) => "ppc64",
        _ => return format!("cpu {cpu}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn programs_of_all_kinds_are_told() {
        let universal = words(&[
            0xcafe_babe,
            2,
            0x0100_0007,
            0x8000_0003,
            0,
            0,
            0,
            0x0100_000c,
            0x8000_0002,
            0,
            0,
            0,
        ]);
        assert_eq!(architectures(&universal), ["x86_64", "arm64e"]);
        let wide = words(&[0xcafe_babf, 1, 0x0100_000c, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(architectures(&wide), ["arm64"]);
        assert_eq!(architectures(&words(&[0xfeed_face, 18, 0])), ["ppc"]);
        let little = [0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 3, 0, 0, 0];
        assert_eq!(architectures(&little), ["x86_64"]);
        assert_eq!(architectures(&words(&[0xfeed_facf, 99, 0])), ["cpu 99"]);
    }

    #[test]
    fn what_is_no_program_has_none() {
        let java = words(&[0xcafe_babe, 52, 1, 2, 3, 4, 5]);
        for bytes in [&b""[..], b"#!/bin/sh\n", &java, &java[..4], &words(&[0xfeed_face])] {
            assert!(architectures(bytes).is_empty(), "{}", bytes.escape_ascii());
        }
    }
}
