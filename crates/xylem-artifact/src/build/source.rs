//! Where a file's content comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// The content of one file. It may be read more than once.
#[derive(Clone, Debug)]
pub struct Source(Origin);

#[derive(Clone, Debug)]
enum Origin {
    Bytes(Arc<[u8]>),
    File(PathBuf),
    Random { seed: u64, len_bytes: u64 },
}

impl Source {
    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self(Origin::Bytes(bytes.as_ref().into()))
    }

    /// The content of a file, which must not change while the package is written.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Origin::File(path.into()))
    }

    /// `len_bytes` bytes that do not compress, the same for the same seed; made while they are
    /// read, so that any length takes no memory.
    #[must_use]
    pub fn random(seed: u64, len_bytes: u64) -> Self {
        Self(Origin::Random { seed, len_bytes })
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn len_bytes(&self) -> io::Result<u64> {
        match &self.0 {
            Origin::Bytes(bytes) => Ok(bytes.len() as u64),
            Origin::File(path) => Ok(std::fs::metadata(path)?.len()),
            Origin::Random { len_bytes, .. } => Ok(*len_bytes),
        }
    }

    /// A reader from the beginning.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.0 {
            Origin::Bytes(bytes) => Box::new(io::Cursor::new(Arc::clone(bytes))),
            Origin::File(path) => Box::new(File::open(path)?),
            Origin::Random { seed, len_bytes } => {
                Box::new(SplitMix { state: *seed, word: [0; 8], used: 8 }.take(*len_bytes))
            }
        })
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014) as an endless stream of bytes.
struct SplitMix {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl SplitMix {
    fn next_word(&mut self) -> [u8; 8] {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

impl Read for SplitMix {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            if let Some(whole) = rest.first_chunk_mut::<8>().filter(|_| self.used == 8) {
                *whole = self.next_word();
                filled += 8;
                continue;
            }
            if self.used == 8 {
                self.word = self.next_word();
                self.used = 0;
            }
            let unused = self.word.get(self.used..).unwrap_or_default();
            let len = unused.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..len), unused.get(..len)) {
                to.copy_from_slice(from);
            }
            self.used += len;
            filled += len;
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_content_does_not_depend_on_how_it_is_read() {
        let source = Source::random(42, 1001);
        let mut at_once = Vec::new();
        source.open().unwrap().read_to_end(&mut at_once).unwrap();
        assert_eq!(at_once.len(), 1001);
        for step in [1, 3, 8, 13] {
            let (mut pieces, mut buffer) = (Vec::new(), vec![0; step]);
            let mut reader = source.open().unwrap();
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    read => pieces.extend_from_slice(&buffer[..read]),
                }
            }
            assert_eq!(pieces, at_once, "in steps of {step}");
        }
        let mut other = Vec::new();
        Source::random(43, 1001).open().unwrap().read_to_end(&mut other).unwrap();
        assert_ne!(other, at_once);
    }
}
