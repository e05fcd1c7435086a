//! What an answer says of a published file, made once for each.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use xylem_model::ContentId;
use xylem_trust::Descriptor;

/// Files that are remembered: about a megabyte.
const MAX_HEADS: usize = 1024;

/// The headers that do not depend on the request.
#[derive(Default)]
pub(crate) struct Heads(Mutex<HashMap<ContentId, (Arc<Descriptor>, HeaderMap)>>);

impl Heads {
    /// The headers of a descriptor; made where they are not there yet. Of two names of one content
    /// the one asked for last is remembered.
    pub(crate) fn of(
        &self,
        descriptor: &Arc<Descriptor>,
        make: impl FnOnce(&Descriptor) -> HeaderMap,
    ) -> HeaderMap {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, headers)) = heads.get(&descriptor.content)
            && Arc::ptr_eq(known, descriptor)
        {
            return headers.clone();
        }
        if heads.len() >= MAX_HEADS {
            heads.clear();
        }
        let headers = make(descriptor);
        heads.insert(descriptor.content, (Arc::clone(descriptor), headers.clone()));
        headers
    }
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heads").finish_non_exhaustive()
    }
}
