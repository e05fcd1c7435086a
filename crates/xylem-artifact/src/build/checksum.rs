//! The checksum that bills of materials use: the one of POSIX `cksum`.

/// The polynomial, most significant bit first.
const POLYNOMIAL: u32 = 0x04c1_1db7;

/// `TABLES[k][b]` is the effect of byte `b` followed by `k` zero bytes.
const TABLES: [[u32; 256]; 8] = tables();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks every index")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { (crc << 1) ^ POLYNOMIAL } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut level = 1;
    while level < 8 {
        let mut byte = 0;
        while byte < 256 {
            let previous = tables[level - 1][byte];
            tables[level][byte] = (previous << 8) ^ tables[0][(previous >> 24) as usize];
            byte += 1;
        }
        level += 1;
    }
    tables
}

/// Computes the checksum of a stream, eight bytes at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PosixChecksum {
    crc: u32,
    length: u64,
}

impl PosixChecksum {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.crc = eight_bytes(self.crc, *word);
        }
        for byte in rest {
            self.crc = one_byte(self.crc, *byte);
        }
    }

    /// The length follows the data, least significant byte first and without leading zeros.
    pub(super) fn finish(self) -> u32 {
        let (mut crc, mut length) = (self.crc, self.length);
        while length != 0 {
            crc = one_byte(crc, (length & 0xff) as u8);
            length >>= 8;
        }
        !crc
    }
}

fn one_byte(crc: u32, byte: u8) -> u32 {
    let [first, ..] = &TABLES;
    (crc << 8) ^ look_up(first, (crc >> 24) as u8 ^ byte)
}

fn eight_bytes(crc: u32, word: [u8; 8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let [c0, c1, c2, c3] = crc.to_be_bytes();
    let [b0, b1, b2, b3, b4, b5, b6, b7] = word;
    look_up(t7, b0 ^ c0)
        ^ look_up(t6, b1 ^ c1)
        ^ look_up(t5, b2 ^ c2)
        ^ look_up(t4, b3 ^ c3)
        ^ look_up(t3, b4)
        ^ look_up(t2, b5)
        ^ look_up(t1, b6)
        ^ look_up(t0, b7)
}

#[allow(clippy::indexing_slicing, reason = "a byte always indexes a table of 256")]
fn look_up(table: &[u32; 256], byte: u8) -> u32 {
    table[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(bytes: &[u8]) -> u32 {
        let mut checksum = PosixChecksum::default();
        checksum.update(bytes);
        checksum.finish()
    }

    #[test]
    fn agrees_with_the_cksum_command() {
        assert_eq!(checksum(b""), 4_294_967_295);
        assert_eq!(checksum(b"123456789"), 930_766_865);
        assert_eq!(checksum(b"a"), 1_220_704_766);
    }

    #[test]
    fn does_not_depend_on_how_the_data_is_cut() {
        let data: Vec<u8> = (0..1000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut pieces = PosixChecksum::default();
        data.chunks(13).for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.finish(), checksum(&data));
    }
}
