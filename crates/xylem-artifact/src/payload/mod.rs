//! Bounded, streaming reading of package payloads.
//!
//! A `Payload` (or `Scripts`) entry of a flat package is a cpio archive (odc, seldom newc), as it
//! is, in gzip, or in pbzx blocks. [`PayloadReader`] finds out which, and hands out one [`Member`]
//! after the other with its body as a stream, in constant memory.
//!
//! What a caller can rely on for any input, however hostile:
//! 1. Names are relative and normal ([`MemberPath`]); devices, pipes and sockets are refused.
//! 2. No more than the [`Budget`] is ever expanded, and no buffer is sized by a number that the
//!    file merely claims.
//! 3. A payload that ends early, or whose compressed data fails its own checks, is an error and
//!    never a short archive: after the last member the rest is read, so that gzip and xz check
//!    their trailers. (An empty payload has no members; packages without files carry those.)
//!
//! Deliberately not here: writing anything to disk. That is the crate `xylem-install`, which has
//! to keep symbolic links from being walked through. Not read, because no documentation or sample
//! is at hand: Apple Archive payloads and the other `pbz…` framings.

mod budget;
mod cpio;
mod error;
mod links;
mod member;
mod path;
mod pbzx;
#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use self::budget::Budgeted;
pub use self::budget::{Budget, DECLARED_SIZE_FACTOR, MIN_BUDGET_BYTES};
use self::cpio::{Dialect, Header};
pub use self::error::PayloadError;
use self::links::LinkTable;
use self::member::FileType;
pub use self::member::{MAX_SYMLINK_BYTES, Member, MemberKind};
pub use self::path::{MAX_COMPONENT_BYTES, MAX_PATH_BYTES, MemberPath};
pub use self::pbzx::MAX_BLOCK_BYTES;
use self::pbzx::{PbzxReader, truncated};

/// Most members of one payload.
pub const MAX_MEMBERS: usize = 2_000_000;

/// Bytes looked at to recognise the packing of a payload.
const SNIFF_BYTES: usize = 6;

/// Bytes read from the package at a time.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Longest name field: a path, `./` before it and NUL after it.
const MAX_NAME_FIELD_BYTES: u32 = MAX_PATH_BYTES as u32 + 3;

type Source<'a> = BufReader<io::Chain<Cursor<Vec<u8>>, Box<dyn Read + 'a>>>;

/// Reads the members of one payload, in archive order.
///
/// ```
/// use std::io::Read;
/// use xylem_artifact::payload::{Budget, PayloadReader};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let packed: &[u8] = b"";
/// let mut payload = PayloadReader::open(packed, Budget::for_declared_kbytes(120))?;
/// while let Some(member) = payload.next_member()? {
///     let mut content = Vec::new();
///     payload.body().read_to_end(&mut content)?;
///     assert_eq!(content.len() as u64, member.size);
/// }
/// # Ok(())
/// # }
/// ```
pub struct PayloadReader<'a> {
    stream: Budgeted<Decoder<'a>>,
    /// The layout of the first header; all others have to follow it.
    dialect: Option<Dialect>,
    links: LinkTable,
    members: usize,
    body_left: u64,
    padding_left: u64,
    finished: bool,
}

