//! Bills of materials (`Bom`): which files a component installs.
//!
//! A Bom is a store of numbered blocks. A table says where each block lies, and a list names a few
//! of them. The one called `Paths` is a tree of pages, whose leaves lead from one to the next and
//! list every path by two blocks: one with its number and where its details are, one with the number
//! of its folder and its name. All numbers are big-endian. The format was never published; see also
//! [`crate::build`], which writes it.
//!
//! Every number is looked up before it is believed, and no block is a page twice. Work and memory
//! are in proportion to the bytes that are there, whatever they claim: other readers allocate what a
//! table says, or follow its leaves in circles.

use xylem_model::IndexedKind;

use crate::index::{Names, NoIndex};

const MAGIC: &[u8] = b"BOMStore";
/// Bytes of the store's header before its tables' positions.
const TABLE_AT: usize = 16;
const VARIABLES_AT: usize = 24;
/// The block with the tree of paths.
const PATHS: &[u8] = b"Paths";
/// Most named blocks. Real Boms have five.
const MAX_VARIABLES: u32 = 256;
const TREE_MAGIC: &[u8] = b"tree";
/// Deepest tree: a page has room for hundreds of others, so real ones have three levels at most.
const MAX_LEVELS: usize = 12;
const LEAF: u16 = 1;
/// Where a page's entries begin, and how long one is.
const ENTRIES_AT: usize = 12;
const ENTRY_BYTES: usize = 8;
/// Where the details of a path have its mode, and what of that says that it is a link (`stat.h`).
const MODE_AT: usize = 4;
const FORMAT_MASK: u16 = 0o170_000;
const LINK_FORMAT: u16 = 0o120_000;
/// What the folder at the top is called; it lies in the folder 0.
const TOP: &[u8] = b".";
const ABOVE_TOP: u32 = 0;

/// What a Bom lists.
pub(super) struct Bom {
    /// Everything but the folder at the top.
    pub(super) names: Names,
    /// The number of the folder at the top, where it is listed.
    pub(super) top: Option<u32>,
}

impl Bom {
    /// Numbers that stand for the folder at the top.
    pub(super) fn top_numbers(&self) -> [u64; 2] {
        [ABOVE_TOP.into(), self.top.unwrap_or(ABOVE_TOP).into()]
    }

    /// Reads every path.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NoIndex> {
        let store = Store::open(bytes)?;
        let mut bom = Self { names: Names::default(), top: None };
        let mut page = store.first_leaf()?;
        let mut seen = vec![false; store.blocks.len()];
        loop {
            let is_seen = usize::try_from(page).ok().and_then(|page| seen.get_mut(page));
            match is_seen {
                Some(is_seen) if !*is_seen => *is_seen = true,
                _ => return Err(damaged("its pages lead back to one another, or nowhere")),
            }
            let fields = Fields(store.block(page)?);
            for index in 0..usize::from(fields.be16(2)?) {
                let at = ENTRIES_AT + index * ENTRY_BYTES;
                bom.add(&store, fields.be32(at)?, fields.be32(at + 4)?)?;
            }
            page = match fields.be32(4)? {
                0 => return Ok(bom),
                next => next,
            };
        }
    }

    /// Adds the path of these two blocks.
    fn add(&mut self, store: &Store<'_>, path: u32, file: u32) -> Result<(), NoIndex> {
        let path = Fields(store.block(path)?);
        let details = Fields(store.block(path.be32(4)?)?);
        let (number, file) = (path.be32(0)?, Fields(store.block(file)?));
        let parent = file.be32(0)?;
        let name = file.0.get(4..).unwrap_or_default();
        let end = name.iter().position(|byte| *byte == 0);
        let name =
            end.and_then(|end| name.get(..end)).ok_or_else(|| damaged("a name has no end"))?;
        let kind = kind_of(details)?;
        if parent == ABOVE_TOP && name == TOP {
            return match self.top.replace(number) {
                None => Ok(()),
                Some(_) => Err(damaged("it has two folders at the top")),
            };
        }
        let name = str::from_utf8(name).map_err(|_| {
            let name = name.escape_ascii().to_string();
            NoIndex::new(format!("it lists a name that is no UTF-8: {name:.80}"))
        })?;
        self.names.add(number.into(), parent.into(), kind, name)
    }
}

