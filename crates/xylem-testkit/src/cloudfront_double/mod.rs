//! A strict CloudFront in memory, over TLS: an edge with a cache, and what takes objects out of it.
//!
//! * [`edge`]: gives what lies in a bucket to whoever has a URL that is signed with a canned policy.
//!   What it gave once it goes on giving, until that was invalidated.
//! * [`invalidation`]: `CreateInvalidation`, as strict as Amazon describes it.
//! * [`net`]: how Amazon's fixed host name leads here.
//!
//! Written by Amazon's descriptions; it shares no code with ours.

mod edge;
mod invalidation;
mod net;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rcgen::KeyPair;
use tokio::task::JoinSet;
use xylem_runtime::{Environment, Net};

pub use invalidation::CloudFrontControl;
use net::NamedNet;

use crate::loopback::{self, OwnTls};
use crate::s3_double::{S3_KEY_ID, S3_SECRET, locked};

/// Where all of Amazon's distributions are managed.
pub const CLOUDFRONT_HOST: &str = "cloudfront.amazonaws.com";
/// The one distribution's id.
pub const CLOUDFRONT_DISTRIBUTION: &str = "EDOUBLE";

/// What the edge reads objects with.
type Origin = dyn Fn(&str) -> Option<Bytes> + Send + Sync;

/// A strict CloudFront in memory. It ends when it is dropped.
pub struct CloudFrontDouble {
    state: Arc<State>,
    edge_port: u16,
    /// What takes objects out of its cache.
    pub control: CloudFrontControl,
    ca_pem: String,
    _tasks: JoinSet<()>,
}

struct State {
    environment: Environment,
    /// Whose private half signs URLs.
    key: KeyPair,
    origin: Box<Origin>,
    /// What was given, by the path.
    cache: Mutex<BTreeMap<String, Bytes>>,
}

impl CloudFrontDouble {
    /// Begins to listen on two free ports of the loopback, by the clock of an environment. Objects
    /// are read with a function, by their names.
    pub async fn start(
        environment: &Environment,
        origin: impl Fn(&str) -> Option<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let hosts = ["127.0.0.1", CLOUDFRONT_HOST];
        let OwnTls { ca_pem, config } = OwnTls::for_hosts(environment, "cloudfront", &hosts);
        let state = Arc::new(State {
            environment: environment.clone(),
            key: KeyPair::generate().unwrap(),
            origin: Box::new(origin),
            cache: Mutex::default(),
        });
        let (listener, edge_port) = loopback::listener().await;
        let (giving, mut tasks) = (Arc::clone(&state), JoinSet::new());
        let give = move |request| edge::serve(Arc::clone(&giving), request);
        tasks.spawn(loopback::serve(listener, Arc::clone(&config), give));
        let (listener, _) = loopback::listener().await;
        let forgetting = Arc::clone(&state);
        let forget = move |paths: &[String]| forgetting.forget(paths);
        let keys = (S3_KEY_ID, S3_SECRET);
        let control = CloudFrontControl::on(listener, config, environment, keys, forget);
        Self { state, edge_port, control, ca_pem, _tasks: tasks }
    }

    /// The distribution's address: `https://…`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.edge_port)
    }

    /// What the public half of its key is called.
    pub fn key_pair_id(&self) -> &'static str {
        edge::KEY_PAIR_ID
    }

    /// The private half, in PEM.
    pub fn private_key(&self) -> String {
        self.state.key.serialize_pem()
    }

    /// By which authority it is to be believed.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A network in which Amazon's host name leads here, and every other where it leads in another.
    pub fn net(&self, net: Arc<dyn Net>) -> Arc<dyn Net> {
        Arc::new(NamedNet { net, port: self.control.port() })
    }
}

impl State {
    /// Takes paths out of the cache.
    fn forget(&self, paths: &[String]) {
        let mut cache = locked(&self.cache);
        for path in paths {
            cache.remove(path);
        }
    }
}
