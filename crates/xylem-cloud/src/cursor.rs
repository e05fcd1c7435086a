//! Where a listing goes on, and that it does.
//!
//! A server may ignore what it is asked to go on after, repeat a token or walk in circles; then a
//! listing would never end. So a place is bounded, differs from the one before, and there are only
//! so many pages.

use crate::answer::MAX_ANSWER_BYTES;

/// Longest answer's share of one entry, bytes. A name has at most 1,024, of which each takes at
/// most six as formats escape it; what is told beside it (ids, owners, digests) has less than 2 KiB.
const MAX_ENTRY_BYTES: usize = 8 * 1024;
/// How many entries are asked for at once: as many as fit into an answer whatever their names.
pub(crate) const PAGE: usize = MAX_ANSWER_BYTES / MAX_ENTRY_BYTES;
/// Longest text that says where a listing goes on, bytes: it has to fit into a request's line or
/// header three times as long, and servers take 8 to 16 KiB of these.
const MAX_PLACE_BYTES: usize = 4096;
/// Most pages of one listing: twelve million objects. Who has more would be listed for days.
const MAX_PAGES: u32 = 100_000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// What lies below `content/`.
    Contents,
    /// Everything below the prefix: the marker, probes and what others put there too.
    Everything,
}

/// Where a listing goes on: made by the page before, for the same listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    place: Place,
    pages: u32,
}

/// What providers have for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the beginning.
    Start,
    /// After this name.
    After(String),
    /// After this name and this upload of it.
    AfterUpload(String, String),
    /// Where the provider's token points.
    Token(String),
    /// In the folder of this number, from this name on.
    Folder(u16, Option<String>),
}

impl Cursor {
    /// The beginning of any listing.
    pub const START: Self = Self { place: Place::Start, pages: 0 };

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Where it goes on after the page whose first name is `first`.
    ///
    /// # Errors
    /// When the listing does not advance, in words for a message.
    pub(crate) fn turned(&self, next: Place, first: Option<&str>) -> Result<Self, &'static str> {
        if next.bytes() > MAX_PLACE_BYTES {
            return Err("it goes on at a place that is named by more than 4 KiB");
        }
        let is_before = match (&self.place, first) {
            (Place::After(after), Some(first)) => first <= after.as_str(),
            _ => false,
        };
        if is_before || next == self.place {
            return Err("the listing does not go on after what was asked for");
        }
        if self.pages >= MAX_PAGES {
            return Err("the listing does not end");
        }
        Ok(Self { place: next, pages: self.pages + 1 })
    }
}

impl Place {
    fn bytes(&self) -> usize {
        match self {
            Self::Start | Self::Folder(_, None) => 0,
            Self::After(text) | Self::Token(text) | Self::Folder(_, Some(text)) => text.len(),
            Self::AfterUpload(key, upload) => key.len() + upload.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(name: &str) -> Place {
        Place::After(name.to_owned())
    }

    #[test]
    fn a_listing_advances_or_is_none() {
        let at_b = Cursor::START.turned(after("b"), Some("a")).unwrap();
        assert!(at_b.turned(after("d"), Some("c")).is_ok());
        assert!(at_b.turned(after("d"), None).is_ok());
        assert!(at_b.turned(after("b"), None).is_err(), "the same place");
        assert!(at_b.turned(after("d"), Some("b")).is_err(), "the same page");
        assert!(at_b.turned(after(&"d".repeat(MAX_PLACE_BYTES + 1)), Some("c")).is_err());
        let token = |text: &str| Place::Token(text.to_owned());
        let mut cursor = Cursor::START;
        for page in 0..MAX_PAGES {
            cursor = cursor.turned(token(["x", "y"][page as usize % 2]), Some("a")).unwrap();
        }
        assert!(cursor.turned(token("z"), Some("a")).is_err(), "in circles");
    }

    #[test]
    fn pages_fit_whatever_their_names() {
        assert_eq!(PAGE, 128);
        let entry = 6 * 1024 + crate::upload::MAX_REFERENCE_BYTES + 1000;
        assert!(entry <= MAX_ENTRY_BYTES);
    }
}
