//! Versions of a file beside the one that its name means.

use crate::word::words;

words! {
    /// What a version is that is held though its file's name does not mean it.
    VersionMark, "mark of a version", "test or previous",
    /// It was the version in production until the last promotion or rollback: going back to it
    /// takes no copying.
    Previous = "previous",
    /// It waits to be promoted: tried out by those who ask for it.
    Test = "test",
}
