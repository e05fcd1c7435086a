//! What is kept on the disk, over restarts and crashes.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the way to fail")]

mod folder;
