//! One large file to NetStorage, which knows no parts, and ten times somebody is killed on the way:
//! where the line breaks the file begins again, and what was there half is not there.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::ensure;
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::publish::write_random;
use xylem_model::Priority;

use super::authority::Authority;
use super::gate::Gate;
use super::ground::{PREFIX, fleet, key_of};
use super::kills::{KILLED, LIMIT, NAME, strike};
use super::netstorage::NetStorage;
use super::rows::present;
use super::store::Store as _;
use super::tools::{Tools, sha256_of};
use crate::pair::stage;
use crate::run::programs;

/// Most bytes that may be sent for each that is needed. Each of the six times that the root is
/// killed costs what was sent since the last one, an eleventh or two; at last it is sent whole.
const OVERHEAD: f64 = 2.2;

/// It ends bit-identical, and nothing else lies there.
pub(super) fn kills(bytes: u64) -> anyhow::Result<()> {
    stage(async |scratch| {
        let folder = scratch.path();
        let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
        let (tools, authority) = (Tools::require()?, Authority::make(&folder.join("authority"))?);
        let store = NetStorage::start(&tools, &folder.join("netstorage"), &authority).await?;
        let mut fleet = fleet(&programs, &folder.join("fleet")).await?;
        let gate = Gate::to(store.port())?;
        let words = store.set_words(folder, gate.port)?;
        let words = words.iter().map(String::as_str);
        let words: Vec<&str> = std::iter::once("cloud").chain(words).collect();
        fleet.xylem(&words).await?;

        let file = folder.join(NAME);
        write_random(&file, 3, bytes)?;
        let sha256 = sha256_of(&file)?;
        let (begun, before) = (Instant::now(), gate.sent());
        let published = fleet.upload(&file, Priority::Normal).await?;
        fs::remove_file(&file)?;
        strike(&mut fleet, &gate, before, bytes).await?;
        present(&fleet, &[published.content], LIMIT).await?;
        let (seconds, sent) = (begun.elapsed().as_secs(), gate.sent() - before);

        let (key, mark) = (key_of(&published.content), format!("{PREFIX}/xylem.json"));
        let there: BTreeMap<String, _> =
            store.read_all()?.into_iter().map(|object| (object.key.clone(), object)).collect();
        let is_identical = there.get(&key).is_some_and(|object| object.is(bytes, &sha256));
        let others: Vec<&String> =
            there.keys().filter(|name| **name != key && **name != mark).collect();
        fleet.stop().await;
        let per_byte = sent as f64 / bytes as f64;
        println!(
            "CLOUD kills provider={} bytes={bytes} killed={} identical={} \
             sent_per_byte={per_byte:.3} objects_left={} seconds={seconds}",
            store.provider(),
            KILLED.len(),
            u8::from(is_identical),
            others.len(),
        );
        ensure!(is_identical, "what lies there is not what was published: {:?}", there.get(&key));
        ensure!(others.is_empty(), "objects stay behind: {others:?}");
        ensure!(per_byte <= OVERHEAD, "{per_byte:.3} bytes were sent for each");
        Ok(())
    })
}
