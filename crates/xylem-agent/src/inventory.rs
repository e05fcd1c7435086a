//! What this computer is and has.

use std::path::Path;

use serde::Serialize;
use xylem_model::{ComputerId, Timestamp};

use crate::agent::Agent;
use crate::{facts, plist};

/// Where receipts are, below a target root.
const RECEIPTS: &str = "var/db/receipts";

/// Most receipts that are read.
const MAX_RECEIPTS: usize = 20_000;

/// What an agent knows of itself and its target.
#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    /// The computer's name.
    pub name: String,
    /// Its id.
    pub id: ComputerId,
    /// Its management server.
    pub server: String,
    /// Operating system and version.
    pub os: String,
    /// Processor architecture in Apple's words.
    pub architecture: String,
    /// Version of the agent.
    pub agent_version: String,
    /// When the certificate runs out; it is renewed long before.
    pub certificate_not_after: Timestamp,
    /// What installers left behind on the target, sorted by identifier; empty without a target.
    pub receipts: Vec<Receipt>,
}

/// The receipt of one installed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The component's identifier.
    pub identifier: String,
    /// Its version; unknown where the receipt is in Apple's binary form.
    pub version: Option<String>,
    /// The package it came in.
    pub package: Option<String>,
    /// When it was installed, in RFC 3339.
    pub installed_at: Option<String>,
}

impl Agent {
    /// What this computer is, and the receipts below a target root.
    pub async fn inventory(&self, target: Option<&Path>) -> Inventory {
        let root = target.map(Path::to_owned);
        let read = move |_: &dyn xylem_runtime::Fs| {
            let os = facts::operating_system(root.as_deref());
            (os, root.as_deref().map(receipts).unwrap_or_default())
        };
        let (os, receipts) = self.environment().disk.run(read).await;
        Inventory {
            name: self.name().to_owned(),
            id: self.computer(),
            server: self.server().to_string(),
            os,
            architecture: facts::architecture().to_owned(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            certificate_not_after: self.identity().not_after(),
            receipts,
        }
    }
}

fn receipts(root: &Path) -> Vec<Receipt> {
    let Ok(entries) = std::fs::read_dir(root.join(RECEIPTS)) else { return Vec::new() };
    let mut receipts: Vec<Receipt> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let identifier = name.strip_suffix(".plist")?.to_owned();
            let entries = plist::read(&entry.path());
            let value = |key| plist::value(&entries, key).map(str::to_owned);
            Some(Receipt {
                identifier,
                version: value("PackageVersion"),
                package: value("PackageFileName"),
                installed_at: value("InstallDate"),
            })
        })
        .take(MAX_RECEIPTS)
        .collect();
    receipts.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    receipts
}
