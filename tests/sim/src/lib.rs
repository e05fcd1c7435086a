//! The real code on a simulated network, disk and clock.
//!
//! One seed is one run: a management server's control link, a root and two children, one below
//! the other, with their real programs, real TLS and real signatures; an uploader and a reader;
//! and a fault driver that crashes hosts (what was not synced is lost, unsynced blocks are torn),
//! cuts the network and lets bits rot on the children's disks. What is checked:
//!
//! * **P1** every body that was read to its end with 200 or 206 is the published content;
//! * **P2** no upload that was acknowledged is lost by the root;
//! * **P3** once the faults stop, every server holds everything within a minute.
//!
//! The same seed gives the same run, key bytes aside. A planted fault ([`Mutant`]) makes the code
//! worse at a seam; a check that does not notice is no check.

pub mod environment;
mod history;
mod hosts;
mod people;
mod run;
mod world;

pub use history::Figures;
pub use run::{Mutant, Outcome, run_seed};