/// What a path is.
fn kind_of(details: Fields<'_>) -> Result<IndexedKind, NoIndex> {
    let is_link = details.be16(MODE_AT)? & FORMAT_MASK == LINK_FORMAT;
    Ok(match details.u8(0)? {
        // Other tools than Apple's tell a link from a file by its mode alone.
        1 if is_link => IndexedKind::Link,
        // Devices are none that is told apart.
        1 | 4 => IndexedKind::File,
        2 => IndexedKind::Folder,
        3 => IndexedKind::Link,
        kind => return Err(damaged(format!("{kind} is no kind of file"))),
    })
}

/// The blocks of a Bom.
struct Store<'a> {
    bytes: Fields<'a>,
    /// The table of blocks: position and length of each.
    blocks: &'a [[u8; 8]],
}

impl<'a> Store<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, NoIndex> {
        if !bytes.starts_with(MAGIC) {
            return Err(damaged("it does not begin as one"));
        }
        let bytes = Fields(bytes);
        let table = bytes.from(bytes.be32(TABLE_AT)?)?;
        let count = usize::try_from(table.be32(0)?).unwrap_or(usize::MAX);
        let blocks = table.from(4)?.0.as_chunks::<8>().0.get(..count).ok_or_else(too_short)?;
        Ok(Self { bytes, blocks })
    }

    /// The bytes of a block.
    fn block(&self, number: u32) -> Result<&'a [u8], NoIndex> {
        let place = usize::try_from(number).ok().and_then(|number| self.blocks.get(number));
        let place = place.ok_or_else(|| damaged(format!("the block {number} is missing")))?;
        let (position, len) = (Fields(place).be32(0)?, Fields(place).be32(4)?);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let block = self.bytes.from(position)?.0.get(..len);
        block.ok_or_else(|| damaged(format!("the block {number} lies behind the end")))
    }

    /// The number of a named block.
    fn named(&self, wanted: &[u8]) -> Result<u32, NoIndex> {
        let mut variables = self.bytes.from(self.bytes.be32(VARIABLES_AT)?)?;
        let count = variables.be32(0)?.min(MAX_VARIABLES);
        variables = variables.from(4)?;
        for _ in 0..count {
            let (block, len) = (variables.be32(0)?, variables.u8(4)?);
            let rest = variables.from(5)?.0.split_at_checked(len.into());
            let (name, rest) = rest.ok_or_else(too_short)?;
            if name == wanted {
                return Ok(block);
            }
            variables = Fields(rest);
        }
        Err(damaged("it lists no paths"))
    }

    /// The leaf in which the list of paths begins.
    fn first_leaf(&self) -> Result<u32, NoIndex> {
        let tree = Fields(self.block(self.named(PATHS)?)?);
        if !tree.0.starts_with(TREE_MAGIC) {
            return Err(damaged("its paths are no tree"));
        }
        let mut page = tree.be32(8)?;
        for _ in 0..MAX_LEVELS {
            let fields = Fields(self.block(page)?);
            if fields.be16(0)? == LEAF {
                return Ok(page);
            }
            page = fields.be32(ENTRIES_AT)?;
        }
        Err(damaged("its tree of paths does not lead to its leaves"))
    }
}

/// Numbers at known places of something that may turn out to be too short.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn from(self, at: u32) -> Result<Self, NoIndex> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.0.get(at..).map(Self).ok_or_else(too_short)
    }

    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], NoIndex> {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(too_short)
    }

    fn u8(self, at: usize) -> Result<u8, NoIndex> {
        self.array::<1>(at).map(u8::from_be_bytes)
    }

    fn be16(self, at: usize) -> Result<u16, NoIndex> {
        self.array(at).map(u16::from_be_bytes)
    }

    fn be32(self, at: usize) -> Result<u32, NoIndex> {
        self.array(at).map(u32::from_be_bytes)
    }
}

fn damaged(reason: impl std::fmt::Display) -> NoIndex {
    NoIndex::new(format!("a list of its files (Bom) is damaged: {reason}"))
}

fn too_short() -> NoIndex {
    damaged("a part of it is shorter than it has to be")
}
