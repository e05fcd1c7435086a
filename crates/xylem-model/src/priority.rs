//! What goes first.

use crate::word::words;

words! {
    /// How much of a hurry a file is in. Only urgent files go before small ones.
    #[derive(Default)]
    Priority, "priority", "urgent, normal or bulk",
    /// After everything else: what nobody waits for.
    Bulk = "bulk",
    /// As it comes.
    #[default]
    Normal = "normal",
    /// Before everything else.
    Urgent = "urgent",
}

words! {
    /// In which order a distribution server asks its parents. Ids and ranges are the same at each
    /// of them, so the choice decides load and cost, never content. The names are those of Apple's
    /// content caching.
    #[derive(Default)]
    ParentPolicy, "parent policy",
    "first-available, sticky, by-hash, round-robin or random",
    /// Which parent a content comes from follows from its id: parents share the load, and each
    /// reads a content from its disk for the same children.
    ByHash = "by-hash",
    /// The first of the list that can be reached.
    #[default]
    FirstAvailable = "first-available",
    /// Any, anew for each content.
    Random = "random",
    /// Each in turn.
    RoundRobin = "round-robin",
    /// The one that gave the last content, as long as it can be reached.
    Sticky = "sticky",
}
