//! Files that stay open between two readers.
//!
//! Small files that are asked for again and again would spend a sixth of their time in being
//! opened and closed. An open file lives with its entry in the index, so it goes when the content
//! is withdrawn or removed; it holds no lease, and keeps nothing from being removed.

use std::collections::VecDeque;
use std::sync::Arc;

use xylem_model::ContentId;
use xylem_runtime::FsFile;

use crate::repository::{Entry, State};

/// Contents whose files stay open.
const MAX_OPEN: usize = 256;

/// The open files of one content.
pub(crate) struct Files {
    pub(crate) data: Box<dyn FsFile>,
    /// Small content has none; see [`has_outboard`](crate::tree::has_outboard).
    pub(crate) outboard: Option<Box<dyn FsFile>>,
}

/// Contents whose files are open, the first opened first.
#[derive(Default)]
pub(crate) struct OpenOrder(VecDeque<ContentId>);

impl State {
    /// Keeps the files of published content open for the next reader, unless they are those of a
    /// copy that was withdrawn since it was leased.
    pub(crate) fn keep_open(&mut self, id: &ContentId, lease: &Arc<()>, files: &Arc<Files>) {
        let same = |entry: &&mut Entry| Arc::ptr_eq(&entry.lease, lease);
        let Some(entry) = self.index.get_mut(id).filter(same) else { return };
        if entry.files.replace(Arc::clone(files)).is_none() {
            self.open_order.0.push_back(*id);
        }
        while self.open_order.0.len() > MAX_OPEN {
            let Some(first) = self.open_order.0.pop_front() else { return };
            if let Some(entry) = self.index.get_mut(&first) {
                entry.files = None;
            }
        }
    }
}
