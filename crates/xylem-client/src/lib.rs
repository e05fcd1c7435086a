//! The only sanctioned way for one program to call another.
//!
//! * [`Transport`]: HTTPS over the [`Net`](xylem_runtime::Net) seam, with connections kept and
//!   every wait bounded.
//! * [`AdminClient`]: what the command line and scripts call, with an API token.
//! * [`ControlClient`]: distribution server to management server.
//! * [`AgentClient`]: computer to management server.
//! * [`ContentClient`]: anybody to a distribution server: contents by range, uploads.
//! * [`CloudClient`]: whoever has a request of `xylem-cloud` to a provider of cloud storage.
//! * [`CloudContentClient`]: whoever got an address of a content in a cloud, to that cloud.
//! * [`enroll`](mod@enroll): joining, by CA file or pinned fingerprint; renewal.
//!
//! A client never guesses: an answer of 400 and above becomes [`ClientError::Answer`] with the
//! other side's own words. Answers of a cloud are handed on as they are, for `xylem-cloud` to read.

mod admin;
mod again;
mod agent;
mod authorities;
mod base_url;
mod body;
mod certificates;
mod cloud;
mod cloud_content;
mod cloud_point;
mod comparison;
mod content;
mod control;
mod digests;
pub mod enroll;
mod error;
mod events;
mod exchange;
mod index;
mod many;
mod marks;
mod outgoing;
mod pool;
mod records;
mod scripts;
mod search;
mod selection;
mod transport;

pub use admin::{AdminClient, NamedKind};
pub use agent::AgentClient;
pub use authorities::{
    FollowAuthoritiesError, PresentRoot, believing, built_in, follow_authorities, shown_chain,
};
pub use base_url::{BaseUrl, BaseUrlError, ContentUrl};
pub use body::{BodyReader, RequestBody, channel_body, empty_body, full_body, next_of};
pub use cloud::{CloudClient, CloudCourier};
pub use cloud_content::CloudContentClient;
pub use content::{ContentAnswer, ContentAuth, ContentClient};
pub use control::ControlClient;
pub use digests::RunningDigests;
pub use error::ClientError;
pub use events::EventStream;
pub use index::IndexQuery;
pub use many::ManyReader;
pub use search::FileSearch;
pub use transport::{Deadlines, Transport};
