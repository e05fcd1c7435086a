//! A migration from beginning to end, for the command that drives it.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::bundle;
use crate::digest::{Content, Digesting, digest};
use crate::error::MigrationError;
use crate::journal::Journal;
use crate::path::SourcePath;
use crate::plan::{ItemKind, Taking};
use crate::scan::{self, Limits};
use crate::script::ScriptReader;
use crate::survey::{Progress, Survey, Surveyor, read_script, stamp};
use crate::tree::Tree;

/// Bytes of an archive that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// A source that is open, with the state of its migration.
#[derive(Debug)]
pub struct Migration {
    folder: PathBuf,
    state: PathBuf,
    tree: Tree,
    journal: Journal,
    limits: Limits,
}

/// An item that is ready to be sent: it holds what was planned.
#[derive(Debug)]
pub enum Opened {
    /// A file, at its beginning: one of the source, or a nameless archive in the state folder.
    File(File),
    /// A script.
    Script {
        /// As it lies in the source.
        raw: Vec<u8>,
        /// As it is to be kept.
        contents: Vec<u8>,
    },
}

impl Migration {
    /// Opens a source and a folder for the state of its migration, which is made if need be.
    ///
    /// # Errors
    /// When the source cannot be read, the state folder cannot be used, or lies in the source.
    pub fn open(folder: &Path, state: &Path, limits: Limits) -> Result<Self, MigrationError> {
        let of_source = |source| MigrationError::Source { path: folder.to_owned(), source };
        let of_state = |source| MigrationError::State { path: state.to_owned(), source };
        let real = folder.canonicalize().map_err(of_source)?;
        refuse_inside(&real, state)?;
        let mut making = std::fs::DirBuilder::new();
        making.recursive(true).mode(0o700).create(state).map_err(of_state)?;
        let tree = Tree::open(folder).map_err(of_source)?;
        let journal = Journal::open(state, &real).map_err(of_state)?;
        Ok(Self { folder: folder.to_owned(), state: state.to_owned(), tree, journal, limits })
    }

    /// Looks through the source and reads what may be taken of it. What an earlier run has read,
    /// and what has not changed since, is not read again.
    ///
    /// # Errors
    /// When the source as a whole cannot be listed, or the state folder cannot be written to.
    pub fn survey(
        &mut self,
        scripts: &ScriptReader<'_>,
        told: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Survey, MigrationError> {
        let listed = scan::scan(&self.tree, self.limits, &mut |seen| told(Progress::Listed(seen)));
        let (layout, found) = listed
            .map_err(|source| MigrationError::Source { path: self.folder.clone(), source })?;
        let journal = &mut self.journal;
        let surveyor = Surveyor { tree: &self.tree, journal, scripts, told, done: 0, total: 0 };
        let survey = surveyor.survey(layout, found);
        survey.map_err(|source| MigrationError::State { path: self.state.clone(), source })
    }

    /// Opens an item to be sent, after having made sure that it is what was planned. What was
    /// touched since is read again.
    ///
    /// # Errors
    /// [`MigrationError::Changed`] when it holds something else now; others when it cannot be read,
    /// or the archive cannot be written.
    pub fn open_item(
        &mut self,
        path: &SourcePath,
        taking: &Taking,
        scripts: &ScriptReader<'_>,
    ) -> Result<Opened, MigrationError> {
        if taking.kind == ItemKind::Script {
            return self.script(path, taking, scripts);
        }
        if taking.is_bundle { self.zipped(path, taking) } else { self.file(path, taking) }
    }

    fn file(&mut self, path: &SourcePath, taking: &Taking) -> Result<Opened, MigrationError> {
        let unread = |source| MigrationError::Item { path: path.clone(), source };
        let (mut file, facts) = self.tree.file(path).map_err(unread)?;
        let stamp = stamp(&facts);
        if self.journal.find(path, &stamp) != Some(taking.content) {
            let content = digest(&file, |_| {}).map_err(unread)?;
            self.expect(path, content, taking)?;
            self.note(path, stamp, content)?;
            file.rewind().map_err(unread)?;
        }
        Ok(Opened::File(file))
    }

    fn zipped(&mut self, path: &SourcePath, taking: &Taking) -> Result<Opened, MigrationError> {
        let of_state = |source| MigrationError::State { path: self.state.clone(), source };
        // Nameless: a program that is killed leaves nothing behind.
        let spool = tempfile::tempfile_in(&self.state).map_err(of_state)?;
        let changed = |_| MigrationError::Changed(path.clone());
        let bundle = bundle::list(&self.tree, path).map_err(changed)?;
        let out =
            BufWriter::with_capacity(WRITE_BYTES, Both { spool, digesting: Digesting::new() });
        let both = bundle
            .zip(&self.tree, out, &mut |_| {})
            .map_err(|source| MigrationError::Zip { path: path.clone(), source })?;
        let Both { mut spool, digesting } =
            both.into_inner().map_err(|error| of_state(error.into_error()))?;
        self.expect(path, digesting.content(), taking)?;
        spool.rewind().map_err(of_state)?;
        Ok(Opened::File(spool))
    }

    fn script(
        &self,
        path: &SourcePath,
        taking: &Taking,
        scripts: &ScriptReader<'_>,
    ) -> Result<Opened, MigrationError> {
        let read = read_script(&self.tree, path, scripts);
        let (raw, script) = read.map_err(|_| MigrationError::Changed(path.clone()))?;
        self.expect(path, Content::of(&script.contents), taking)?;
        Ok(Opened::Script { raw, contents: script.contents })
    }

    fn expect(
        &self,
        path: &SourcePath,
        found: Content,
        taking: &Taking,
    ) -> Result<(), MigrationError> {
        if found == taking.content { Ok(()) } else { Err(MigrationError::Changed(path.clone())) }
    }

    fn note(
        &mut self,
        path: &SourcePath,
        stamp: String,
        content: Content,
    ) -> Result<(), MigrationError> {
        let noted = self.journal.note(path, stamp, content);
        noted.map_err(|source| MigrationError::State { path: self.state.clone(), source })
    }
}

/// Refuses a state folder in the source, also one that is yet to be made.
fn refuse_inside(source: &Path, state: &Path) -> Result<(), MigrationError> {
    let of_state = |source| MigrationError::State { path: state.to_owned(), source };
    let whole = std::path::absolute(state).map_err(of_state)?;
    let there = whole.ancestors().find_map(|folder| folder.canonicalize().ok());
    match there.is_some_and(|there| there.starts_with(source)) {
        true => Err(MigrationError::StateInSource { path: state.to_owned() }),
        false => Ok(()),
    }
}

/// Writes an archive and digests it.
struct Both {
    spool: File,
    digesting: Digesting,
}

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.spool.write(bytes)?;
        self.digesting.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}
