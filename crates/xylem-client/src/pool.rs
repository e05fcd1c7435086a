//! Connections kept for the next call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use crate::{BaseUrl, RequestBody};

/// Connections kept for each server: as many as a root has contents on their way into the cloud, each of
/// which speaks with the management server and with the provider. What is not used is closed by the other
/// side within seconds.
const MAX_KEPT: usize = 32;

/// An open connection.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<RequestBody>,
    /// The task that drives it.
    pub(crate) task: AbortHandle,
    /// The certificate it showed is that of this age of the pool.
    pub(crate) age: Age,
}

/// Counts how often the pool was emptied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Age(u64);

/// Open connections by server.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    age: Age,
    by_server: HashMap<BaseUrl, Vec<Connection>>,
}

impl Pool {
    /// The age in which a connection that is opened now belongs.
    pub(crate) fn age(&self) -> Age {
        self.kept().age
    }

    /// Closes what is kept. Connections that are in use now are not kept either afterwards: they
    /// too showed the old certificate.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept();
        kept.age.0 += 1;
        kept.by_server.clear();
    }

    /// A connection whose last answer was read to its end: only such a one is ready.
    pub(crate) fn take(&self, server: &BaseUrl) -> Option<Connection> {
        let mut kept = self.kept();
        let connections = kept.by_server.get_mut(server)?;
        connections.retain(|connection| !connection.sender.is_closed());
        let at = connections.iter().position(|connection| connection.sender.is_ready())?;
        Some(connections.swap_remove(at))
    }

    /// Keeps a connection, whose answer may still be on its way.
    pub(crate) fn put(&self, server: &BaseUrl, connection: Connection) {
        let mut kept = self.kept();
        if connection.age != kept.age {
            return;
        }
        let connections = kept.by_server.entry(server.clone()).or_default();
        connections.retain(|connection| !connection.sender.is_closed());
        if connections.len() < MAX_KEPT {
            connections.push(connection);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
