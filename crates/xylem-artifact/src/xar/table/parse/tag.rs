//! Which elements of the table of contents mean something, and where.

/// An open element, as far as it has a meaning in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tag {
    Xar,
    Toc,
    TableChecksum,
    Signature,
    KeyInfo,
    X509Data,
    File,
    Data,
    ExtendedAttribute,
    Leaf(Leaf),
    Unknown,
}

/// An element whose text counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leaf {
    ArchivedChecksum,
    Certificate,
    ExtractedChecksum,
    Length,
    Name,
    Offset,
    Size,
    Type,
}

/// What an element means inside `parent`; `None` for a root other than `xar`.
pub(super) fn classify(parent: Option<Tag>, name: &[u8]) -> Option<Tag> {
    Some(match (parent, name) {
        (None, b"xar") => Tag::Xar,
        (None, _) => return None,
        (Some(Tag::Xar), b"toc") => Tag::Toc,
        (Some(Tag::Toc), b"checksum") => Tag::TableChecksum,
        (Some(Tag::Toc), b"signature" | b"x-signature") => Tag::Signature,
        (Some(Tag::Toc | Tag::File), b"file") => Tag::File,
        (Some(Tag::File), b"data") => Tag::Data,
        (Some(Tag::File), b"ea") => Tag::ExtendedAttribute,
        (Some(Tag::File), b"name") => Tag::Leaf(Leaf::Name),
        (Some(Tag::File), b"type") => Tag::Leaf(Leaf::Type),
        (
            Some(Tag::Data | Tag::ExtendedAttribute | Tag::TableChecksum | Tag::Signature),
            b"offset",
        ) => Tag::Leaf(Leaf::Offset),
        (
            Some(Tag::Data | Tag::ExtendedAttribute | Tag::TableChecksum | Tag::Signature),
            b"size",
        ) => Tag::Leaf(Leaf::Size),
        (Some(Tag::Data | Tag::ExtendedAttribute), b"length") => Tag::Leaf(Leaf::Length),
        (Some(Tag::Data | Tag::ExtendedAttribute), b"archived-checksum") => {
            Tag::Leaf(Leaf::ArchivedChecksum)
        }
        (
            Some(Tag::Data | Tag::ExtendedAttribute),
            b"extracted-checksum" | b"unarchived-checksum",
        ) => Tag::Leaf(Leaf::ExtractedChecksum),
        (Some(Tag::Signature), b"KeyInfo") => Tag::KeyInfo,
        (Some(Tag::KeyInfo), b"X509Data") => Tag::X509Data,
        (Some(Tag::X509Data), b"X509Certificate") => Tag::Leaf(Leaf::Certificate),
        _ => Tag::Unknown,
    })
}
