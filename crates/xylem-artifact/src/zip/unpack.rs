//! The bytes of one member, streamed, bounded and compared with its checksum.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::ZipArchive;
use super::called;
use super::member::{Member, Method};
use crate::error::ArtifactError;
use crate::xar::Section;

/// Bytes read from the file, and given out, at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Buffers and a decoder that serve one member after the other.
pub(super) struct Unpacker {
    input: Vec<u8>,
    output: Vec<u8>,
    inflate: Decompress,
}

/// What of a member has been given out.
struct Progress<'a> {
    member: &'a Member,
    crc: Crc,
    given: u64,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self {
            input: vec![0; BUFFER_BYTES],
            output: vec![0; BUFFER_BYTES],
            inflate: Decompress::new(false),
        }
    }

    /// Hands a member's bytes to `take`, piece by piece; all of it is checked, unless `take` breaks
    /// off.
    pub(super) fn unpack(
        &mut self,
        archive: &ZipArchive,
        member: &Member,
        take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ArtifactError> {
        let file = Arc::clone(&archive.file);
        let section = Section::new(file, member.data_start, member.packed_bytes);
        let mut progress = Progress { member, crc: Crc::new(), given: 0 };
        let flow = match member.method {
            Method::Stored => self.copy(section, &mut progress, take)?,
            Method::Deflated => self.inflate(section, &mut progress, take)?,
            Method::Other(number) => {
                let reason = format!("it is compressed by method {number}, which is not read here");
                return Err(ArtifactError::malformed(called(member.name()), reason));
            }
        };
        if flow.is_break() { Ok(()) } else { progress.finish() }
    }

    fn copy(
        &mut self,
        mut section: Section,
        progress: &mut Progress<'_>,
        take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ArtifactError> {
        loop {
            let read = section.read(&mut self.input).map_err(|error| progress.failed(error))?;
            let bytes = self.input.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            if progress.give(bytes, take)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn inflate(
        &mut self,
        mut section: Section,
        progress: &mut Progress<'_>,
        take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ArtifactError> {
        self.inflate.reset(false);
        let (mut start, mut end) = (0, 0);
        loop {
            if start == end {
                start = 0;
                end = section.read(&mut self.input).map_err(|error| progress.failed(error))?;
            }
            let input = self.input.get(start..end).unwrap_or_default();
            let (taken_before, given_before) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, &mut self.output, FlushDecompress::None)
                .map_err(|error| progress.failed(io::Error::other(error)))?;
            let taken = length(self.inflate.total_in() - taken_before);
            let given = length(self.inflate.total_out() - given_before);
            start += taken;
            if progress.give(self.output.get(..given).unwrap_or_default(), take)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if status == Status::StreamEnd {
                break;
            }
            if taken == 0 && given == 0 {
                return Err(progress.damaged("its compressed data stops in the middle"));
            }
        }
        if start < end || section.read(&mut [0]).map_err(|error| progress.failed(error))? > 0 {
            return Err(progress.damaged("more follows behind the end of its compressed data"));
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Progress<'_> {
    fn give(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ArtifactError> {
        self.given += bytes.len() as u64;
        if self.given > self.member.size {
            let reason = format!("it has more than the {} bytes declared", self.member.size);
            return Err(self.failed(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
        }
        self.crc.update(bytes);
        Ok(take(bytes))
    }

    fn finish(self) -> Result<(), ArtifactError> {
        if self.given < self.member.size {
            return Err(self.damaged("it has fewer bytes than declared"));
        }
        if self.crc.sum() != self.member.crc {
            let what = called(self.member.name());
            return Err(ArtifactError::ChecksumMismatch { what, style: "CRC-32" });
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> ArtifactError {
        ArtifactError::from_read(called(self.member.name()), source)
    }

    fn damaged(&self, reason: &str) -> ArtifactError {
        ArtifactError::malformed(called(self.member.name()), reason)
    }
}

fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
