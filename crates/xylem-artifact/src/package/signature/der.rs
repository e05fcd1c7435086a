//! A walk through DER, one element after the other.
//!
//! Everything is an `Option`: whatever is not as it has to be ends the walk, and all that is to be
//! said of it is that the signature cannot be read.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of the field that a structure numbers `number`, with elements inside.
pub(super) const fn field(number: u8) -> u8 {
    0xa0 | number
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// Header and content.
    pub(super) raw: &'a [u8],
}

/// What is left of a run of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element if it has this tag.
    pub(super) fn one(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// The content of the next element, which has to have this tag, as a run of its own.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Elements<'a>> {
        Some(Elements(self.one(tag)?.content))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let all = self.0;
        let (tag, rest) = all.split_first()?;
        let (first, rest) = rest.split_first()?;
        let digits = usize::from(first & 0x7f);
        let (length, rest) = if *first < 0x80 {
            (digits, rest)
        } else {
            let (digits, rest) = rest.split_at_checked(digits)?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        let raw = all.get(..all.len() - rest.len())?;
        Some(Element { tag: *tag, content, raw })
    }
}
