//! Wire types of the HTTP API, version 1.
//!
//! Plain data: what travels between the programs and their callers, with its OpenAPI schema.
//! Routes are listed, with who may call them, in `docs/design/api.md`. Wire types are not model
//! types: where both have the same shape the conversion still happens at the border, but checked
//! newtypes of `xylem-model` (names, ids, digests, times) appear here directly, because their
//! text form is their definition.

pub mod agent;
pub mod authorities;
pub mod catalogue;
pub mod certificates;
pub mod cloud;
pub mod cloud_files;
pub mod comparison;
pub mod content;
pub mod control;
pub mod control_cloud;
pub mod control_folder;
pub mod control_read_back;
pub mod digests;
pub mod enrollment;
pub mod error;
pub mod index;
pub mod ingest;
pub mod inventory;
pub mod manifests;
pub mod records;
pub mod scripts;
pub mod selection;
pub mod server;
pub mod tree;

/// The prefix of every route of this version.
pub const PREFIX: &str = "/v1";

/// Most rows a page of any list holds.
pub const MAX_PAGE: u64 = 500;
