//! Akamai, by the testkit's double: there is no NetStorage server to be had. What lies there is
//! told by Akamai's own library and no code of ours, and by that the double is proven first.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use xylem_testkit::{
    EDGE_TOKEN_SALT, EDGE_TOKEN_SECRET, EDGEGRID_ACCESS_TOKEN, EDGEGRID_CLIENT_SECRET,
    EDGEGRID_CLIENT_TOKEN, NETSTORAGE_ACCOUNT, NETSTORAGE_CP_CODE, NETSTORAGE_KEY,
    NetStorageDouble,
};

use super::authority::{Authority, HOST};
use super::bucket::{Names, Object};
use super::gate::own_runtime;
use super::ground::{PREFIX, path, secret_file};
use super::store::Store;
use super::tools::Tools;

/// What runs with Akamai's library.
const SCRIPT: &str = include_str!("netstorage.py");

/// The double, running on a thread of its own, so that it goes on while a part waits for a command.
pub(super) struct NetStorage {
    tools: Tools,
    ca: String,
    double: NetStorageDouble,
    runtime: Option<Runtime>,
}

impl NetStorage {
    /// Starts it, with its files in a folder.
    pub(super) async fn start(
        tools: &Tools,
        folder: &Path,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let (runtime, tls) = (own_runtime()?, Arc::new(authority.server_tls()?));
        let folder = folder.to_owned();
        let starting =
            runtime.spawn(async move { NetStorageDouble::start_in(&folder, &tls, HOST).await });
        let double = starting.await.context("the double of NetStorage did not start")?;
        let ca = path(&authority.ca)?.to_owned();
        Ok(Self { tools: tools.clone(), ca, double, runtime: Some(runtime) })
    }

    /// Asks Akamai's libraries something, which answer by what the double tells them.
    pub(super) fn ask<A: DeserializeOwned>(&self, words: &[&str]) -> anyhow::Result<A> {
        let (storage, edge, purge) = self.double.ports();
        let settings = [
            ("CA", self.ca.clone()),
            ("HOST", format!("{HOST}:{storage}")),
            ("EDGE", format!("https://{HOST}:{edge}")),
            ("PURGE", format!("{HOST}:{purge}")),
            ("ACCOUNT", NETSTORAGE_ACCOUNT.to_owned()),
            ("KEY", NETSTORAGE_KEY.to_owned()),
            ("CP_CODE", NETSTORAGE_CP_CODE.to_string()),
            ("TOKEN_SECRET", EDGE_TOKEN_SECRET.to_owned()),
            ("TOKEN_SALT", EDGE_TOKEN_SALT.to_owned()),
            ("CLIENT_TOKEN", EDGEGRID_CLIENT_TOKEN.to_owned()),
            ("CLIENT_SECRET", EDGEGRID_CLIENT_SECRET.to_owned()),
            ("ACCESS_TOKEN", EDGEGRID_ACCESS_TOKEN.to_owned()),
        ];
        self.tools.ask(SCRIPT, &settings, words).context("Akamai's libraries")
    }
}

impl Drop for NetStorage {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Store for NetStorage {
    fn provider(&self) -> &'static str {
        "akamai"
    }

    fn port(&self) -> u16 {
        let (storage, ..) = self.double.ports();
        storage
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        let file = |name: &str, secret: &str| secret_file(folder, name, secret);
        let (key, secret) =
            (file("netstorage", NETSTORAGE_KEY)?, file("edge-token", EDGE_TOKEN_SECRET)?);
        let salt = file("edge-salt", EDGE_TOKEN_SALT)?;
        let (_, edge, purge) = self.double.ports();
        let client = secret_file(folder, "edgerc", &edgerc(purge))?;
        let (host, delivery) = (format!("https://{HOST}:{port}"), format!("https://{HOST}:{edge}"));
        let code = NETSTORAGE_CP_CODE.to_string();
        let place = ["--upload-host", &host, "--account", NETSTORAGE_ACCOUNT, "--cp-code", &code];
        let below = ["--directory", PREFIX, "--delivery-url", &delivery, "--ca", &self.ca];
        let keys = ["--key-file", &key, "--token-secret-file", &secret];
        let more = ["--token-salt-file", &salt, "--edgerc", &client];
        let words = [&["set", "akamai"], &place[..], &below, &keys, &more];
        Ok(words.concat().into_iter().map(str::to_owned).collect())
    }

    fn names(&self) -> anyhow::Result<Names> {
        self.ask(&["names"])
    }

    fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.ask(&["read-all"])
    }

    fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.ask(&["read", key])
    }

    fn keeps_what_was_told(&self) -> bool {
        false
    }
}

/// The API client that may purge, as Akamai hands one out.
fn edgerc(port: u16) -> String {
    format!(
        "[default]\nclient_secret = {EDGEGRID_CLIENT_SECRET}\nhost = {HOST}:{port}\n\
         access_token = {EDGEGRID_ACCESS_TOKEN}\nclient_token = {EDGEGRID_CLIENT_TOKEN}"
    )
}
