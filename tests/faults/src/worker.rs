//! The worker: publishes contents through the real repository, and says so after each.
//!
//! ```text
//! ready            the repository is open; from here on it is publishing
//! ack NUMBER       that content is published, and promised
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use xylem_blobs::{Repository, RepositoryOptions};
use xylem_runtime::Disk;

use crate::contents::Content;
use crate::forgetful::Forgets;

/// Contents that are published together when they come in whole groups: fewer than it takes to
/// sync the whole file system at once, and more.
const FEW: u64 = 3;
const MANY: u64 = 12;

/// What to publish, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The repository.
    #[arg(long)]
    pub(crate) repository: PathBuf,
    /// Another one, on a disk that is not cut: it makes the outboards that a parent would send.
    #[arg(long)]
    pub(crate) parent: PathBuf,
    #[arg(long)]
    pub(crate) seed: u64,
    /// The first number.
    #[arg(long)]
    pub(crate) first: u64,
    /// How many publishes at most.
    #[arg(long)]
    pub(crate) publishes: u64,
    /// How contents come in; all ways in turn where none is named.
    #[arg(long)]
    pub(crate) way: Option<Way>,
    /// The size of all contents in bytes; several sizes in turn where none is named.
    #[arg(long)]
    pub(crate) size: Option<usize>,
    #[arg(long, default_value = "nothing")]
    pub(crate) forgets: Forgets,
}

/// How a content comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Uploaded: digests are compared at the end.
    Upload,
    /// Fetched from a peer: the outboard first.
    Relay,
    /// A few from a peer, each whole in memory, published together.
    Few,
    /// Many so, with one sync for all.
    Many,
}

impl Way {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Upload, Self::Relay, Self::Few, Self::Many];

    /// How many contents one publish takes.
    pub(crate) const fn contents(self) -> u64 {
        match self {
            Self::Upload | Self::Relay => 1,
            Self::Few => FEW,
            Self::Many => MANY,
        }
    }
}

/// Publishes until done, or until something breaks, which ends the worker with the reason.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let open = |disk, folder: &PathBuf| {
        Repository::open(disk, folder.clone(), RepositoryOptions::default())
    };
    let parent = open(Disk::real(), &options.parent)?;
    let repository = open(options.forgets.disk(), &options.repository)?;
    let mut number = options.first;
    let mut work = Work::prepare(options, &parent, 0, number)?;
    say("ready")?;
    for publish in 1..=options.publishes {
        work.publish(&repository)?;
        for number in number..number + work.way.contents() {
            say(&format!("ack {number}"))?;
        }
        number += work.way.contents();
        if publish < options.publishes {
            work = Work::prepare(options, &parent, publish, number)?;
        }
    }
    Ok(())
}

/// One publish, with all that does not belong to it already done.
pub(crate) struct Work {
    pub(crate) way: Way,
    /// Contents, with the outboard of those that are relayed.
    contents: Vec<(Content, Option<Vec<u8>>)>,
}

impl Work {
    /// Makes the contents from `number` on for the publish with this position in the run.
    pub(crate) fn prepare(
        options: &Options,
        parent: &Repository,
        position: u64,
        number: u64,
    ) -> anyhow::Result<Self> {
        let turn = usize::try_from(position)? % Way::ALL.len();
        let way = options.way.or(Way::ALL.get(turn).copied()).unwrap_or(Way::Upload);
        let mut contents = Vec::new();
        for number in number..number + way.contents() {
            let content = match options.size {
                Some(size) => Content::of_size(options.seed, number, size),
                None => Content::make(options.seed, number),
            };
            let tree = if way == Way::Relay { Some(content.tree(parent)?) } else { None };
            contents.push((content, tree));
        }
        Ok(Self { way, contents })
    }

    /// Publishes them, together.
    pub(crate) fn publish(&self, repository: &Repository) -> anyhow::Result<()> {
        if matches!(self.way, Way::Few | Way::Many) {
            let mut batch = repository.begin_batch();
            self.contents.iter().try_for_each(|(content, _)| content.add_to(&mut batch))?;
            return Ok(batch.publish()?);
        }
        for (content, tree) in &self.contents {
            let verified = match tree {
                Some(tree) => content.relay(repository, tree)?,
                None => content.upload(repository)?,
            };
            repository.publish(verified)?;
        }
        Ok(())
    }

    /// What is published.
    pub(crate) fn ids(&self) -> impl Iterator<Item = xylem_model::ContentId> {
        self.contents.iter().map(|(content, _)| content.id)
    }
}

/// One line, out at once.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Opens a repository as the next start of a program would, on the real disk without any fault.
pub(crate) fn open(folder: &Path) -> anyhow::Result<Repository> {
    Ok(Repository::open(Disk::real(), folder.to_owned(), RepositoryOptions::default())?)
}
