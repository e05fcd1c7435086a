//! Lines of the manifest on disk: written through a buffer, followed from the beginning.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xylem_runtime::FsFile;
use xylem_trust::{Descriptor, DescriptorId, Envelope, Head, MAX_ENVELOPE_BYTES, set_root};

use super::set::{Change, Manifest, SignedDescriptor, SignedHead};

/// Read and written at a time, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// The longest line that is read, in bytes: an envelope and the word before it.
const MAX_LINE_BYTES: usize = MAX_ENVELOPE_BYTES + 64;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Record {
    Add(Envelope),
    Drop(DescriptorId),
    Head(Envelope),
}

/// Where in the file a descriptor's line is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// Writes lines through a buffer.
pub(super) struct Writer<'a> {
    file: &'a dyn FsFile,
    offset: u64,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(file: &'a dyn FsFile, offset: u64) -> Self {
        Self { file, offset, buffer: Vec::new() }
    }

    pub(super) fn record(&mut self, record: &Record) -> io::Result<Span> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.write(&line)
    }

    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<Span> {
        let span = Span { offset: self.offset + self.buffer.len() as u64, len: line.len() as u64 };
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(span)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.offset)
    }
}

/// A descriptor, and where it stands.
type Line = (Arc<Descriptor>, Span);

/// Follows the lines from the beginning.
#[derive(Default)]
pub(super) struct Replay {
    /// The set as of the last head.
    set: BTreeMap<DescriptorId, Line>,
    /// What joined or left since then.
    pending: Vec<(DescriptorId, Option<Line>)>,
    head: Option<SignedHead>,
    committed: u64,
}

impl Replay {
    /// Takes a line; false where the good part of the file ends.
    pub(super) fn take(&mut self, offset: u64, line: &[u8]) -> bool {
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

    pub(super) fn finish(
        self,
    ) -> Result<(Manifest, HashMap<DescriptorId, Span>, u64), &'static str> {
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
pub(super) fn each_line(
    file: &dyn FsFile,
    mut take: impl FnMut(u64, &[u8]) -> bool,
) -> io::Result<u64> {
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

pub(super) fn read_full(file: &dyn FsFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
