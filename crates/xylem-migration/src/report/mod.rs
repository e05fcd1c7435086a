//! What came of a migration: a line for each path, for programs and for people.
//!
//! Everything in [`Outcomes`] follows from the source and from what else is on the server: however
//! often a run was interrupted, once all is sent it is the same. What this run did itself is kept
//! apart, in [`RunPart`].

mod text;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xylem_model::FileName;

use crate::digest::Content;
use crate::munki::Hints;
use crate::path::SourcePath;
use crate::plan::{Decision, Item, ItemKind, Plan, Renamed};
use crate::reason::{Reason, ReasonCode};
use crate::scan::Layout;
use crate::survey::Object;

/// Raised when the form of a report changes.
pub const REPORT_VERSION: u32 = 1;

/// A report in the making.
#[derive(Debug, Clone)]
pub struct Report {
    source: String,
    is_dry_run: bool,
    layout: Layout,
    lines: Vec<Line>,
    places: HashMap<String, usize>,
    /// The lines that are the same as a path.
    twins: HashMap<String, Vec<usize>>,
    run: RunPart,
}

/// The report as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// The folder that was migrated.
    pub source: String,
    /// Whether nothing was sent: the outcomes are then what would come of it.
    pub dry_run: bool,
    /// What follows from the source.
    pub outcomes: Outcomes,
    /// What this run did.
    pub run: RunPart,
}

/// What came of each path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Which sort of source it is.
    pub layout: Layout,
    /// In the stable order.
    pub lines: Vec<Line>,
    /// Counted from the lines.
    pub totals: Totals,
}

/// What this run did, as opposed to those before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPart {
    /// Paths that were sent now.
    pub sent: Vec<String>,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Paths that were there already, from an earlier run or anybody else.
    pub there_already: Vec<String>,
    /// Paths that could not be sent now; another run may.
    pub failed: Vec<String>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where it lies, with escapes for what is no text.
    pub path: String,
    /// What it is to the file system.
    pub object: Object,
    /// Bytes in it.
    pub size: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// What it is published as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ItemKind>,
    /// Its name on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
    /// Why that is not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<Renamed>,
    /// Where the same file lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Why it is not taken, or not sent yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What its repository says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<Box<Hints>>,
    /// What should be known though it is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What came of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is on the server under its own name; in a dry run, it would be.
    Taken,
    /// The same, under another name.
    Renamed,
    /// The same file in another folder is.
    Same,
    /// It is to be, and is not yet.
    NotSent,
    /// It cannot be taken.
    Refused,
    /// Nobody will miss it.
    LeftOut,
}

/// How many of each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each counts the outcome of this name")]
pub struct Totals {
    pub paths: usize,
    pub taken: usize,
    pub renamed: usize,
    pub same: usize,
    pub not_sent: usize,
    pub refused: usize,
    pub left_out: usize,
    /// Bytes on the server, of what was taken or renamed.
    pub taken_bytes: u64,
}

/// What came of an item that was to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It was sent.
    Now,
    /// The server had it.
    Already,
    /// The server looked into it and refused it, for this reason: it would again.
    Refused(String),
    /// It could not be sent, for this reason: it may work another time.
    Failed(String),
}

