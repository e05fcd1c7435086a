//! Making reality follow the wish.
//!
//! * [`run`]: asks the planner what to do next, starts it, and asks again when something changed.
//! * [`fetch`](mod@fetch): one content, from whichever parent gives it.
//! * [`parents`]: which parents are worth asking.
//! * [`removal`]: taking away what has not been wanted for long enough.

mod fetch;
mod parents;
mod removal;
mod worker;

pub(crate) use worker::run;
