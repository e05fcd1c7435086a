//! The management server over real TLS on loopback, with a database of its own for each test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod accounts;
mod adoption;
mod agents;
mod changes;
mod cloud;
mod cloud_edge;
mod cloud_files;
mod cloud_filling;
mod cloud_leaving;
mod cloud_netstorage;
mod cloud_offering;
mod cloud_principal;
mod cloud_swift;
mod comparison;
mod control;
mod digests;
mod document;
mod enrollment;
mod events;
mod file_records;
mod hand_over;
mod harness;
mod index;
mod ingest;
mod manifests;
mod marks;
mod memory;
mod permissions;
mod records;
mod renewal;
mod scripts;
mod search;
mod selection;
mod setup;
mod uploads;
