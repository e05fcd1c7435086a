//! What becomes of each path: a pure function of what is in the source and on the server.
//!
//! The same source gets the same names, whatever happened in between. An interrupted run leaves
//! some of the plan's names on the server, with the plan's content: such a name is the item itself,
//! and no collision. Why that holds for every subset of the names is argued in the design page.

mod assign;
mod existing;

use serde::{Deserialize, Serialize};
use xylem_model::{FileKind, FileName};

use crate::digest::Content;
use crate::munki::Hints;
use crate::path::SourcePath;
use crate::reason::{Reason, ReasonCode};
use crate::scan::Layout;
use crate::survey::{Entry, Finding, Object, Survey};

use assign::{Assigned, Wanted, assign};
pub use existing::Existing;

/// What becomes of everything, in the stable order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which sort of source it is.
    pub layout: Layout,
    /// An item for each path.
    pub items: Vec<Item>,
}

/// What becomes of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it lies.
    pub path: SourcePath,
    /// What it is to the file system.
    pub object: Object,
    /// Bytes in it.
    pub size: u64,
    /// What becomes of it.
    pub decision: Decision,
    /// What its repository says of it.
    pub hints: Option<Box<Hints>>,
    /// What should be known though it is taken.
    pub warnings: Vec<String>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, and nobody will miss it.
    LeaveOut(Reason),
    /// Nothing, though somebody may miss it.
    Refuse(Reason),
    /// Nothing: a file of the same name in another folder has the same content.
    Same {
        /// That file.
        path: SourcePath,
        /// Its name on the server.
        name: FileName,
    },
    /// It is published.
    Take(Taking),
}

/// What is published, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// As what.
    pub kind: ItemKind,
    /// Under which name.
    pub name: FileName,
    /// Why not under its own.
    pub renamed: Option<Renamed>,
    /// What is published: of a folder its archive, of a script what is kept of it.
    pub content: Content,
    /// Whether it is a folder that is zipped.
    pub is_bundle: bool,
    /// Whether the server has it already, under this name.
    pub is_there: bool,
}

/// A name that could not stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// Its name in the source, with escapes for what is no text.
    pub from: String,
    /// Why.
    pub because: String,
}

/// What something is published as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// An in-house app.
    App,
    /// A book.
    Ebook,
    /// A package or disk image.
    Package,
    /// A script.
    Script,
}

impl ItemKind {
    /// The kind of file; scripts are none.
    pub fn file_kind(self) -> Option<FileKind> {
        match self {
            Self::App => Some(FileKind::App),
            Self::Ebook => Some(FileKind::Ebook),
            Self::Package => Some(FileKind::Package),
            Self::Script => None,
        }
    }

    /// For people.
    pub fn word(self) -> &'static str {
        self.file_kind().map_or("script", FileKind::as_str)
    }
}

impl From<FileKind> for ItemKind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::App => Self::App,
            FileKind::Ebook => Self::Ebook,
            FileKind::Package => Self::Package,
        }
    }
}

impl Plan {
    /// What is published, whether it is there already or not.
    pub fn taken(&self) -> impl Iterator<Item = (&Item, &Taking)> {
        self.items.iter().filter_map(|item| match &item.decision {
            Decision::Take(taking) => Some((item, taking)),
            _ => None,
        })
    }
}

/// Decides what becomes of each path.
pub fn plan(survey: &Survey, existing: &Existing) -> Plan {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    let mut places: Vec<Result<usize, Box<Decision>>> = Vec::new();
    for entry in &survey.entries {
        places.push(match Wanted::of(entry) {
            Ok(it) => {
                wanted.push(it);
                Ok(wanted.len() - 1)
            }
            Err(decision) => Err(decision),
        });
    }
    let assigned = assign(&wanted, existing);
    let decisions = places.into_iter().map(|place| match place {
        Ok(index) => decide(&wanted, &assigned, index),
        Err(decision) => *decision,
    });
    let items = survey.entries.iter().zip(decisions).map(|(entry, decision)| Item {
        path: entry.path.clone(),
        object: entry.object,
        size: entry.size,
        decision,
        hints: entry.hints.clone(),
        warnings: entry.warnings.clone(),
    });
    Plan { layout: survey.layout, items: items.collect() }
}

/// A decision in words, from the name that an item was assigned.
fn decide(wanted: &[Wanted<'_>], assigned: &[Option<Assigned>], index: usize) -> Decision {
    let (Some(it), Some(Some(got))) = (wanted.get(index), assigned.get(index)) else {
        let text = "too many files have its name: rename it";
        return Decision::Refuse(Reason::new(ReasonCode::NameRefused, text));
    };
    match got {
        Assigned::Same(other) => match (wanted.get(*other), assigned.get(*other)) {
            (Some(other), Some(Some(Assigned::Name { name, .. }))) => {
                Decision::Same { path: other.entry.path.clone(), name: name.clone() }
            }
            _ => Decision::Refuse(Reason::new(ReasonCode::NameRefused, "its twin has no name")),
        },
        Assigned::Name { name, is_there, because } => Decision::Take(Taking {
            kind: it.kind,
            name: name.clone(),
            renamed: it.renamed(name, because.as_deref()),
            content: it.content,
            is_bundle: matches!(it.entry.finding, Finding::Bundle(_)),
            is_there: *is_there,
        }),
    }
}

impl<'a> Wanted<'a> {
    fn of(entry: &'a Entry) -> Result<Self, Box<Decision>> {
        let (kind, content) = match &entry.finding {
            Finding::Bundle(content) => (ItemKind::Package, *content),
            Finding::File(kind, content) => ((*kind).into(), *content),
            Finding::Script(content) => (ItemKind::Script, *content),
            Finding::LeaveOut(reason) => return Err(Box::new(Decision::LeaveOut(reason.clone()))),
            Finding::Refuse(reason) => return Err(Box::new(Decision::Refuse(reason.clone()))),
        };
        let is_bundle = matches!(entry.finding, Finding::Bundle(_));
        let named = crate::names::publishable(entry.path.name(), is_bundle);
        let (base, change) = named.map_err(|error| {
            Box::new(Decision::Refuse(Reason::new(ReasonCode::NameRefused, error.to_string())))
        })?;
        Ok(Self { entry, kind, content, base, change })
    }
}

#[cfg(test)]
mod tests;
