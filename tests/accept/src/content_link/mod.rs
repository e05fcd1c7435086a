//! The content link: from a parent to its children.

pub(crate) mod faults;
