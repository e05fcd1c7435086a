//! The real code on a simulated network, disk and clock.
//!
//! One seed is one run: a management server's control link and a tree of 3 to 20 distribution
//! servers, with their real programs, real TLS and real signatures; an uploader, a reader and an
//! administrator; and one who makes faults: hosts crash (what was not synced is lost, unsynced
//! blocks are torn), links are cut, bits rot on the disks below the root, clocks go wrong by an hour
//! or a day, disks fill up, and a relay may lie. What is checked:
//!
//! * **P1** every body that was read to its end with 200 or 206 is the published content;
//! * **P2** no upload that was acknowledged is lost by the root;
//! * **P3** once the faults stop, every server holds everything within a minute;
//! * **P4** whatever parents are changed, all servers hang below one root;
//! * **P5** a minute after a server was removed, nobody answers it;
//! * **P6** a day after content became unwanted it is collected, and nothing else is;
//! * **P8** what a server holds is what the placement says;
//! * of the cloud distribution point, which one seed in four has, a strict S3: that nothing there is
//!   overwritten, that everything was proved before it is offered, that nothing wanted and nothing of
//!   others is deleted, that nothing stays behind, and that in the end all that was chosen is there
//!   (`docs/design/cloud.md`, invariants 2 to 5 and 9).
//!
//! The same seed gives the same run, key bytes aside. A planted fault ([`Planted`]) makes the code
//! worse at a seam; a check that does not notice is no check.

mod cloud;
mod disk;
mod environment;
mod faults;
mod history;
mod hosts;
mod machine;
mod people;
mod run;
mod watched;
mod world;

pub use disk::FLIPPED_BITS;
pub use history::Figures;
pub use machine::Planted;
pub use run::{Outcome, run_seed};
