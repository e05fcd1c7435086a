//! A window for `xylem-fuzz`: what a path names is decided in private, and is tried from outside.

use xylem_model::FileName;

use crate::serve::Target;

/// The file name in a path of the published folders; none where there is none.
pub fn published_name(path: &str) -> Option<FileName> {
    match Target::of(path)? {
        Target::Published(_, name) => name,
        Target::Content(_) | Target::Tree(_) => None,
    }
}
