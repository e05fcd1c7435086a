//! Names that lie in numbered folders, and the paths that they make up.
//!
//! Nothing of it is trusted: folders may lie in themselves, in each other, or in none. So each step
//! upwards is counted, and nothing recurses.

use xylem_model::{IndexedKind, MAX_INDEX_ENTRIES, MAX_INDEXED_PATH_BYTES};

use super::{Listing, NoIndex};

/// Most bytes that all names together may take: 160 for each of the most entries, where real ones
/// have 20.
const MAX_NAMES_BYTES: usize = 32 << 20;
/// Most folders that one name may lie in. macOS takes paths of 1,024 bytes, so of 512 names.
const MAX_FOLDERS_ABOVE: usize = 1024;
/// Most steps from names to the folders above them, over all names: eighty for each of the most
/// entries. It bounds the work on what is left out, which fills no listing.
const MAX_STEPS: usize = 16 << 20;
/// What the Finder calls the icon of a folder, and what archives call its extended attributes: the
/// only names with a character that steers a terminal, and in many genuine packages.
const FINDER_ICONS: [&str; 2] = ["Icon\r", "._Icon\r"];

/// The names of one list.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// All names, one after the other.
    text: String,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    number: u64,
    parent: u64,
    start: usize,
    end: usize,
    kind: IndexedKind,
}

/// What a name lies in.
#[derive(Clone, Copy, Debug)]
enum Above {
    /// In the folder at the top.
    Top,
    /// In a folder that is a node itself.
    Folder(usize),
    /// In something of the file system's own.
    Outside,
}

/// Where the paths of a list begin, and what does not belong to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Top<'a> {
    /// The numbers that stand for the folder at the top.
    pub(crate) numbers: &'a [u64],
    /// Folders with a lower number, apart from the top, are the file system's own.
    pub(crate) first_number: u64,
    /// The names of the folders that lead to the top, from the top of the volume.
    pub(crate) path: &'a [String],
    /// Names in the top that are left out with everything in them.
    pub(crate) left_out: &'a [&'a str],
}

impl Names {
    /// Adds a name with its number and that of the folder it lies in. What the name is made of is
    /// looked at when it is placed: a file system may call its own things whatever it likes.
    pub(crate) fn add(
        &mut self,
        number: u64,
        parent: u64,
        kind: IndexedKind,
        name: &str,
    ) -> Result<(), NoIndex> {
        if self.nodes.len() >= MAX_INDEX_ENTRIES {
            return Err(NoIndex::too_many());
        }
        if name.len() > MAX_INDEXED_PATH_BYTES {
            return Err(NoIndex::new(format!(
                "it lists a name of more than {MAX_INDEXED_PATH_BYTES} bytes"
            )));
        }
        let start = self.text.len();
        if start + name.len() > MAX_NAMES_BYTES {
            return Err(NoIndex::new(format!(
                "the names that it lists take more than {MAX_NAMES_BYTES} bytes"
            )));
        }
        self.text.push_str(name);
        self.nodes.push(Node { number, parent, start, end: self.text.len(), kind });
        Ok(())
    }

    /// Adds the path of every name below the top to a listing.
    pub(crate) fn place(&self, top: &Top<'_>, listing: &mut Listing) -> Result<(), NoIndex> {
        let above = self.all_above(top)?;
        let mut steps = 0;
        // The nodes from a name up to the one in the top.
        let mut way: Vec<&Node> = Vec::new();
        for (node, first) in self.nodes.iter().zip(&above) {
            way.clear();
            way.push(node);
            let mut next = *first;
            while let Above::Folder(index) = next {
                steps += 1;
                if way.len() > MAX_FOLDERS_ABOVE || steps > MAX_STEPS {
                    return Err(NoIndex::new(
                        "its list is damaged: folders lie in one another without an end",
                    ));
                }
                way.extend(self.nodes.get(index));
                next = above.get(index).copied().unwrap_or(Above::Outside);
            }
            let highest = way.last().map(|node| self.name(node)).unwrap_or_default();
            if matches!(next, Above::Outside) || top.left_out.contains(&highest) {
                continue;
            }
            check_name(self.name(node))?;
            let below = way.iter().rev().map(|node| self.name(node));
            listing.add(node.kind, top.path.iter().map(String::as_str).chain(below))?;
        }
        Ok(())
    }

    /// What each name lies in.
    fn all_above(&self, top: &Top<'_>) -> Result<Vec<Above>, NoIndex> {
        let folders = self.nodes.iter().enumerate();
        let folders = folders.filter(|(_, node)| node.kind == IndexedKind::Folder);
        let mut folders: Vec<(u64, usize)> =
            folders.map(|(index, node)| (node.number, index)).collect();
        folders.sort_unstable();
        let find = |node: &Node| {
            if top.numbers.contains(&node.parent) {
                return Some(Above::Top);
            }
            if node.parent < top.first_number {
                return Some(Above::Outside);
            }
            let found = folders.binary_search_by_key(&node.parent, |(number, _)| *number).ok()?;
            folders.get(found).map(|(_, index)| Above::Folder(*index))
        };
        let above = self.nodes.iter().map(|node| {
            find(node).ok_or_else(|| {
                let parent = node.parent;
                NoIndex::new(format!(
                    "its list is damaged: the folder with number {parent} is missing"
                ))
            })
        });
        above.collect()
    }

    fn name(&self, node: &Node) -> &str {
        self.text.get(node.start..node.end).unwrap_or_default()
    }
}

/// A name that is one part of a path, and can be shown.
pub(crate) fn check_name(name: &str) -> Result<(), NoIndex> {
    let problem = if name.is_empty() {
        "it lists something without a name"
    } else if matches!(name, "." | "..") || name.contains('/') {
        "it lists a name that leads elsewhere"
    } else if name.contains(char::is_control) && !FINDER_ICONS.contains(&name) {
        "it lists a name with control characters"
    } else {
        return Ok(());
    };
    Err(NoIndex::new(format!("{problem}: {:?}", shown(name))))
}

/// The beginning of a name, for an error.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}