enum Decoder<'a> {
    Plain(Source<'a>),
    Gzip(Box<MultiGzDecoder<Source<'a>>>),
    Pbzx(Box<PbzxReader<Source<'a>>>),
}

impl<'a> PayloadReader<'a> {
    /// Recognises how `reader` is packed. Nothing but its first bytes is read yet.
    ///
    /// # Errors
    /// [`PayloadError::UnsupportedFormat`] for anything but cpio as it is, in gzip or in pbzx.
    pub fn open(mut reader: impl Read + 'a, budget: Budget) -> Result<Self, PayloadError> {
        let mut magic = Vec::with_capacity(SNIFF_BYTES);
        reader
            .by_ref()
            .take(SNIFF_BYTES as u64)
            .read_to_end(&mut magic)
            .map_err(PayloadError::from_io)?;
        let boxed: Box<dyn Read + 'a> = Box::new(reader);
        let source = |magic: Vec<u8>| {
            BufReader::with_capacity(READ_BUFFER_BYTES, Cursor::new(magic).chain(boxed))
        };
        let decoder = match magic.as_slice() {
            [] => Decoder::Plain(source(magic)),
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(MultiGzDecoder::new(source(magic)))),
            [b'p', b'b', b'z', b'x', ..] => {
                Decoder::Pbzx(Box::new(PbzxReader::open(source(magic))?))
            }
            [b'0', b'7', b'0', b'7', ..] => Decoder::Plain(source(magic)),
            other => return Err(PayloadError::UnsupportedFormat { format: name_format(other) }),
        };
        Ok(Self {
            stream: Budgeted::new(decoder, budget),
            dialect: None,
            links: LinkTable::default(),
            members: 0,
            body_left: 0,
            padding_left: 0,
            finished: false,
        })
    }

    /// The next member, or `None` after the last. What was left of the previous body is skipped.
    ///
    /// # Errors
    /// See [`PayloadError`]. After an error the reader is of no further use.
    pub fn next_member(&mut self) -> Result<Option<Member>, PayloadError> {
        if self.finished {
            return Ok(None);
        }
        self.skip(self.body_left + self.padding_left, "the data of a member")?;
        (self.body_left, self.padding_left) = (0, 0);
        let Some((dialect, header)) = self.read_header()? else {
            self.finished = true;
            return Ok(None);
        };
        let name = self.read_name(dialect, &header)?;
        if name == cpio::TRAILER {
            // Reading to the very end makes gzip and xz compare their checksums.
            io::copy(&mut self.stream, &mut io::sink()).map_err(read_error("its end"))?;
            self.finished = true;
            return Ok(None);
        }
        self.members += 1;
        if self.members > MAX_MEMBERS {
            return Err(PayloadError::TooMany { what: "members", limit: MAX_MEMBERS });
        }
        self.begin_member(dialect, &header, &name).map(Some)
    }

    /// Bytes that the payload has expanded to so far, headers included.
    pub fn expanded_bytes(&self) -> u64 {
        self.stream.used_bytes()
    }

    /// The body of the member that [`next_member`](Self::next_member) returned last. Errors can be
    /// turned back into [`PayloadError`] with [`PayloadError::from_io`].
    pub fn body(&mut self) -> Body<'_, 'a> {
        Body { payload: self }
    }

    fn begin_member(
        &mut self,
        dialect: Dialect,
        header: &Header,
        name: &[u8],
    ) -> Result<Member, PayloadError> {
        let file_type = FileType::of(header.mode, name)?;
        let path = MemberPath::parse(name)?;
        if path.is_root() && file_type != FileType::Directory {
            return Err(PayloadError::unsafe_path(name, "the root has to be a directory"));
        }
        self.padding_left = dialect.data_padding(header.size);
        let kind = match file_type {
            FileType::Directory if header.size == 0 => MemberKind::Directory,
            FileType::Directory => {
                return Err(PayloadError::damaged(format!("directory {path} carries data")));
            }
            FileType::Symlink => MemberKind::Symlink { target: self.read_symlink(header, &path)? },
            FileType::Regular => {
                self.body_left = header.size;
                match self.links.note(header, &path)? {
                    Some(target) => MemberKind::HardLink { target },
                    None => MemberKind::File,
                }
            }
        };
        Ok(Member::new(header, path, kind))
    }

    /// `None` when the payload holds nothing at all.
    fn read_header(&mut self) -> Result<Option<(Dialect, Header)>, PayloadError> {
        let mut magic = Vec::with_capacity(cpio::MAGIC_BYTES);
        (&mut self.stream)
            .take(cpio::MAGIC_BYTES as u64)
            .read_to_end(&mut magic)
            .map_err(read_error("a cpio header"))?;
        // A pbzx cut after its header looks like an empty one, and nobody writes those.
        let may_be_empty = !matches!(self.stream.inner(), Decoder::Pbzx(_));
        if magic.is_empty() && self.dialect.is_none() && may_be_empty {
            return Ok(None);
        }
        if magic.len() < cpio::MAGIC_BYTES {
            return Err(PayloadError::Truncated { at: "a cpio header" });
        }
        let Some(dialect) = Dialect::from_magic(&magic) else {
            return Err(match self.dialect {
                None => PayloadError::UnsupportedFormat { format: name_format(&magic) },
                Some(_) => PayloadError::damaged("a cpio header does not begin with its magic"),
            });
        };
        if *self.dialect.get_or_insert(dialect) != dialect {
            return Err(PayloadError::damaged("two kinds of cpio header in one archive"));
        }
        let mut fields = vec![0; dialect.fields_bytes()];
        self.stream.read_exact(&mut fields).map_err(read_error("a cpio header"))?;
        Ok(Some((dialect, Header::parse(dialect, &fields)?)))
    }

    fn read_name(&mut self, dialect: Dialect, header: &Header) -> Result<Vec<u8>, PayloadError> {
        if header.name_bytes < 2 || header.name_bytes > MAX_NAME_FIELD_BYTES {
            return Err(PayloadError::damaged(format!(
                "a cpio header announces a name of {} bytes",
                header.name_bytes
            )));
        }
        // Bounded just above.
        let length = header.name_bytes as usize;
        let mut name = vec![0; length];
        self.stream.read_exact(&mut name).map_err(read_error("the name of a member"))?;
        self.skip(dialect.name_padding(length) as u64, "the name of a member")?;
        if name.pop() != Some(0) {
            return Err(PayloadError::unsafe_path(&name, "its name does not end with a NUL byte"));
        }
        Ok(name)
    }

    fn read_symlink(&mut self, header: &Header, path: &MemberPath) -> Result<String, PayloadError> {
        if header.size > MAX_SYMLINK_BYTES {
            let reason = "the target of the symbolic link is longer than 4096 bytes";
            return Err(PayloadError::unsafe_path(path.as_str().as_bytes(), reason));
        }
        let mut target = Vec::new();
        (&mut self.stream)
            .take(header.size)
            .read_to_end(&mut target)
            .map_err(read_error("the target of a symbolic link"))?;
        if target.len() as u64 != header.size {
            return Err(PayloadError::Truncated { at: "the target of a symbolic link" });
        }
        member::symlink_target(path, target)
    }

    fn skip(&mut self, count: u64, at: &'static str) -> Result<(), PayloadError> {
        let skipped = io::copy(&mut (&mut self.stream).take(count), &mut io::sink())
            .map_err(read_error(at))?;
        if skipped == count { Ok(()) } else { Err(PayloadError::Truncated { at }) }
    }
}

/// The body of one member; see [`PayloadReader::body`]. Ends where the member ends.
pub struct Body<'r, 'a> {
    payload: &'r mut PayloadReader<'a>,
}

impl Read for Body<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.payload.body_left).unwrap_or(usize::MAX);
        let wanted = out.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let (window, _) = out.split_at_mut(wanted);
        let count = self.payload.stream.read(window).map_err(|error| {
            // Kept in one vocabulary, whichever decoder ran dry.
            io::Error::from(read_error("the data of a member")(error))
        })?;
        if count == 0 {
            return Err(PayloadError::Truncated { at: "the data of a member" }.into());
        }
        self.payload.body_left -= count as u64;
        Ok(count)
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(out),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Pbzx(decoder) => decoder.read(out),
        }
    }
}

fn read_error(at: &'static str) -> impl FnOnce(io::Error) -> PayloadError {
    move |error| truncated(error, at)
}

/// A name for what a payload begins with, for the message that refuses it.
fn name_format(magic: &[u8]) -> String {
    match magic {
        [b'A', b'A', b'0', b'1', ..] | [b'Y', b'A', b'A', b'1', ..] => "Apple Archive".to_owned(),
        [b'p', b'b', b'z', variant, ..] => {
            format!("block-compressed Apple Archive (pbz{})", char::from(*variant).escape_default())
        }
        b"070702" => "cpio newc with checksums".to_owned(),
        [0xc7, 0x71, ..] | [0x71, 0xc7, ..] => "old binary cpio".to_owned(),
        [b'B', b'Z', b'h', ..] => "bzip2".to_owned(),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz".to_owned(),
        other => format!("something unknown (first bytes {})", hex::encode(other)),
    }
}
