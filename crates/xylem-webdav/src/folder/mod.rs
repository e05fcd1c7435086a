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

mod dav;
mod incoming;
mod node;
mod store;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;
use xylem_model::Timestamp;
use xylem_runtime::{Environment, FsFile, random_array};

use crate::entry::{Entry, Meta};
use crate::place::Place;
use crate::properties::Property;
pub use incoming::Incoming;
use node::{Content, Node, Tree};
use store::{Change, Store};

/// Most files and folders in the tree.
const MAX_NODES: usize = 50_000;

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
        Ok(Self { inner: Arc::new(Inner { environment, store, tree: Mutex::new(tree) }) })
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

    /// Makes a folder.
    ///
    /// # Errors
    /// [`FolderError::Exists`]; [`FolderError::NotFound`] where there is no folder to make it in.
    pub async fn make_folder(&self, place: &Place, author: &str) -> Result<(), FolderError> {
        let mut tree = self.tree().await;
        if tree.find(place).is_ok() {
            return Err(FolderError::Exists);
        }
        let node = self.new_node(&tree, place, None, author)?;
        self.apply(&mut tree, vec![Change::Write(node)]).await
    }

    /// A file that bytes can be written to, to be put into the tree.
    ///
    /// # Errors
    /// Failures of the disk.
    pub async fn incoming(&self) -> io::Result<Incoming> {
        Incoming::begin(&self.inner.environment, self.inner.store.incoming()).await
    }

    /// Puts a file into the tree, in the place of one that may be there.
    ///
    /// # Errors
    /// [`FolderError::WrongKind`] where there is a folder of that name; [`FolderError::NotFound`]
    /// where there is no folder to put it in.
    pub async fn put(
        &self,
        place: &Place,
        incoming: Incoming,
        author: &str,
    ) -> Result<Meta, FolderError> {
        let len = incoming.len();
        let (id, path) = (incoming.id(), self.inner.store.file(incoming.id()));
        incoming.keep_as(path).await?;
        let content = Content { file: id, len };
        let mut tree = self.tree().await;
        let put = async {
            let node = match tree.find(place) {
                Ok(Some(node)) if node.content.is_some() => {
                    let now = self.now();
                    let (content, author) = (Some(content), Some(author.to_owned()));
                    Node { content, author, modified: now, changed: now, ..node.clone() }
                }
                Ok(_) => return Err(FolderError::WrongKind),
                Err(_) => self.new_node(&tree, place, Some(content), author)?,
            };
            let meta = node.meta();
            self.apply(&mut tree, vec![Change::Write(node)]).await?;
            Ok(meta)
        };
        let result = put.await;
        if result.is_err() {
            self.inner.store.forget(&self.inner.environment, &[id]).await;
        }
        result
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`FolderError::NotFound`], [`FolderError::WrongKind`].
    pub async fn remove_file(&self, place: &Place) -> Result<(), FolderError> {
        let mut tree = self.tree().await;
        let node = tree.find(place)?.filter(|node| node.content.is_some());
        let id = node.ok_or(FolderError::WrongKind)?.id;
        self.apply(&mut tree, vec![Change::Remove(id)]).await
    }

    /// Removes an item, unless it is another one by now or has been written since.
    ///
    /// # Errors
    /// Failures of the disk; a folder must be empty.
    pub async fn remove_unchanged(&self, item: &Item) -> Result<bool, FolderError> {
        let mut tree = self.tree().await;
        match tree.find(&item.place) {
            Ok(Some(node)) if node.id == item.id && node.meta() == item.meta => {
                if tree.children(Some(item.id)).next().is_some() {
                    return Err(FolderError::NotEmpty);
                }
                self.apply(&mut tree, vec![Change::Remove(item.id)]).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`FolderError::NotFound`], [`FolderError::NotEmpty`], [`FolderError::WrongKind`].
    pub async fn remove_folder(&self, place: &Place) -> Result<(), FolderError> {
        let mut tree = self.tree().await;
        let id = tree.folder(place)?.ok_or(FolderError::WrongKind)?;
        if tree.children(Some(id)).next().is_some() {
            return Err(FolderError::NotEmpty);
        }
        self.apply(&mut tree, vec![Change::Remove(id)]).await
    }

    /// Moves a file or folder, with all that is in it. A file takes the place of another file.
    ///
    /// # Errors
    /// [`FolderError::Exists`] where a folder is in the way, [`FolderError::IntoItself`],
    /// [`FolderError::NotFound`].
    pub async fn rename(&self, from: &Place, to: &Place) -> Result<(), FolderError> {
        let mut tree = self.tree().await;
        let node = tree.find(from)?.ok_or(FolderError::WrongKind)?.clone();
        if to.is_within(from) && to != from {
            return Err(FolderError::IntoItself);
        }
        let replaced = tree.replaced(&node, to)?;
        let (parent, name) = tree.parent_and_name(to)?;
        let moved = Node { parent, name, changed: self.now(), ..node };
        let mut changes = vec![Change::Write(moved)];
        changes.extend(replaced.map(Change::Remove));
        self.apply(&mut tree, changes).await
    }

    /// Copies a file, with its properties. It takes the place of another file.
    ///
    /// # Errors
    /// [`FolderError::WrongKind`] where it is a folder, [`FolderError::Exists`] where a folder is
    /// in the way, [`FolderError::NotFound`].
    pub async fn copy(&self, from: &Place, to: &Place, author: &str) -> Result<(), FolderError> {
        let mut tree = self.tree().await;
        let node = tree.find(from)?.ok_or(FolderError::WrongKind)?.clone();
        let content = node.content.clone().ok_or(FolderError::WrongKind)?;
        let replaced = tree.replaced(&node, to)?;
        let mut copy = self.new_node(&tree, to, Some(content), author)?;
        copy.properties = node.properties;
        let mut changes = vec![Change::Write(copy)];
        changes.extend(replaced.map(Change::Remove));
        self.apply(&mut tree, changes).await
    }

    /// The dead properties of a file or folder.
    ///
    /// # Errors
    /// [`FolderError::NotFound`].
    pub async fn properties(&self, place: &Place) -> Result<Vec<Property>, FolderError> {
        let tree = self.tree().await;
        Ok(tree.find(place)?.map(|node| node.properties.clone()).unwrap_or_default())
    }

    /// Replaces the dead properties of a file or folder. The tree's top keeps none.
    ///
    /// # Errors
    /// [`FolderError::NotFound`], [`FolderError::WrongKind`].
    pub async fn set_properties(
        &self,
        place: &Place,
        properties: Vec<Property>,
    ) -> Result<(), FolderError> {
        let mut tree = self.tree().await;
        let node = tree.find(place)?.ok_or(FolderError::WrongKind)?.clone();
        self.apply(&mut tree, vec![Change::Write(Node { properties, ..node })]).await
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

    fn now(&self) -> Timestamp {
        self.inner.environment.clock.now()
    }

    fn new_node(
        &self,
        tree: &Tree,
        place: &Place,
        content: Option<Content>,
        author: &str,
    ) -> Result<Node, FolderError> {
        if tree.len() >= MAX_NODES {
            return Err(FolderError::Full);
        }
        let (parent, name) = tree.parent_and_name(place)?;
        let id = Uuid::from_bytes(random_array(&*self.inner.environment.rng));
        let (now, author) = (self.now(), Some(author.to_owned()));
        let properties = Vec::new();
        Ok(Node {
            id,
            parent,
            name,
            content,
            author,
            created: now,
            modified: now,
            changed: now,
            properties,
        })
    }

    /// Writes changes down, then has them count.
    async fn apply(&self, tree: &mut Tree, changes: Vec<Change>) -> Result<(), FolderError> {
        let changes = Arc::new(changes);
        let (store, written) = (self.inner.store.clone(), Arc::clone(&changes));
        self.inner.environment.disk.run(move |fs| store.write(fs, &written)).await?;
        let orphans = tree.apply(&changes);
        self.inner.store.forget(&self.inner.environment, &orphans).await;
        Ok(())
    }
}
