//! The double as tests have it in hand.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use rustls::ServerConfig;
use tokio::task::JoinSet;
use xylem_runtime::Environment;

use super::tree::{Node, Stored};
use super::{NETSTORAGE_CP_CODE, NetStorageFault, State, edge, locked, purge, storage};
use crate::loopback::{OwnTls, listener, serve};

/// A strict Akamai. It ends when it is dropped.
pub struct NetStorageDouble {
    state: Arc<State>,
    storage_port: u16,
    edge_port: u16,
    purge_port: u16,
    ca_pem: String,
    _tasks: JoinSet<()>,
}

impl NetStorageDouble {
    /// Begins to listen on free ports of the loopback, by the clock of an environment, with a
    /// certificate and a folder of its own.
    pub async fn start(environment: &Environment) -> Self {
        let tls = OwnTls::make(environment, "netstorage");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let state = State::new(environment, &path, Some(folder));
        let mut double = Self::listen(state, &tls.config, "127.0.0.1").await;
        double.ca_pem = tls.ca_pem;
        double
    }

    /// The same by the clock of this machine, with somebody else's certificate, for `host`. Files
    /// are kept in `folder`, which is there.
    pub async fn start_in(folder: &Path, tls: &Arc<ServerConfig>, host: &str) -> Self {
        Self::listen(State::new(&Environment::real(), folder, None), tls, host).await
    }

    async fn listen(state: Arc<State>, tls: &Arc<ServerConfig>, host: &str) -> Self {
        let mut tasks = JoinSet::new();
        let (at_storage, storage_port) = listener().await;
        let shared = Arc::clone(&state);
        tasks.spawn(serve(at_storage, Arc::clone(tls), move |request| {
            storage::serve(Arc::clone(&shared), request)
        }));
        let (at_edge, edge_port) = listener().await;
        *locked(&state.edge_origin) = format!("https://{host}:{edge_port}");
        let shared = Arc::clone(&state);
        tasks.spawn(serve(at_edge, Arc::clone(tls), move |request| {
            edge::serve(Arc::clone(&shared), request)
        }));
        let (at_purge, purge_port) = listener().await;
        let shared = Arc::clone(&state);
        tasks.spawn(serve(at_purge, Arc::clone(tls), move |request| {
            purge::serve(Arc::clone(&shared), request)
        }));
        Self { state, storage_port, edge_port, purge_port, ca_pem: String::new(), _tasks: tasks }
    }

    /// Where NetStorage is: `https://…`.
    pub fn upload_host(&self) -> String {
        format!("https://127.0.0.1:{}", self.storage_port)
    }

    /// Where the edge is: `https://…`. Its path stands for the CP code.
    pub fn delivery_url(&self) -> String {
        locked(&self.state.edge_origin).clone()
    }

    /// Where the purge API is: a host with its port.
    pub fn purge_host(&self) -> String {
        format!("127.0.0.1:{}", self.purge_port)
    }

    /// The ports of NetStorage, of the edge and of the purge API.
    pub const fn ports(&self) -> (u16, u16, u16) {
        (self.storage_port, self.edge_port, self.purge_port)
    }

    /// By which authority it is to be believed, where the certificate is its own.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Has it misbehave from now on.
    pub fn misbehave(&self, fault: NetStorageFault) {
        *locked(&self.state.fault) = fault;
    }

    /// Has no upload end, or lets those that wait.
    pub fn hold_uploads(&self, is_held: bool) {
        locked(&self.state.under_way).is_held = is_held;
    }

    /// Uploads whose bytes come at this moment, and the most that did at once.
    pub fn uploads(&self) -> (u32, u32) {
        let under_way = locked(&self.state.under_way);
        (under_way.now, under_way.most)
    }

    /// Names of all files below the CP code, in order: `macs/xylem.json`.
    pub fn names(&self) -> Vec<String> {
        let (tree, top) = (locked(&self.state.tree), format!("/{NETSTORAGE_CP_CODE}"));
        let files = tree.below(&top).filter(|(_, entry)| !matches!(entry.node, Node::Folder));
        files.map(|(path, _)| path.get(top.len() + 1..).unwrap_or_default().to_owned()).collect()
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        let stored = locked(&self.state.tree).file(&path(name)).ok()?.clone();
        fs::read(&stored.blob.file).ok().map(Bytes::from)
    }

    /// Writes a file, as somebody else does who has the key. Folders that lack are made.
    pub fn place(&self, name: &str, bytes: &[u8]) {
        let blob = self.state.new_blob();
        fs::write(&blob.file, bytes).unwrap();
        let (size, md5) = (bytes.len() as u64, hex::encode(Md5::digest(bytes)));
        let stored = Stored { blob: Arc::new(blob), size, md5 };
        let (now, path) = (self.state.now().unix_seconds(), path(name));
        let mut tree = locked(&self.state.tree);
        let top = NETSTORAGE_CP_CODE.to_string().len() + 1;
        for (end, _) in path.match_indices('/').skip_while(|(end, _)| *end <= top) {
            let folder = path.get(..end).unwrap_or_default();
            if !tree.is_folder(folder) {
                tree.put(folder, Node::Folder, now).unwrap();
            }
        }
        tree.put(&path, Node::File(stored), now).unwrap();
    }

    /// Removes a file, as somebody else does who has the key.
    pub fn take_away(&self, name: &str) {
        locked(&self.state.tree).remove(&path(name), false).unwrap();
    }

    /// Action and path of everything that was asked and not refused for who asked, in order:
    /// `upload /123456/macs/xylem.json`; of the edge `edge /macs/…`, of purging
    /// `purge-delete-production /macs/…`.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.state.asked).clone()
    }

    /// How often a file was asked for by an action.
    pub fn times(&self, action: &str, name: &str) -> usize {
        let what = format!("{action} {}", path(name));
        locked(&self.state.asked).iter().filter(|asked| **asked == what).count()
    }
}

fn path(name: &str) -> String {
    format!("/{NETSTORAGE_CP_CODE}/{name}")
}
