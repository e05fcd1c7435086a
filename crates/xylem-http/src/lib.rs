//! What every program that answers HTTP shares.
//!
//! * [`HttpServer`]: the accept loop. TLS handshakes run in their own tasks, because one stalled
//!   peer must not hold up the port; headers and bodies have time limits; connections are counted,
//!   in all and by address; shutting down lets answers in flight finish.
//! * [`Handler`], [`Api`]: what answers.
//! * [`AccessLog`]: a line for each answer.
//! * [`Peer`]: who is on the other side, put into every request.
//! * [`ApiError`]: handlers return it; [`ApiError::into_response`] is the one place where errors
//!   become answers.
//! * [`ApiJson`]: request bodies with a limit and an error a person can read.
//! * [`ByteRange`]: the `Range` header (RFC 9110 section 14).
//!
//! Not here: what is served, and to whom. Programs decide that.

mod access_log;
mod connection;
mod date;
mod error;
mod exchange;
mod handler;
mod lent;
mod limits;
mod observed;
mod pace;
mod peer;
mod range;
mod request_id;
mod server;
mod turns;
mod turnstile;
mod workers;

pub use access_log::AccessLog;
pub use date::http_date;
pub use error::{ApiError, ApiJson, MAX_JSON_BODY_BYTES};
pub use handler::{Api, Handler, Principal};
pub use limits::{DEFAULT_CONNECTIONS, DEFAULT_CONNECTIONS_PER_ADDRESS, Limits};
pub use peer::Peer;
pub use range::{ByteRange, RangeError, parse_range};
pub use request_id::{RequestId, current_request_id};
pub use server::{HttpServer, ListenError};
