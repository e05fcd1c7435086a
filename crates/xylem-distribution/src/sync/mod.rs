//! Making reality follow the wish.
//!
//! * [`run`]: asks the planner what to do next, starts it, and asks again when something changed.
//! * [`fetch`](mod@fetch): one content, from whichever parent gives it.
//! * [`batch`]: many small files, in one stream.
//! * [`groups`]: small files of all streams, made durable together.
//! * [`from_cloud`]: what no parent gives, where this server is filled from the cloud.
//! * [`task`]: what both are given and what they give back.
//! * [`paced`]: bytes from a parent, no faster than they may come.
//! * [`parents`]: which parents are worth asking, in which order.
//! * [`trouble`]: when to try again what failed.
//! * [`removal`]: taking away what has not been wanted for long enough.

mod batch;
mod fetch;
mod from_cloud;
mod groups;
mod paced;
mod parents;
mod removal;
mod task;
mod trouble;
mod worker;

pub(crate) use worker::run;
