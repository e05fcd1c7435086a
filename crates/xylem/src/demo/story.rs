//! What happens in a demo, and the table that tells it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use xylem_api::agent::{FetchAttempt, OrderReport};
use xylem_api::catalogue::{Placement, PlacementState};
use xylem_model::{ByteSize, FileKind};

use super::COMPUTER;
use crate::Failure;
use crate::cli::UploadOptions;
use crate::commands::wait_for_copies;
use crate::output::{Output, facts, table};
use crate::system::System;
use crate::upload::{Source, upload};

/// How long replication through the tree may take.
const REPLICATION_LIMIT: Duration = Duration::from_secs(30 * 60);

/// All that happened.
#[derive(Serialize)]
pub(crate) struct Story {
    packages: Vec<PackageStory>,
}

/// What happened to one package.
#[derive(Serialize)]
struct PackageStory {
    name: String,
    size: u64,
    blake3: String,
    sha256: String,
    upload_seconds: f64,
    hops: Vec<Hop>,
    fetched: Vec<FetchAttempt>,
    result: String,
    message: String,
    install_seconds: f64,
    install: serde_json::Value,
    target: PathBuf,
}

/// When a distribution server had it, counted from the end of the upload.
#[derive(Serialize)]
struct Hop {
    server: String,
    seconds: f64,
}

impl Story {
    /// Publishes each file, follows it through the tree, lets the agent install it.
    pub(crate) async fn tell(
        system: &System,
        files: &[PathBuf],
        output: &Output,
    ) -> Result<Self, Failure> {
        let mut packages = Vec::new();
        for file in files {
            packages.push(PackageStory::tell(system, file, output).await?);
        }
        Ok(Self { packages })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        self.packages.iter().map(PackageStory::text).collect::<Vec<_>>().join("\n")
    }
}

impl PackageStory {
    async fn tell(system: &System, file: &Path, output: &Output) -> Result<Self, Failure> {
        let access = system.access();
        let bar = output.bar("digests", 0);
        let source = tokio::task::block_in_place(|| Source::open(file, &bar))?;
        bar.finish_and_clear();

        let bar = output.bar("upload to root", source.size);
        let begun = Instant::now();
        let done =
            upload(access, FileKind::Package, &source, &UploadOptions::default(), &bar).await?;
        bar.finish();
        let upload_seconds = begun.elapsed().as_secs_f64();
        let version = done
            .version
            .ok_or_else(|| Failure::new(format!("{} was not published", source.name)))?;

        let hops = replicate(system, &source.name, output).await?;

        let order = access.admin.order(COMPUTER, &source.name).await?;
        let begun = Instant::now();
        system.check_in(COMPUTER).await?;
        let install_seconds = begun.elapsed().as_secs_f64();
        let report: OrderReport =
            access.admin.order_info(order.id).await?.report.ok_or_else(|| {
                Failure::new(format!("{COMPUTER} did not report on {}", source.name))
            })?;
        if report.result != "installed" {
            return Err(Failure::new(format!(
                "{COMPUTER} did not install {}: {}: {}",
                source.name, report.result, report.message
            )));
        }
        Ok(Self {
            name: source.name,
            size: version.size,
            blake3: version.content.to_string(),
            sha256: version.sha256.to_string(),
            upload_seconds,
            hops,
            fetched: report.attempts,
            result: report.result,
            message: report.message,
            install_seconds,
            install: report.install,
            target: system.disk_of(COMPUTER),
        })
    }

    fn text(&self) -> String {
        let mut text = facts(&[
            ("Package", self.name.clone()),
            ("Size", format!("{} ({} bytes)", ByteSize(self.size), self.size)),
            ("BLAKE3", self.blake3.clone()),
            ("SHA-256", self.sha256.clone()),
            ("Installed into", self.target.display().to_string()),
            ("Report", self.message.clone()),
        ]);
        let mut rows = vec![row("upload", "administrator", "root", self.size, self.upload_seconds)];
        let mut from = "root";
        for hop in self.hops.iter().filter(|hop| hop.server != "root") {
            rows.push(row("replication", from, &hop.server, self.size, hop.seconds));
            from = &hop.server;
        }
        for attempt in &self.fetched {
            let seconds = Duration::from_millis(attempt.took_ms).as_secs_f64();
            rows.push(row("fetch", &attempt.source, COMPUTER, attempt.bytes, seconds));
        }
        rows.push(row("fetch and install", "", COMPUTER, self.size, self.install_seconds));
        text.push('\n');
        text += &table(&["STEP", "FROM", "TO", "BYTES", "SECONDS"], &rows);
        text.push('\n');
        text += &components(&self.install);
        text
    }
}

/// Waits until every server has the file, and notes when each had it.
async fn replicate(system: &System, name: &str, output: &Output) -> Result<Vec<Hop>, Failure> {
    let begun = Instant::now();
    let arrived: RefCell<BTreeMap<String, f64>> = RefCell::default();
    let everywhere = |placement: &Placement| {
        let mut arrived = arrived.borrow_mut();
        for server in &placement.servers {
            if server.state == PlacementState::Present {
                arrived
                    .entry(server.server.clone())
                    .or_insert_with(|| begun.elapsed().as_secs_f64());
            }
        }
        placement.wanted > 0 && placement.present == placement.wanted
    };
    let kind = FileKind::Package;
    wait_for_copies(system.access(), output, kind, name, REPLICATION_LIMIT, everywhere).await?;
    let servers = system.access().admin.distribution_servers().await?;
    let arrived = arrived.into_inner();
    Ok(servers
        .into_iter()
        .filter_map(|server| {
            let seconds = *arrived.get(&server.name)?;
            Some(Hop { server: server.name, seconds })
        })
        .collect())
}

fn row(step: &str, from: &str, to: &str, bytes: u64, seconds: f64) -> Vec<String> {
    vec![
        step.to_owned(),
        from.to_owned(),
        to.to_owned(),
        bytes.to_string(),
        format!("{seconds:.2}"),
    ]
}

/// What the installer reported of each component.
fn components(install: &serde_json::Value) -> String {
    let number = |component: &serde_json::Value, key: &str| component[key].to_string();
    let rows: Vec<Vec<String>> = install["components"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|component| {
            let scripts: Vec<&str> = component["scripts_not_run"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_str)
                .collect();
            vec![
                component["identifier"].as_str().unwrap_or_default().to_owned(),
                component["version"].as_str().unwrap_or_default().to_owned(),
                number(component, "files"),
                number(component, "directories"),
                number(component, "symlinks"),
                number(component, "hard_links"),
                number(component, "bytes"),
                if scripts.is_empty() { "-".to_owned() } else { scripts.join(", ") },
            ]
        })
        .collect();
    table(
        &[
            "INSTALLED",
            "VERSION",
            "FILES",
            "FOLDERS",
            "LINKS",
            "HARD LINKS",
            "BYTES",
            "SCRIPTS NOT RUN",
        ],
        &rows,
    )
}
