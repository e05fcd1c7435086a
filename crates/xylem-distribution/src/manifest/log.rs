//! The manifest on disk.
//!
//! One line of JSON for each descriptor that joins or leaves, then the signed head that describes
//! the outcome; all of it is synced before anybody acts on it. The head is what commits: lines
//! after the last head are the remains of an interrupted step and are cut off. Since a head names
//! count and digest of its whole set, the file proves itself when it is read, and because the head
//! is signed, so does every descriptor in it, also one whose own signature is by a key that has been
//! retired since.
//!
//! A change costs as much as itself, not as the whole catalogue. When most of the file is history
//! it is written anew beside itself and renamed.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use xylem_pki::FileError;
use xylem_runtime::{Fs, FsFile};
use xylem_trust::{DescriptorId, Envelope};

use super::lines::{Record, Replay, Span, Writer, each_line, read_full};
use super::set::{Change, Manifest, SignedHead};
use crate::data::{DataError, damaged};

/// A log smaller than this is not worth writing anew, in bytes.
const COMPACT_FROM_BYTES: u64 = 4 << 20;

/// A log is written anew when it is this many times as long as what is in force.
const COMPACT_FACTOR: u64 = 3;

/// The open log.
pub(crate) struct ManifestLog {
    path: PathBuf,
    file: Box<dyn FsFile>,
    len: u64,
    spans: HashMap<DescriptorId, Span>,
}

impl ManifestLog {
    /// Opens the log, making it where there is none, and reads the manifest in force. The
    /// signature of its head is the caller's to check.
    pub(crate) fn open(fs: &dyn Fs, path: &Path) -> Result<(Self, Manifest), DataError> {
        let exists = fs.exists(path).map_err(|source| FileError::reading(path, source))?;
        let file = if exists { fs.open_write(path) } else { fs.create_new(path) }
            .map_err(|source| FileError::writing(path, source))?;
        if !exists && let Some(folder) = path.parent() {
            fs.sync_dir(folder).map_err(|source| FileError::writing(folder, source))?;
        }
        let mut log = Self { path: path.to_owned(), file, len: 0, spans: HashMap::new() };
        let manifest = log.load()?;
        Ok((log, manifest))
    }

    /// Reads the manifest in force and changes nothing; the server may be running.
    pub(crate) fn peek(fs: &dyn Fs, path: &Path) -> Result<Manifest, DataError> {
        let file = match fs.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
            file => file.map_err(|source| FileError::reading(path, source))?,
        };
        let mut replay = Replay::default();
        each_line(&*file, |offset, line| replay.take(offset, line))
            .map_err(|source| FileError::reading(path, source))?;
        Ok(replay.finish().map(|(manifest, ..)| manifest).unwrap_or_default())
    }

    fn load(&mut self) -> Result<Manifest, DataError> {
        let mut replay = Replay::default();
        let end = each_line(&*self.file, |offset, line| replay.take(offset, line))
            .map_err(|source| FileError::reading(&self.path, source))?;
        let manifest = match replay.finish() {
            Ok((manifest, spans, len)) => {
                (self.spans, self.len) = (spans, len);
                manifest
            }
            Err(reason) => {
                // All of it can be asked for again; until then nothing is removed.
                let path = self.path.display();
                tracing::warn!(%path, reason, "the manifest is damaged; it is fetched anew");
                Manifest::default()
            }
        };
        if end != self.len {
            self.cut()?;
        }
        Ok(manifest)
    }

    /// Throws everything away.
    pub(crate) fn clear(&mut self) -> Result<(), DataError> {
        (self.len, self.spans) = (0, HashMap::new());
        self.cut()
    }

    /// Makes a step and its head durable.
    pub(crate) fn commit(
        &mut self,
        fs: &dyn Fs,
        change: &Change,
        head: &SignedHead,
    ) -> Result<(), DataError> {
        let live: u64 = self.spans.values().map(|span| span.len).sum();
        let result = if self.len >= COMPACT_FROM_BYTES && self.len / COMPACT_FACTOR >= live {
            self.rewrite(fs, change, head)
        } else {
            self.append(change, head)
        };
        if let Err(source) = result {
            // What was written has no head after it, or one that was never acted on: off.
            self.cut()?;
            return Err(FileError::writing(&self.path, source).into());
        }
        Ok(())
    }

    fn append(&mut self, change: &Change, head: &SignedHead) -> io::Result<()> {
        let mut writer = Writer::new(&*self.file, self.len);
        for id in &change.drop {
            writer.record(&Record::Drop(*id))?;
        }
        let spans = write_step(&mut writer, change, head)?;
        let len = writer.finish()?;
        self.file.sync()?;
        self.len = len;
        for id in &change.drop {
            self.spans.remove(id);
        }
        self.spans.extend(spans);
        Ok(())
    }

    /// Writes what is in force after the step to a new file, without its history. The new name is
    /// the commit.
    fn rewrite(&mut self, fs: &dyn Fs, change: &Change, head: &SignedHead) -> io::Result<()> {
        let beside = self.path.with_extension("log.new");
        if fs.exists(&beside)? {
            fs.remove_file(&beside)?;
        }
        let file = fs.create_new(&beside)?;
        let mut writer = Writer::new(&*file, 0);
        let mut kept = self.spans.clone();
        for id in &change.drop {
            kept.remove(id);
        }
        let in_order: BTreeMap<u64, DescriptorId> =
            kept.iter().map(|(id, span)| (span.offset, *id)).collect();
        for id in in_order.values() {
            if let Some(span) = kept.get_mut(id) {
                *span = writer.write(&self.line(*span)?)?;
            }
        }
        kept.extend(write_step(&mut writer, change, head)?);
        let len = writer.finish()?;
        file.sync()?;
        fs.rename(&beside, &self.path)?;
        (self.file, self.len, self.spans) = (file, len, kept);
        match self.path.parent() {
            Some(folder) => fs.sync_dir(folder),
            None => Ok(()),
        }
    }

    /// A descriptor as it was signed.
    pub(crate) fn envelope(&self, id: &DescriptorId) -> Result<Option<Envelope>, DataError> {
        let Some(span) = self.spans.get(id) else { return Ok(None) };
        let line = self.line(*span).map_err(|source| FileError::reading(&self.path, source))?;
        match serde_json::from_slice(&line) {
            Ok(Record::Add(envelope)) => Ok(Some(envelope)),
            Ok(_) => Err(damaged(&self.path, "a line changed since it was written")),
            Err(error) => Err(damaged(&self.path, error)),
        }
    }

    fn line(&self, span: Span) -> io::Result<Vec<u8>> {
        let mut line = vec![0; usize::try_from(span.len).map_err(io::Error::other)?];
        match read_full(&*self.file, &mut line, span.offset)? == line.len() {
            true => Ok(line),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Cuts off what no head commits.
    fn cut(&self) -> Result<(), DataError> {
        self.file
            .set_len(self.len)
            .and_then(|()| self.file.sync())
            .map_err(|source| FileError::writing(&self.path, source).into())
    }
}

impl std::fmt::Debug for ManifestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManifestLog").field("path", &self.path).field("len", &self.len).finish()
    }
}

