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
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xylem_pki::FileError;
use xylem_runtime::{Fs, FsFile};
use xylem_trust::{Descriptor, DescriptorId, Envelope, Head, MAX_ENVELOPE_BYTES, set_root};

use super::set::{Change, Manifest, SignedDescriptor, SignedHead};
use crate::data::{DataError, damaged};

/// Read and written at a time, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// The longest line that is read, in bytes: an envelope and the word before it.
const MAX_LINE_BYTES: usize = MAX_ENVELOPE_BYTES + 64;

/// A log smaller than this is not worth writing anew, in bytes.
const COMPACT_FROM_BYTES: u64 = 4 << 20;

/// A log is written anew when it is this many times as long as what is in force.
const COMPACT_FACTOR: u64 = 3;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    Add(Envelope),
    Drop(DescriptorId),
    Head(Envelope),
}

/// Where in the file a descriptor's line is.
#[derive(Debug, Clone, Copy)]
struct Span {
    offset: u64,
    len: u64,
}

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

/// Writes lines through a buffer.
struct Writer<'a> {
    file: &'a dyn FsFile,
    offset: u64,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(file: &'a dyn FsFile, offset: u64) -> Self {
        Self { file, offset, buffer: Vec::new() }
    }

    fn record(&mut self, record: &Record) -> io::Result<Span> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.write(&line)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<Span> {
        let span = Span { offset: self.offset + self.buffer.len() as u64, len: line.len() as u64 };
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(span)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.offset)
    }
}

/// A descriptor, and where it stands.
type Line = (Arc<Descriptor>, Span);

/// Follows the lines from the beginning.
#[derive(Default)]
struct Replay {
    /// The set as of the last head.
    set: BTreeMap<DescriptorId, Line>,
    /// What joined or left since then.
    pending: Vec<(DescriptorId, Option<Line>)>,
    head: Option<SignedHead>,
    committed: u64,
}

impl Replay {
    /// Takes a line; false where the good part of the file ends.
    fn take(&mut self, offset: u64, line: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Record>(line) else { return false };
        let span = Span { offset, len: line.len() as u64 };
        match record {
            Record::Add(envelope) => {
                let Ok(descriptor) = serde_json::from_slice(&envelope.payload) else {
                    return false;
                };
                let entry = (Arc::new(descriptor), span);
                self.pending.push((DescriptorId::of(&envelope), Some(entry)));
            }
            Record::Drop(id) => self.pending.push((id, None)),
            Record::Head(envelope) => {
                let Ok(head) = serde_json::from_slice::<Head>(&envelope.payload) else {
                    return false;
                };
                for (id, entry) in self.pending.drain(..) {
                    match entry {
                        Some(entry) => self.set.insert(id, entry),
                        None => self.set.remove(&id),
                    };
                }
                self.head = Some(SignedHead { head, envelope });
                self.committed = offset + span.len;
            }
        }
        true
    }

    fn finish(self) -> Result<(Manifest, HashMap<DescriptorId, Span>, u64), &'static str> {
        let mut manifest = Manifest::default();
        let Some(head) = self.head else {
            return Ok((manifest, HashMap::new(), 0));
        };
        let agrees = self.set.len() as u64 == head.head.count
            && set_root(self.set.keys().copied()) == head.head.set_root;
        if !agrees {
            return Err("its descriptors are not those its head names");
        }
        let spans = self.set.iter().map(|(id, (_, span))| (*id, *span)).collect();
        // The envelopes stay on the disk.
        let nothing = Envelope { kind: String::new(), payload: Vec::new(), signatures: Vec::new() };
        let add = self.set.into_iter().map(|(id, (descriptor, _))| SignedDescriptor {
            id,
            envelope: nothing.clone(),
            descriptor,
        });
        manifest.apply(&Change { add: add.collect(), drop: Vec::new() }, head);
        Ok((manifest, spans, self.committed))
    }
}

/// Shows each whole line, with its newline, until one is refused or too long. Returns the length
/// of the file.
fn each_line(file: &dyn FsFile, mut take: impl FnMut(u64, &[u8]) -> bool) -> io::Result<u64> {
    let end = file.len()?;
    let (mut read_to, mut line_start) = (0, 0);
    let mut buffer: Vec<u8> = Vec::new();
    while read_to < end && buffer.len() <= MAX_LINE_BYTES {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = read_full(file, &mut chunk, read_to)?;
        buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        read_to += read as u64;
        let mut used = 0;
        for line in buffer.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            if !take(line_start, line) {
                return Ok(end);
            }
            used += line.len();
            line_start += line.len() as u64;
        }
        buffer.drain(..used);
        if read == 0 {
            break;
        }
    }
    Ok(end)
}

fn read_full(file: &dyn FsFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use xylem_runtime::RealFs;

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
