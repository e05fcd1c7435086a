//! The distribution server: holds verified copies of what the management server wants at its
//! place, and hands them to whoever may have them.
//!
//! 1. [`enroll`](fn@enroll) joins a management server, once, and writes a data folder.
//! 2. [`DistributionServer::open`] opens that folder and a port; [`DistributionServer::run`] does
//!    the rest until it is told to stop.
//! 3. [`status`](fn@status) reads the folder for a person.
//!
//! While it runs, a handful of tasks share one [`node`]: `control` learns what is wanted and
//! checks every signed document before any of it counts; `sync` asks the planner of `xylem-sync`
//! what to do and does it; `ingest` takes uploads in where new files enter; `serve` answers,
//! and `dav` where WebDAV is asked, of whom `accounts` knows who they are; `report` tells what is here;
//! `digests` computes what is known of a file after its upload; `cloud` sends, where this is the
//! root, what a cloud distribution point lacks; `renewal` keeps the certificate
//! young. None of them remembers anything that the data folder does not, so a crash at any point
//! costs at most some bytes fetched twice.
//!
//! Not to be found here: rights and placement, which are the management server's and arrive
//! signed; and any path around the seams of `xylem-runtime`: the same code runs in simulation.
//! Only [`ChildInspector`] starts a process, which a simulation replaces by [`NoInspector`].

mod access;
mod accounts;
mod acme;
mod arrivals;
mod cloud;
mod control;
mod data;
mod dav;
mod digests;
mod documents;
mod enroll;
#[doc(hidden)]
pub mod fuzzing;
mod handover;
mod ingest;
mod inspector;
mod inventory;
mod manifest;
mod node;
mod pace;
mod pour;
mod renewal;
mod report;
mod running;
mod scrub;
mod seed;
mod serve;
mod server;
mod shown;
mod status;
mod sync;
mod tickets;
mod watch;

pub use data::{DataError, Settings};
pub use enroll::{EnrollError, EnrollOptions, enroll, write_membership};
pub use handover::HandoverError;
pub use inspector::{Candidate, ChildInspector, Inspector, NoInspector};
pub use seed::{SeedError, Seeded, seed};
pub use server::{DistributionServer, OpenError, Options};
pub use status::{Status, status};
