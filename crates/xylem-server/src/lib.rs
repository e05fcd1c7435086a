//! Management server: knows everything, holds no package bytes.
//!
//! It keeps the catalogue, the tree of distribution servers, computers and their orders in its
//! database; it lets machines join and tells them what to hold and what to do, in documents signed
//! with keys that nobody else has; it answers the administrator's command line and scripts.
//!
//! * [`ServerConfig`]: what is installed. [`init`], [`backup`], [`restore`]: one call each.
//! * [`Server`]: open it, run it.
//! * [`ControlService`] and [`control_router`]: the control link alone. It decides on a
//!   [`WishStore`] and touches the machine only through an
//!   [`Environment`](xylem_runtime::Environment), so simulations run it on a [`MemoryWishStore`].
//! * [`openapi_json`], [`route_table`]: the API as it is served. Each route is registered with the
//!   permission it takes; one without cannot be.
//!
//! How a change gets around: a handler writes it, with a new generation, in one transaction; the
//! newest stamp is announced; event streams wake; distribution servers ask what changed and
//! compare with what they hold. Nothing depends on an event having been seen.
//!
//! Not here: package bytes (uploads that come this way are streamed on to the ingest server), the
//! console, the command line.

mod api;
mod app;
mod authorities;
mod backup;
mod candidates;
mod cloud;
mod config;
mod control;
mod error;
mod extract;
mod failure;
mod folder;
mod init;
mod jobs;
mod limiter;
mod manifest;
mod names;
mod openapi;
mod permission;
mod sealed;
mod secret;
mod server;
mod shown;
mod tickets;
mod trust;
mod uploading;
mod wish;

pub use backup::{BackupReport, backup, restore};
pub use cloud::{
    Broken, CloudDuty, CloudMemory, CloudRoundTerms, CloudService, CloudStore, DatabaseCloudStore,
    MemoryCloudStore, OpenPoint, Work,
};
pub use config::{ConfigError, DatabaseAddress, MAX_CONFIG_BYTES, SAMPLE, ServerConfig};
pub use control::{
    ControlService, Unlisted, cloud_router as cloud_control_router, router as control_router,
};
pub use error::ServerError;
pub use init::{Initialized, init, is_initialized};
pub use openapi::{openapi_json, route_table};
pub use permission::Permission;
pub use sealed::Unsealable;
pub use server::Server;
pub use wish::{
    Changes, CommitOutcome, DatabaseWishStore, DeletedFile, HandOverError, LackingDigests,
    MemoryUpload, MemoryWishStore, Overview, ServerNews, ServerWish, Sign, Standing, WantedVersion,
    WishError, WishStore,
};
