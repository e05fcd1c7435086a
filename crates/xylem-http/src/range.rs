//! The `Range` header.

/// A part of a representation: `start..end`, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// Its length in bytes.
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Never: a range holds at least one byte.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// A range that cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It lies beyond the end: 416.
    #[error("the range lies outside the file")]
    Unsatisfiable,
}

/// Reads a `Range` header against a representation of `size` bytes.
///
/// `None` means: answer with the whole (RFC 9110 section 14.2 lets a server ignore what it does
/// not understand, and more than one range is that here: no client of packages needs it).
pub fn parse_range(header: &str, size: u64) -> Result<Option<ByteRange>, RangeError> {
    let Some((first, last)) = header
        .trim()
        .strip_prefix("bytes=")
        .filter(|spec| !spec.contains(','))
        .and_then(|spec| spec.trim().split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => match number(last) {
            Some(suffix) => (size.saturating_sub(suffix), size),
            None => return Ok(None),
        },
        (false, true) => match number(first) {
            Some(start) => (start, size),
            None => return Ok(None),
        },
        (false, false) => match (number(first), number(last)) {
            (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(size)),
            _ => return Ok(None),
        },
    };
    if start >= end { Err(RangeError::Unsatisfiable) } else { Ok(Some(ByteRange { start, end })) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(header: &str) -> Option<(u64, u64)> {
        parse_range(header, 100).unwrap().map(|range| (range.start, range.end))
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(range("bytes=0-9"), Some((0, 10)));
        assert_eq!(range("bytes=90-"), Some((90, 100)));
        assert_eq!(range("bytes=90-900"), Some((90, 100)));
        assert_eq!(range("bytes=-10"), Some((90, 100)));
        assert_eq!(range("bytes=-900"), Some((0, 100)));
        assert_eq!(range("bytes=0-18446744073709551615"), Some((0, 100)));
    }

    #[test]
    fn what_is_not_understood_gives_the_whole() {
        for header in
            ["", "bytes", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=9-1"]
        {
            assert_eq!(range(header), None, "{header}");
        }
    }

    #[test]
    fn ranges_beyond_the_end_cannot_be_given() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(parse_range(header, 100), Err(RangeError::Unsatisfiable), "{header}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Err(RangeError::Unsatisfiable));
    }
}