fn write_step(
    writer: &mut Writer<'_>,
    change: &Change,
    head: &SignedHead,
) -> io::Result<Vec<(DescriptorId, Span)>> {
    let mut spans = Vec::with_capacity(change.add.len());
    for added in &change.add {
        spans.push((added.id, writer.record(&Record::Add(added.envelope.clone()))?));
    }
    writer.record(&Record::Head(head.envelope.clone()))?;
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use xylem_runtime::RealFs;

    use super::super::set::SignedDescriptor;
    use super::super::set::tests::{head_over, signed};
    use super::*;

    fn add(one: &SignedDescriptor) -> Change {
        Change { add: vec![one.clone()], drop: Vec::new() }
    }

    #[test]
    fn a_committed_step_survives_and_an_interrupted_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.log");
        let (a, b) = (signed(1, 1, "a"), signed(2, 1, "b"));
        let (mut log, empty) = ManifestLog::open(&RealFs, &path).unwrap();
        assert!(empty.head().is_none());
        log.commit(&RealFs, &add(&a), &head_over(&[&a], 1)).unwrap();
        log.commit(&RealFs, &add(&b), &head_over(&[&a, &b], 2)).unwrap();
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        let first_commit = {
            let text = String::from_utf8(whole.clone()).unwrap();
            text.split_inclusive('\n').take(2).map(str::len).sum::<usize>()
        };
        for cut in [first_commit, first_commit + 1, whole.len() - 1, whole.len()] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (log, manifest) = ManifestLog::open(&RealFs, &path).unwrap();
            let expected = if cut == whole.len() { 2 } else { 1 };
            assert_eq!(manifest.stamp().generation.0, expected, "cut at {cut}");
            assert_eq!(manifest.descriptors().count() as u64, expected);
            assert_eq!(log.envelope(&a.id).unwrap(), Some(a.envelope.clone()));
        }
    }

    #[test]
    fn a_line_changed_on_the_disk_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.log");
        let (a, b) = (signed(1, 1, "a"), signed(1, 2, "a"));
        let (mut log, _) = ManifestLog::open(&RealFs, &path).unwrap();
        log.commit(&RealFs, &add(&a), &head_over(&[&a], 1)).unwrap();
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let forged = serde_json::to_string(&Record::Add(b.envelope)).unwrap();
        std::fs::write(&path, format!("{forged}\n{}\n", lines[1])).unwrap();
        let (_, manifest) = ManifestLog::open(&RealFs, &path).unwrap();
        assert!(manifest.head().is_none());
    }

    #[test]
    fn history_is_dropped_and_the_set_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.log");
        let (a, b) = (signed(1, 1, "a"), signed(2, 1, "b"));
        let (mut log, _) = ManifestLog::open(&RealFs, &path).unwrap();
        log.commit(&RealFs, &add(&a), &head_over(&[&a], 1)).unwrap();
        for generation in 2..50 {
            log.commit(&RealFs, &Change::default(), &head_over(&[&a], generation)).unwrap();
        }
        let before = log.len;
        log.rewrite(&RealFs, &add(&b), &head_over(&[&a, &b], 50)).unwrap();
        assert!(log.len < before / 10);
        assert_eq!(log.envelope(&b.id).unwrap(), Some(b.envelope.clone()));
        drop(log);
        let (log, manifest) = ManifestLog::open(&RealFs, &path).unwrap();
        assert_eq!(manifest.stamp().generation.0, 50);
        assert_eq!(log.envelope(&a.id).unwrap(), Some(a.envelope.clone()));
    }
}
