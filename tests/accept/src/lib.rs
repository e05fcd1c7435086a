//! Long and large acceptance runs.
