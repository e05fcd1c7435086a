//! Every fixture is found to be what the table says, field by field.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};
use xylem_artifact::inspect::Inspection;
use xylem_model::{FoundIndex, IndexedKind, PackedIndex, Sha256};

use super::fixture::{Fixture, all, inspect};

/// By SHA-256: the name for people, and either `accepted` with all that is found, or `refused` with
/// the word for why. Of an index there is the digest of its entries, as what packs them may pack them
/// otherwise one day. Where `XYLEM_ACCEPT_WRITE_TABLE` names a file, the table is written there.
const EXPECTED: &str = include_str!("../../expected/artifacts.json");

/// Most differences that are printed.
const SHOWN: usize = 20;

/// Compares what is found with the table.
pub(super) fn table(fixtures: &Path) -> anyhow::Result<()> {
    let expected: BTreeMap<String, Value> = serde_json::from_str(EXPECTED)?;
    let mut found = BTreeMap::new();
    for fixture in all(fixtures)? {
        let digest = sha256(&fixture.path)?;
        found.insert(digest, found_in(&fixture)?);
    }
    if let Some(file) = std::env::var_os("XYLEM_ACCEPT_WRITE_TABLE") {
        std::fs::write(file, serde_json::to_string_pretty(&found)? + "\n")?;
        bail!("the table was written and compared with nothing: read it, line by line");
    }
    let mut differing = differences(&expected, &found);
    let refused = found.values().filter(|one| one.get("refused").is_some()).count();
    println!(
        "ARTIFACTS table fixtures={} accepted={} refused={refused} differing={}",
        found.len(),
        found.len() - refused,
        differing.len()
    );
    ensure!(!found.is_empty(), "there are no fixtures in {}", fixtures.display());
    differing.truncate(SHOWN);
    ensure!(differing.is_empty(), "not as the table says:\n{}", differing.join("\n"));
    // A table that agrees with anything would not be one.
    let mut planted = found.clone();
    if let Some(one) = planted.values_mut().next() {
        one["planted"] = json!(true);
    }
    ensure!(differences(&expected, &planted).len() == 1, "a planted difference is not noticed");
    Ok(())
}

/// A line for each file of which the table says something else, or nothing.
fn differences(expected: &BTreeMap<String, Value>, found: &BTreeMap<String, Value>) -> Vec<String> {
    let unexpected = found.keys().filter(|it| !expected.contains_key(*it));
    let mut differing = Vec::new();
    for digest in expected.keys().chain(unexpected) {
        let (wanted, is) = (expected.get(digest), found.get(digest));
        if wanted != is {
            let name = wanted.or(is).and_then(|one| one["name"].as_str()).unwrap_or_default();
            differing.push(format!("{name}: {}", difference(wanted, is)));
        }
    }
    differing
}

fn found_in(fixture: &Fixture) -> anyhow::Result<Value> {
    let name = &fixture.name;
    let Some(form) = fixture.form else {
        return Ok(json!({ "name": name, "refused": "no file ends so" }));
    };
    Ok(match inspect(form, File::open(&fixture.path)?)?.answer {
        Ok(inspection) => json!({ "name": name, "accepted": comparable(&inspection)? }),
        Err(refusal) => json!({ "name": name, "refused": refusal.code }),
    })
}

fn comparable(inspection: &Inspection) -> anyhow::Result<Value> {
    let mut comparable = serde_json::to_value(inspection)?;
    if let Some(FoundIndex::Packed(index)) = &inspection.index
        && let Some(field) = comparable.get_mut("index")
    {
        let sha256 = entries_sha256(index)?;
        *field = json!({ "entries": index.entries, "sha256": sha256 });
    }
    Ok(comparable)
}

/// The digest of an index as it is unpacked.
fn entries_sha256(index: &PackedIndex) -> anyhow::Result<String> {
    let mut hash = Context::new(&SHA256);
    for entry in index.unpack()? {
        let entry = entry?;
        hash.update(match entry.kind {
            IndexedKind::File => b"f",
            IndexedKind::Folder => b"d",
            IndexedKind::Link => b"l",
        });
        hash.update(entry.path.as_bytes());
        hash.update(&[0]);
    }
    Ok(Sha256::from_bytes(hash.finish().as_ref().try_into()?).to_string())
}

fn sha256(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(Sha256::from_bytes(aws_lc_rs::digest::digest(&SHA256, &bytes).as_ref().try_into()?)
        .to_string())
}

/// The first place at which two values part.
fn difference(wanted: Option<&Value>, found: Option<&Value>) -> String {
    let (Some(wanted), Some(found)) = (wanted, found) else {
        return match wanted {
            None => "is not in the table".to_owned(),
            Some(_) => "is in the table and not among the fixtures".to_owned(),
        };
    };
    first_difference("", wanted, found).unwrap_or_default()
}

fn first_difference(at: &str, wanted: &Value, found: &Value) -> Option<String> {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let none = Value::Null;
            keys.into_iter().find_map(|key| {
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                first_difference(&format!("{at}/{key}"), a, b)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(n, (a, b))| first_difference(&format!("{at}/{n}"), a, b))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{at} is {b}, and {a} was expected")),
    }
}
