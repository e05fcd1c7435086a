//! Changing the tree.

use std::io;
use std::sync::Arc;

use uuid::Uuid;
use xylem_runtime::random_array;

use super::node::{Content, Node, Tree};
use super::store::Change;
use super::{Folder, FolderError, Incoming, Inner, Item, MAX_NODES, MAX_PROPERTY_BYTES};
use crate::entry::Meta;
use crate::place::Place;
use crate::properties::Property;

impl Folder {
    /// Makes a folder.
    ///
    /// # Errors
    /// [`FolderError::Exists`]; [`FolderError::NotFound`] where there is no folder to make it in.
    pub async fn make_folder(&self, place: &Place, author: &str) -> Result<(), FolderError> {
        let (place, author) = (place.clone(), author.to_owned());
        self.change(move |inner, tree| {
            if tree.find(&place).is_ok() {
                return Err(FolderError::Exists);
            }
            Ok((vec![Change::Write(inner.new_node(tree, &place, None, &author)?)], ()))
        })
        .await
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
        let content = Content { file: incoming.id(), len: incoming.len() };
        let file = content.file;
        incoming.keep_as(self.inner.store.file(file)).await?;
        let (place, author) = (place.clone(), author.to_owned());
        let put = self.change(move |inner, tree| {
            let node = match tree.find(&place) {
                Ok(Some(node)) if node.content.is_some() => {
                    let now = inner.now();
                    let (content, author) = (Some(content), Some(author));
                    Node { content, author, modified: now, changed: now, ..node.clone() }
                }
                Ok(_) => return Err(FolderError::WrongKind),
                Err(_) => inner.new_node(tree, &place, Some(content), &author)?,
            };
            let meta = node.meta();
            Ok((vec![Change::Write(node)], meta))
        });
        let result = put.await;
        if result.is_err() {
            self.inner.store.forget(&self.inner.environment, &[file]).await;
        }
        result
    }

    /// Removes a file. One that is gone already is as good as removed.
    ///
    /// # Errors
    /// [`FolderError::WrongKind`] where it is a folder.
    pub async fn remove_file(&self, place: &Place) -> Result<(), FolderError> {
        let place = place.clone();
        self.change(move |_, tree| match tree.find(&place) {
            Ok(Some(node)) if node.content.is_some() => Ok((vec![Change::Remove(node.id)], ())),
            Ok(_) => Err(FolderError::WrongKind),
            Err(_) => Ok((Vec::new(), ())),
        })
        .await
    }

    /// Removes an item with all that was in it, unless any of it is another one by now or has been
    /// written since: then nothing is removed. Says whether it was.
    ///
    /// # Errors
    /// Failures of the disk.
    pub async fn remove_unchanged(&self, items: Vec<Item>) -> Result<bool, FolderError> {
        self.change(move |_, tree| {
            let is_same = |item: &Item| {
                let found = tree.find(&item.place).ok().flatten();
                found.is_some_and(|node| node.id == item.id && node.meta() == item.meta)
            };
            let known = |id: Uuid| items.iter().any(|item| item.id == id);
            let is_whole = items.iter().all(|item| {
                is_same(item) && tree.children(Some(item.id)).all(|child| known(child.id))
            });
            if !is_whole {
                return Ok((Vec::new(), false));
            }
            // The innermost first: a crash in between leaves folders, and nothing without one.
            let mut items: Vec<&Item> = items.iter().collect();
            items.sort_by_key(|item| std::cmp::Reverse(item.place.names().len()));
            Ok((items.iter().map(|item| Change::Remove(item.id)).collect(), true))
        })
        .await
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`FolderError::NotFound`], [`FolderError::NotEmpty`], [`FolderError::WrongKind`].
    pub async fn remove_folder(&self, place: &Place) -> Result<(), FolderError> {
        let place = place.clone();
        self.change(move |_, tree| {
            let id = tree.folder(&place)?.ok_or(FolderError::WrongKind)?;
            match tree.children(Some(id)).next() {
                Some(_) => Err(FolderError::NotEmpty),
                None => Ok((vec![Change::Remove(id)], ())),
            }
        })
        .await
    }

    /// Moves a file or folder, with all that is in it. A file takes the place of another file.
    ///
    /// # Errors
    /// [`FolderError::Exists`] where a folder is in the way, [`FolderError::IntoItself`],
    /// [`FolderError::NotFound`].
    pub async fn rename(&self, from: &Place, to: &Place) -> Result<(), FolderError> {
        let (from, to) = (from.clone(), to.clone());
        self.change(move |inner, tree| {
            let node = tree.find(&from)?.ok_or(FolderError::WrongKind)?.clone();
            if to.is_within(&from) && to != from {
                return Err(FolderError::IntoItself);
            }
            let replaced = tree.replaced(&node, &to)?;
            let (parent, name) = tree.parent_and_name(&to)?;
            let mut changes =
                vec![Change::Write(Node { parent, name, changed: inner.now(), ..node })];
            changes.extend(replaced.map(Change::Remove));
            Ok((changes, ()))
        })
        .await
    }

    /// Copies a file, with its properties. It takes the place of another file.
    ///
    /// # Errors
    /// [`FolderError::WrongKind`] where it is a folder, [`FolderError::Exists`] where a folder is
    /// in the way, [`FolderError::NotFound`].
    pub async fn copy(&self, from: &Place, to: &Place, author: &str) -> Result<(), FolderError> {
        let (from, to, author) = (from.clone(), to.clone(), author.to_owned());
        self.change(move |inner, tree| {
            let node = tree.find(&from)?.ok_or(FolderError::WrongKind)?.clone();
            let content = node.content.clone().ok_or(FolderError::WrongKind)?;
            let replaced = tree.replaced(&node, &to)?;
            let mut copy = inner.new_node(tree, &to, Some(content), &author)?;
            copy.properties = node.properties;
            let mut changes = vec![Change::Write(copy)];
            changes.extend(replaced.map(Change::Remove));
            Ok((changes, ()))
        })
        .await
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
        let place = place.clone();
        self.change(move |_, tree| {
            let node = tree.find(&place)?.ok_or(FolderError::WrongKind)?.clone();
            Ok((vec![Change::Write(Node { properties, ..node })], ()))
        })
        .await
    }

    /// Makes a change: `decide` says which, the disk has it, then it counts. A task of its own,
    /// since whoever asked may stop waiting in the middle: what the disk has must count.
    async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Inner, &Tree) -> Result<(Vec<Change>, T), FolderError> + Send + 'static,
    ) -> Result<T, FolderError> {
        let inner = Arc::clone(&self.inner);
        let changing = tokio::spawn(async move {
            let mut tree = inner.tree.lock().await;
            let (changes, result) = decide(&inner, &tree)?;
            if changes.is_empty() {
                return Ok(result);
            }
            if tree.property_bytes_after(&changes) > MAX_PROPERTY_BYTES {
                return Err(FolderError::TooManyProperties);
            }
            let changes = Arc::new(changes);
            let (store, written) = (inner.store.clone(), Arc::clone(&changes));
            inner.environment.disk.run(move |fs| store.write(fs, &written)).await?;
            let orphans = tree.apply(&changes);
            drop(tree);
            inner.store.forget(&inner.environment, &orphans).await;
            Ok(result)
        });
        changing.await.map_err(io::Error::other)?
    }
}

impl Inner {
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
        let id = Uuid::from_bytes(random_array(&*self.environment.rng));
        let (now, author) = (self.now(), Some(author.to_owned()));
        let (created, modified, changed, properties) = (now, now, now, Vec::new());
        Ok(Node { id, parent, name, content, author, created, modified, changed, properties })
    }
}
