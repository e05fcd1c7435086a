//! Files and folders, on the disk.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;
use xylem_runtime::{Environment, Fs, read_bounded, replace_file};
use xylem_telemetry::chain;

use super::node::{Node, Tree};

/// Longest file of a node that is read, in bytes: its properties have a limit of their own.
const MAX_NODE_BYTES: u64 = 1 << 20;

/// What becomes of a node.
#[derive(Debug)]
pub(super) enum Change {
    /// It is new, or another.
    Write(Node),
    /// It is gone.
    Remove(Uuid),
}

/// Where everything lies.
#[derive(Debug, Clone)]
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn nodes(&self) -> PathBuf {
        self.root.join("nodes")
    }

    fn node(&self, id: Uuid) -> PathBuf {
        self.nodes().join(format!("{}.json", id.simple()))
    }

    fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    pub(super) fn file(&self, id: Uuid) -> PathBuf {
        self.files().join(id.simple().to_string())
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Reads all nodes, and removes what nobody names.
    pub(super) fn read(&self, fs: &dyn Fs) -> io::Result<Tree> {
        for folder in [self.nodes(), self.files(), self.incoming()] {
            fs.create_dir_all(&folder)?;
        }
        let (mut nodes, is_whole) = self.read_nodes(fs)?;
        // The later of two with one name comes last, and so has it.
        nodes.sort_by_key(|node| (node.changed, node.id));
        let mut tree = Tree::default();
        for node in nodes.iter().cloned() {
            tree.add(node);
        }
        remove_others(fs, &self.incoming(), |_| false)?;
        if !is_whole {
            // A damaged node may be a folder, or name bytes: nothing is thrown away for its sake.
            return Ok(tree);
        }
        for node in unreachable(&tree, &nodes) {
            tracing::warn!(
                name = node.name,
                "a file or folder that was replaced or is in no folder is removed"
            );
            fs.remove_file(&self.node(node.id))?;
            tree.apply(&[Change::Remove(node.id)]);
        }
        remove_others(fs, &self.files(), |file| tree.uses(&file))?;
        Ok(tree)
    }

    /// All nodes that can be read, and whether that is all of them.
    fn read_nodes(&self, fs: &dyn Fs) -> io::Result<(Vec<Node>, bool)> {
        let (mut nodes, mut is_whole) = (Vec::new(), true);
        for entry in fs.list(&self.nodes())? {
            let path = self.nodes().join(&entry.name);
            if !entry.name.ends_with(".json") {
                // Half of a replacement that a crash cut short.
                fs.remove_file(&path)?;
                continue;
            }
            let bytes = read_bounded(fs, &path, MAX_NODE_BYTES)?;
            match serde_json::from_slice::<Node>(&bytes) {
                Ok(node) => nodes.push(node),
                Err(error) => {
                    is_whole = false;
                    tracing::error!(path = %path.display(), %error, "a damaged node is passed over");
                }
            }
        }
        Ok((nodes, is_whole))
    }

    /// Writes changes down, in their order.
    pub(super) fn write(&self, fs: &dyn Fs, changes: &[Change]) -> io::Result<()> {
        for change in changes {
            match change {
                Change::Write(node) => {
                    let bytes = serde_json::to_vec(node).map_err(io::Error::other)?;
                    replace_file(fs, &self.node(node.id), &bytes)?;
                }
                Change::Remove(id) => {
                    remove_if_there(fs, &self.node(*id))?;
                    fs.sync_dir(&self.nodes())?;
                }
            }
        }
        Ok(())
    }

    /// Removes bytes that nobody names. Where that fails, the next start does it.
    pub(super) async fn forget(&self, environment: &Environment, files: &[Uuid]) {
        if files.is_empty() {
            return;
        }
        let paths: Vec<PathBuf> = files.iter().map(|file| self.file(*file)).collect();
        let removed = environment
            .disk
            .run(move |fs| paths.iter().try_for_each(|path| fs.remove_file(path)))
            .await;
        if let Err(error) = removed {
            tracing::warn!(error = %chain(&error), "bytes that nobody needs are left behind");
        }
    }
}

/// The nodes that no name leads to.
fn unreachable<'a>(tree: &Tree, nodes: &'a [Node]) -> Vec<&'a Node> {
    let mut reached = std::collections::HashSet::new();
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        for node in tree.children(folder) {
            if reached.insert(node.id) && node.content.is_none() {
                folders.push(Some(node.id));
            }
        }
    }
    nodes
        .iter()
        .filter(|node| !reached.contains(&node.id) && tree.get(&node.id).is_some())
        .collect()
}

fn remove_others(fs: &dyn Fs, folder: &Path, is_needed: impl Fn(Uuid) -> bool) -> io::Result<()> {
    for entry in fs.list(folder)? {
        if entry.name.parse().is_ok_and(&is_needed) {
            continue;
        }
        remove_if_there(fs, &folder.join(&entry.name))?;
    }
    Ok(())
}

fn remove_if_there(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    match fs.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
