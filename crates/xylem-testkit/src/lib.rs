//! What stories about the whole system are told with. For tests only.
//!
//! ```text
//! let mut stage = Stage::set().await;                 // a management server, really running
//! stage.tree(&[("root", None), ("child", Some("root"))]).await;
//! stage.publish(&small_package(stage.path(), "A.pkg")).await;
//! stage.present_on("A.pkg", &["root", "child"]).await;
//! ```
//!
//! Beside the stage stand [`S3Double`], [`CloudFrontDouble`], [`SwiftDouble`] and [`NetStorageDouble`]: a
//! strict S3, a strict CloudFront before it, a strict Swift and a strict Akamai, in this process.
//!
//! Every part is a real process with real TLS on a port that was free, in a folder of its own,
//! which is kept, with its logs, when the story fails. Waits look at state and are bounded.

// A helper of tests that cannot go on must fail the test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on must fail, and say why"
)]

mod cloudfront_double;
mod cut_proxy;
mod loopback;
mod netstorage_double;
mod packages;
mod s3_double;
mod snapshot;
mod stage;
mod swift_double;
mod wait;
mod webdav;

pub use cloudfront_double::{
    CLOUDFRONT_DISTRIBUTION, CLOUDFRONT_HOST, CloudFrontControl, CloudFrontDouble,
};
pub use cut_proxy::{CutProxy, Direction};
pub use netstorage_double::{
    EDGE_TOKEN_NAME, EDGE_TOKEN_SALT, EDGE_TOKEN_SECRET, EDGEGRID_ACCESS_TOKEN,
    EDGEGRID_CLIENT_SECRET, EDGEGRID_CLIENT_TOKEN, NETSTORAGE_ACCOUNT, NETSTORAGE_CP_CODE,
    NETSTORAGE_KEY, NetStorageDouble, NetStorageFault,
};
pub use packages::{package_of, small_package};
pub use s3_double::{S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Event, S3Fault};
pub use snapshot::{Snapshot, snapshot};
pub use stage::{Stage, programs};
pub use swift_double::{
    SWIFT_CONTAINER, SWIFT_CREDENTIAL, SWIFT_DOMAIN, SWIFT_PASSWORD, SWIFT_PROJECT, SWIFT_REGION,
    SWIFT_USER, SwiftDouble, SwiftFault,
};
pub use wait::eventually;
pub use webdav::{Answer, Sending, WebDav};