impl Report {
    /// A report of a plan of which nothing is sent yet.
    pub fn new(plan: &Plan, source: &Path, is_dry_run: bool) -> Self {
        let lines: Vec<Line> = plan.items.iter().map(|item| Line::of(item, is_dry_run)).collect();
        let places = lines.iter().enumerate().map(|(at, line)| (line.path.clone(), at)).collect();
        let mut twins: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            if let Some(other) = &line.same_as {
                twins.entry(other.clone()).or_default().push(at);
            }
        }
        let source = source.display().to_string();
        let run = RunPart::default();
        Self { source, is_dry_run, layout: plan.layout, lines, places, twins, run }
    }

    /// Tells what came of an item, and so of those that are the same.
    pub fn tell(&mut self, path: &SourcePath, sent: Sent) {
        let path = path.to_string();
        let Some(place) = self.places.get(&path).copied() else { return };
        let twins = self.twins.get(&path).into_iter().flatten();
        for place in twins.chain([&place]) {
            if let Some(line) = self.lines.get_mut(*place) {
                line.tell(&sent);
            }
        }
        let content = self.lines.get(place).and_then(|line| line.content);
        match sent {
            Sent::Now => {
                self.run.sent_bytes += content.map_or(0, |content| content.size);
                self.run.sent.push(path);
            }
            Sent::Already => self.run.there_already.push(path),
            Sent::Failed(_) => self.run.failed.push(path),
            Sent::Refused(_) => {}
        }
    }

    /// How many of each outcome so far.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { paths: self.lines.len(), ..Totals::default() };
        for line in &self.lines {
            let count = match line.outcome {
                Outcome::Taken => &mut totals.taken,
                Outcome::Renamed => &mut totals.renamed,
                Outcome::Same => &mut totals.same,
                Outcome::NotSent => &mut totals.not_sent,
                Outcome::Refused => &mut totals.refused,
                Outcome::LeftOut => &mut totals.left_out,
            };
            *count += 1;
            if matches!(line.outcome, Outcome::Taken | Outcome::Renamed) {
                totals.taken_bytes += line.content.map_or(0, |content| content.size);
            }
        }
        totals
    }

    /// The lines so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The report as data.
    pub fn document(&self) -> Document {
        let outcomes =
            Outcomes { layout: self.layout, lines: self.lines.clone(), totals: self.totals() };
        Document {
            version: REPORT_VERSION,
            source: self.source.clone(),
            dry_run: self.is_dry_run,
            outcomes,
            run: self.run.clone(),
        }
    }

    /// The report for people.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// Writes `migration.json` and `migration.txt` into a folder; a dry run writes `dry-run.json`
    /// and `dry-run.txt`. Each replaces the one before only once it is whole.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let name = if self.is_dry_run { "dry-run" } else { "migration" };
        let mut json = serde_json::to_vec_pretty(&self.document())?;
        json.push(b'\n');
        replace(folder, &format!("{name}.json"), &json)?;
        replace(folder, &format!("{name}.txt"), self.text().as_bytes())
    }
}

fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let permissions = fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(())
}

impl Line {
    fn of(item: &Item, is_dry_run: bool) -> Self {
        let mut line = Self {
            path: item.path.to_string(),
            object: item.object,
            size: item.size,
            outcome: Outcome::NotSent,
            kind: None,
            name: None,
            renamed: None,
            same_as: None,
            reason: None,
            content: None,
            hints: item.hints.clone(),
            warnings: item.warnings.clone(),
        };
        match &item.decision {
            Decision::LeaveOut(reason) => {
                line.outcome = Outcome::LeftOut;
                line.reason = Some(reason.clone());
            }
            Decision::Refuse(reason) => {
                line.outcome = Outcome::Refused;
                line.reason = Some(reason.clone());
            }
            Decision::Same { path, name } => {
                line.same_as = Some(path.to_string());
                line.name = Some(name.clone());
            }
            Decision::Take(taking) => {
                line.kind = Some(taking.kind);
                line.name = Some(taking.name.clone());
                line.renamed = taking.renamed.clone();
                line.content = Some(taking.content);
            }
        }
        if is_dry_run && line.outcome == Outcome::NotSent {
            line.outcome = line.when_there();
        }
        line
    }

    /// The outcome of something that is on the server.
    fn when_there(&self) -> Outcome {
        match (&self.same_as, &self.renamed) {
            (Some(_), _) => Outcome::Same,
            (None, Some(_)) => Outcome::Renamed,
            (None, None) => Outcome::Taken,
        }
    }

    fn tell(&mut self, sent: &Sent) {
        match sent {
            Sent::Now | Sent::Already => self.outcome = self.when_there(),
            Sent::Refused(why) => {
                self.outcome = Outcome::Refused;
                self.reason = Some(Reason::new(ReasonCode::ServerRefused, why));
            }
            Sent::Failed(why) => self.warnings.push(format!("not sent: {why}")),
        }
    }
}

#[cfg(test)]
mod tests;
