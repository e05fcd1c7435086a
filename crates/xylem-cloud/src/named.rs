//! What a name stands for.
//!
//! Only the one form that we write counts: what has other letter case, another number of digits or
//! further steps is somebody else's. Names are taken apart from their ends, never by what stands
//! before: another catalogue's prefix may lie below ours.

use xylem_model::ContentId;

use crate::layout::{Prefix, SEGMENT_DIGITS};

/// Letters of a UUID with its hyphens (RFC 9562, section 4).
const UUID_LETTERS: usize = 36;
/// Where its hyphens are.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A content.
    Content(ContentId),
    /// A segment of a content, of parts of so many bytes; numbers count from 1.
    Segment {
        /// The content.
        content: ContentId,
        /// Bytes of each segment but the last.
        part_bytes: u64,
        /// Its number.
        number: u32,
    },
    /// The marker.
    Marker,
    /// What a test left.
    Probe,
    /// A segment of what a test left.
    ProbeSegment,
    /// Something that is not of our form: left alone.
    Foreign,
}

impl Prefix {
    /// What a name stands for in the container of the objects. Segments are there below
    /// `segments/` alone.
    pub fn read(&self, key: &str) -> Named {
        let Some(rest) = key.strip_prefix(self.everything().as_str()) else {
            return Named::Foreign;
        };
        match rest.strip_prefix("segments/") {
            Some(rest) => segment(rest),
            None if rest == "xylem.json" => Some(Named::Marker),
            None => object(rest),
        }
        .unwrap_or(Named::Foreign)
    }

    /// What a name stands for in a container that holds segments alone.
    pub fn read_apart(&self, key: &str) -> Named {
        let rest = key.strip_prefix(self.everything().as_str());
        rest.and_then(segment).unwrap_or(Named::Foreign)
    }
}

/// A content or a probe, by its name below the prefix.
fn object(rest: &str) -> Option<Named> {
    if let Some(name) = rest.strip_prefix("probe/") {
        return is_probe(name).then_some(Named::Probe);
    }
    let (folder, id) = rest.strip_prefix("content/")?.split_once('/')?;
    let content: ContentId = id.parse().ok()?;
    let written = content.to_hex();
    (written == id && written.get(..2) == Some(folder)).then_some(Named::Content(content))
}

/// A segment, by its name below the prefix: an object's name, `PARTSIZE` and `NUMBER`.
fn segment(rest: &str) -> Option<Named> {
    let (rest, number) = rest.rsplit_once('/')?;
    let (of, size) = rest.rsplit_once('/')?;
    let part_bytes: u64 = size.parse().ok()?;
    let count: u32 = number.parse().ok().filter(|number| *number > 0)?;
    if part_bytes.to_string() != size || format!("{count:0SEGMENT_DIGITS$}") != number {
        return None;
    }
    match object(of)? {
        Named::Content(content) => Some(Named::Segment { content, part_bytes, number: count }),
        Named::Probe => Some(Named::ProbeSegment),
        _ => None,
    }
}

/// `UUID-NAME`, which no prefix of another catalogue is: that has further steps.
fn is_probe(name: &str) -> bool {
    let Some((id, name)) = name.split_at_checked(UUID_LETTERS) else { return false };
    let letter = |(at, byte): (usize, u8)| match UUID_HYPHENS.contains(&at) {
        true => byte == b'-',
        false => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
    };
    id.bytes().enumerate().all(letter) && name.starts_with('-') && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000";

    #[test]
    fn names_are_read_back() {
        let id = ContentId::of(b"xylem");
        for prefix in ["", "macs", "a/b-c_d.e"] {
            let prefix = Prefix::new(prefix).unwrap();
            let probe = prefix.probe(UUID, "a b+é&50%#");
            assert_eq!(prefix.read(prefix.content(&id).as_str()), Named::Content(id));
            assert_eq!(prefix.read(prefix.marker().as_str()), Named::Marker);
            assert_eq!(prefix.read(probe.as_str()), Named::Probe);
            let segment = prefix.segment(&id, 1 << 26, 7);
            assert!(segment.as_str().ends_with("/67108864/00007"), "{segment}");
            let named = Named::Segment { content: id, part_bytes: 1 << 26, number: 7 };
            assert_eq!(prefix.read_apart(segment.as_str()), named);
            assert_eq!(prefix.read(prefix.in_segments(&segment).as_str()), named);
            let of_probe = probe.segment(1 << 26, 100_000);
            assert_eq!(prefix.read_apart(of_probe.as_str()), Named::ProbeSegment);
            assert_eq!(prefix.read(prefix.in_segments(&of_probe).as_str()), Named::ProbeSegment);
        }
    }

    #[test]
    fn what_lies_at_the_other_place_is_foreign() {
        let prefix = Prefix::new("p").unwrap();
        let id = ContentId::of(b"xylem");
        let segment = prefix.segment(&id, 1, 1);
        assert_eq!(prefix.read(segment.as_str()), Named::Foreign, "among the objects");
        let within = prefix.in_segments(&segment);
        assert_eq!(prefix.read_apart(within.as_str()), Named::Foreign, "among the segments");
        let content = prefix.in_segments(&prefix.content(&id));
        assert_eq!(prefix.read(content.as_str()), Named::Foreign);
        assert_eq!(prefix.read_apart(prefix.content(&id).as_str()), Named::Foreign);
    }

    #[test]
    fn what_is_not_of_our_form_is_foreign() {
        let prefix = Prefix::new("p").unwrap();
        let id = ContentId::of(b"xylem").to_hex();
        let two = &id[..2];
        for key in [
            "",
            "p",
            "p/",
            "other",
            "content/00/x",
            "p/content/",
            "pp/xylem.json",
            "p/probe/",
            "p/probe/1-a",
            &format!("p/probe/{UUID}"),
            &format!("p/probe/{}-a", UUID.to_uppercase()),
            &format!("p/probe/{UUID}-a/xylem.json"),
            &format!("p/content/zz/{id}"),
            &format!("p/content/{two}/{}", id.to_uppercase()),
            &format!("p/content/{two}/{id}/"),
            &format!("p/content/{two}/{id}/1"),
            &format!("p/segments/content/{two}/{id}/1/7"),
            &format!("p/segments/content/{two}/{id}/01/00007"),
            &format!("p/segments/content/{two}/{id}/+1/00007"),
            &format!("p/segments/content/{two}/{id}/1/00000"),
            &format!("p/segments/content/{two}/{id}/1/00007/x"),
        ] {
            assert_eq!(prefix.read(key), Named::Foreign, "{key}");
            let apart = key.replace("/segments/", "/");
            assert_eq!(prefix.read_apart(&apart), Named::Foreign, "{apart}");
        }
    }

    /// A catalogue at `p/segments` whose own key signs writes such names, and a listing may hold
    /// any number of steps.
    #[test]
    fn segments_of_another_catalogue_below_are_foreign_at_any_depth() {
        let prefix = Prefix::new("p").unwrap();
        let id = ContentId::of(b"xylem").to_hex();
        for depth in [2, 3, 110_000] {
            let steps = "segments/".repeat(depth);
            let key = format!("p/{steps}content/{}/{id}/1/00001", &id[..2]);
            assert_eq!(prefix.read(&key), Named::Foreign, "{depth}");
            assert_eq!(prefix.read_apart(&key), Named::Foreign, "{depth}");
        }
    }
}
