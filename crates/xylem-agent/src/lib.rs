//! The program of a managed Mac: checks in, fetches, verifies, installs, reports.
//!
//! What it promises (P9): the installer never gets a byte that the management server did not sign
//! for, and no order that was carried out is carried out again, wherever a power cut or `kill -9`
//! strikes. The parts, in the order in which an order meets them:
//!
//! 1. [`enroll`] turns an invitation into an identity and a pinned trust document.
//! 2. [`Agent::check_in`] asks the management server for this computer's signed orders and refuses
//!    them unless they are for this computer, of now, and no older than the last ones.
//! 3. `fetch` gets the content from the nearest distribution server, goes on to the next one in the
//!    middle of the file if need be, and keeps what it has across restarts.
//! 4. `cache` verifies the whole file through the very descriptor that the installer gets.
//! 5. `ledger` writes down what is about to be done, and what was done, before anybody hears of it;
//!    reports wait there until the management server took them.
//! 6. [`Agent::run`] does this for ever.
//!
//! The data folder and its files are described in `folder`. No code of the management server, the
//! console, the database or the certificate authority is linked in here.

mod agent;
mod cache;
mod certificate;
mod check_in;
mod content;
mod enroll;
mod error;
mod facts;
mod fetch;
mod folder;
mod inventory;
mod ledger;
mod order;
mod outbox;
mod plist;
mod progress;
mod run;
mod session;
mod target;

pub use agent::{Agent, FetchedPackage};
pub use check_in::{CheckInOutcome, OrderOutcome};
pub use enroll::{EnrollOptions, Enrollment, enroll};
pub use error::AgentError;
pub use facts::{architecture, host_name, serial_number};
pub use fetch::{FetchError, FetchPolicy};
pub use folder::FolderError;
pub use inventory::{Inventory, Receipt};
pub use progress::{Progress, ProgressSink, silent};
pub use target::{Target, TargetError};
