//! The seams between Xylem and the machine it runs on.
//!
//! All logic that decides something reaches the outside through four small traits, [`Clock`],
//! [`Net`], [`Fs`] and [`Rng`], bundled as an [`Environment`]. The real ones are tokio's and
//! std's; in simulation they are turmoil's, and the same code runs through crashes, partitions
//! and torn writes. Sleeping is tokio's own, which a simulation already controls.
//!
//! Beside them: [`GuardedNet`] (no connection to one's own network), [`Backoff`] (full jitter), [`Shutdown`] (drain and stop), [`FolderLock`] (one
//! process at a time).

mod backoff;
mod cached;
mod clock;
mod disk;
mod environment;
mod fs;
mod guarded_net;
mod host;
mod lock;
mod net;
mod pass;
mod rng;
mod shutdown;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, SystemClock};
pub use disk::Disk;
pub use environment::Environment;
pub use fs::{
    Entry, Fs, FsFile, RealFs, SyncGroup, read_bounded, replace_file, replace_private_file,
};
pub use guarded_net::{GuardedNet, is_public};
pub use host::host_name;
pub use lock::FolderLock;
pub use net::{Accepted, Listener, Net, RealNet, Stream};
pub use pass::{receive_socket, send_socket};
pub use rng::{Rng, SystemRng, random_array};
pub use shutdown::Shutdown;
