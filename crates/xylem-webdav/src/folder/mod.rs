//! An ordinary folder tree, for tools and people who copy things about.
//!
//! On the disk, below one folder of ours:
//!
//! ```text
//! nodes/ID.json     one file or folder: its name, its parent, its properties
//! files/ID          the bytes of a file; never changed, and shared by copies of it
//! incoming/ID       bytes that are still coming; gone after a crash
//! ```
//!
//! *Invariants.* A node is on the disk before anybody hears of it, and its bytes are before it is.
//! Whatever a crash leaves, each node has one parent and each name one node: of two with one name,
//! as a crash in the middle of a replacement leaves them, the later one counts. Bytes that no node
//! names are removed at the next start. Names that people give are in the nodes and nowhere else.

mod changes;
mod dav;
mod incoming;
mod node;
mod store;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;
use xylem_model::Timestamp;
use xylem_runtime::{Environment, FsFile};

use crate::entry::{Entry, Meta};
use crate::place::Place;
use crate::properties::Property;
pub use dav::disk_failed;
pub use incoming::Incoming;
use node::{Node, Tree};
use store::Store;

/// Most files and folders in the tree.
const MAX_NODES: usize = 50_000;

/// Most bytes of properties of all of them.
const MAX_PROPERTY_BYTES: usize = 64 << 20;

/// Why something cannot be done with the tree.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is nothing.
    #[error("there is no such file or folder")]
    NotFound,
    /// There is something already.
    #[error("there is something of that name already")]
    Exists,
    /// A folder where a file is needed, or the other way round.
    #[error("that is a folder, or is in none")]
    WrongKind,
    /// It is not empty.
    #[error("the folder is not empty")]
    NotEmpty,
    /// It would contain itself.
    #[error("a folder cannot be put into itself")]
    IntoItself,
    /// There are too many.
    #[error("there are {MAX_NODES} files and folders already: remove some first")]
    Full,
    /// They have too many properties.
    #[error("the files and folders have {MAX_PROPERTY_BYTES} bytes of properties already")]
    TooManyProperties,
    /// The disk failed.
    #[error("the disk failed")]
    Disk(#[from] io::Error),
}

/// A file or folder, for whoever looks over all of them.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it is.
    pub place: Place,
    /// What is told of it.
    pub meta: Meta,
    /// Who wrote it.
    pub author: Option<String>,
    id: Uuid,
}

impl Item {
    /// An item that is in no tree.
    pub fn of(place: Place, meta: Meta, author: Option<String>) -> Self {
        Self { place, meta, author, id: Uuid::nil() }
    }
}

/// The tree. Clones share it.
#[derive(Debug, Clone)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    environment: Environment,
    store: Store,
    /// Held through each change, its writing included: changes come one after the other.
    tree: Mutex<Tree>,
    /// Files that are being written, which are nowhere in the tree yet.
    writing: std::sync::Mutex<HashMap<Uuid, Place>>,
}

impl Folder {
    /// Reads the tree below `path`, making it where there is none, and removes what a crash left.
    /// Blocks.
    ///
    /// # Errors
    /// Failures of the disk. A node that cannot be read is reported and passed over.
    pub fn open(environment: Environment, path: PathBuf) -> io::Result<Self> {
        let store = Store::new(path);
        let tree = store.read(environment.disk.fs())?;
        let (tree, writing) = (Mutex::new(tree), std::sync::Mutex::default());
        Ok(Self { inner: Arc::new(Inner { environment, store, tree, writing }) })
    }

    /// What is told of a file or folder.
    ///
    /// # Errors
    /// [`FolderError::NotFound`].
    pub async fn meta(&self, place: &Place) -> Result<Meta, FolderError> {
        let tree = self.tree().await;
        Ok(tree.find(place)?.map_or_else(Node::top_meta, Node::meta))
    }

    /// What is in a folder, in the order of names.
    ///
    /// # Errors
    /// [`FolderError::NotFound`], [`FolderError::WrongKind`].
    pub async fn list(&self, place: &Place) -> Result<Vec<Entry>, FolderError> {
        let tree = self.tree().await;
        let folder = tree.folder(place)?;
        let entry = |node: &Node| Entry { name: node.name.clone(), meta: node.meta() };
        Ok(tree.children(folder).map(entry).collect())
    }

    /// Everything there is, folders before what is in them.
    pub async fn all(&self) -> Vec<Item> {
        let tree = self.tree().await;
        let mut items = Vec::new();
        let mut folders = vec![(None, Place::default())];
        while let Some((folder, above)) = folders.pop() {
            for node in tree.children(folder) {
                let Ok(place) = above.join(&node.name) else { continue };
                if node.content.is_none() {
                    folders.push((Some(node.id), place.clone()));
                }
                let (meta, author, id) = (node.meta(), node.author.clone(), node.id);
                items.push(Item { place, meta, author, id });
            }
        }
        items
    }

    /// A file that bytes can be written to, to be put into the tree.
    ///
    /// # Errors
    /// Failures of the disk.
    pub async fn incoming(&self) -> io::Result<Incoming> {
        Incoming::begin(&self.inner.environment, self.inner.store.incoming()).await
    }

    /// The dead properties of a file or folder.
    ///
    /// # Errors
    /// [`FolderError::NotFound`].
    pub async fn properties(&self, place: &Place) -> Result<Vec<Property>, FolderError> {
        let tree = self.tree().await;
        Ok(tree.find(place)?.map(|node| node.properties.clone()).unwrap_or_default())
    }

    /// Whether a file is being written at a place or anywhere below it.
    pub fn is_being_written(&self, place: &Place) -> bool {
        self.inner.writing().values().any(|written| written.is_within(place))
    }

    /// The bytes of a file, as they are now, whatever becomes of the name.
    ///
    /// # Errors
    /// [`FolderError::NotFound`], [`FolderError::WrongKind`].
    pub async fn read(&self, place: &Place) -> Result<(Arc<dyn FsFile>, Meta), FolderError> {
        let tree = self.tree().await;
        let node = tree.find(place)?.ok_or(FolderError::WrongKind)?;
        let (content, meta) = (node.content.as_ref().ok_or(FolderError::WrongKind)?, node.meta());
        let path = self.inner.store.file(content.file);
        // Opened while the tree is held: afterwards its bytes stay, even without a name.
        let file = self.inner.environment.disk.run_reading(move |fs| fs.open(&path)).await?;
        Ok((file.into(), meta))
    }

    async fn tree(&self) -> MutexGuard<'_, Tree> {
        self.inner.tree.lock().await
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Place>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
