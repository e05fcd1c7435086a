//! Our signed URLs beside those of `botocore`, Amazon's own signer: equal, byte by byte.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::ensure;
use serde::Deserialize;
use serde_json::{Value, json};
use xylem_bench::debian;
use xylem_model::Timestamp;

use super::super::ground::path;
use super::super::tools::Tools;
use super::keys::{Algorithm, Hash, KeyPair};
use super::ours::{Signer, key};
use super::{NEEDED, RSA_ID};
use crate::pair::stage;

/// What runs with it.
const SCRIPT: &str = include_str!("urls.py");

/// Where no edge is: nobody is asked.
const DISTRIBUTION: &str = "https://d111111abcdef8.cloudfront.net";

/// Any time.
const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const LIFE: Duration = Duration::from_secs(600);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// Names that break those who sign, beside one for each character that ASCII prints.
const NAMES: [&str; 8] = [
    "plain.pkg",
    "a b+é&50%#.pkg",
    "'q' <x> \"y\"",
    "ünï-日本語",
    "e\u{301}-\u{1f34e}",
    "%2F..%20",
    "...",
    " both ends ",
];

/// What became of the comparison.
#[derive(Debug, Deserialize)]
struct Compared {
    equal: usize,
    differing: Vec<String>,
}

/// Canned and custom, by either hash, for every name.
pub(in super::super) fn urls() -> anyhow::Result<()> {
    stage(async |scratch| {
        debian::require(NEEDED)?;
        let tools = Tools::require()?;
        let pair = KeyPair::make(scratch.path(), RSA_ID, Algorithm::Rsa)?;
        let cases = cases(&pair)?;
        let urls = cases.len();
        let file = scratch.path().join("urls.json");
        let all = json!({
            "distribution": DISTRIBUTION,
            "key_pair_id": pair.id,
            "private": path(&pair.private)?,
            "cases": cases,
        });
        fs::write(&file, serde_json::to_vec(&all)?)?;
        let Compared { equal, differing } = tools.ask(SCRIPT, &[], &[path(&file)?])?;
        println!("CLOUD cloudfront urls={urls} equal={equal}");
        ensure!(differing.is_empty(), "botocore signs otherwise: {differing:#?}");
        ensure!(equal == urls, "of {urls} URLs {equal} were compared");
        Ok(())
    })
}

/// Our URLs, with what they are for.
fn cases(pair: &KeyPair) -> anyhow::Result<Vec<Value>> {
    let printed = (' '..='~').filter(|character| *character != '/');
    let printed = printed.map(|character| format!("x{character}y"));
    let names: Vec<String> = NAMES.map(str::to_owned).into_iter().chain(printed).collect();
    let mut cases = Vec::new();
    for name in &names {
        for hash in [Hash::Sha1, Hash::Sha256] {
            for source in [None, Some(SOURCE)] {
                let key = key(name)?;
                let signer = Signer {
                    distribution: DISTRIBUTION,
                    key: pair,
                    hash,
                    source,
                    now: NOW,
                    life: LIFE,
                };
                cases.push(json!({
                    "key": key.as_str(),
                    "until": NOW.plus(LIFE).unix_seconds(),
                    "source": source,
                    "hash": match hash { Hash::Sha1 => "sha1", Hash::Sha256 => "sha256" },
                    "ours": signer.url(&key)?,
                }));
            }
        }
    }
    Ok(cases)
}
