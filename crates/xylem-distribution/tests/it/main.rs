//! Distribution servers over real TLS on loopback, with a small management server beside them.
//!
//! * [`management`]: a management server that signs, lists and listens, and can be told to cheat.
//! * [`parent`]: a distribution server that can be told to lie.
//! * [`disk`]: a disk that can be told to be full.
//! * [`fleet`]: starts and stops the real thing, and waits for conditions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed check ends the test"
)]

mod disk;
mod fleet;
mod management;
mod parent;

mod cloud;
mod cloud_netstorage;
mod content_link;
mod control;
mod devices;
mod digests;
mod documents;
mod grants;
mod handover;
mod hostile;
mod hostile_webdav;
mod ingest;
mod parts;
mod replication;
mod scrub;
mod seed;
mod serving;
mod small_files;
mod start;
