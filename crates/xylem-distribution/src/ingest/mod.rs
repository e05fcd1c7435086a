//! Taking uploads in.
//!
//! An upload has a record, `state/uploads/ID.json`, that says how far it is; each step is written
//! down before the next is taken, and each can be repeated:
//!
//! ```text
//! receiving → completing → committed → published
//!                    ↘ refused
//! ```
//!
//! Where the cloud is the principal *storing* lies between the second and the third ([`storing`]).
//!
//! A crash leaves an upload that goes on: by its sender repeating what it was about to do, or, from
//! *completing* on, by [`housekeeping`] alone. While `receiving`, nothing is owed to anybody; from
//! `committed` on the catalogue names the file, so it is published whatever happens.

mod ahead;
mod direct;
mod finish;
mod handed_on;
mod housekeeping;
mod out_of_order;
mod receive;
mod record;
mod routes;
mod slots;
mod storing;

pub(crate) use direct::{Gathered, Piece, Pieces, Whole, receive_whole};
pub(crate) use finish::{away, final_word};
pub(crate) use housekeeping::{offer_committed, run as housekeeping, sweep_staged};
pub(crate) use routes::routes;
pub(crate) use slots::Uploads;
