//! What is told of what lies there, in XML ("Parse XML responses").

use std::fmt::Write as _;

use super::action::Action;
use super::refusal::{Refusal, refused};
use super::tree::{Entry, Node, Tree};

/// Most entries of an answer, whatever is asked for: the service may cut a listing at any length,
/// so every listing that is longer than a handful has to be gone on with.
pub(super) const PAGE: usize = 3;

/// One entry by its own name, in its folder.
pub(super) fn stat(tree: &Tree, path: &str, action: &Action) -> Result<String, Refusal> {
    let entry = tree.entry(path)?;
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    let mut text = format!("<stat directory=\"{}\">", escaped(folder));
    write_entry(&mut text, tree, path, name, entry, action);
    Ok(format!("{text}</stat>"))
}

/// What is directly in a folder.
pub(super) fn dir(tree: &Tree, path: &str, action: &Action) -> Result<String, Refusal> {
    let Node::Folder = tree.entry(path)?.node else {
        return Err(refused(404, "it is no folder"));
    };
    let (start, end) = (action.field("start").unwrap_or_default(), action.field("end"));
    let prefix = action.field("prefix").unwrap_or_default();
    let mut named = tree.children(path).filter(|(name, _)| {
        *name >= start && end.is_none_or(|end| *name < end) && name.starts_with(prefix)
    });
    let mut text = format!("<stat directory=\"{}\">", escaped(path));
    for (name, entry) in named.by_ref().take(limit(action)?) {
        write_entry(&mut text, tree, &format!("{path}/{name}"), name, entry, action);
    }
    // Where it goes on: a name in the same folder.
    let next = named.next().map(|(name, _)| name);
    Ok(format!("{text}{}</stat>", resume(next)))
}

/// Everything below a folder; from any other path on everything there is, which is how a listing
/// goes on.
pub(super) fn list(tree: &Tree, path: &str, action: &Action) -> Result<String, Refusal> {
    let end = action.field("end");
    let folder = format!("{path}/");
    let is_folder = tree.is_folder(path);
    let mut named = tree.from(path).filter(|(path, entry)| {
        !matches!(entry.node, Node::Folder)
            && (!is_folder || path.starts_with(&folder))
            && end.is_none_or(|end| *path < end)
    });
    let mut text = String::from("<list>");
    let mut is_empty = true;
    for (path, entry) in named.by_ref().take(limit(action)?) {
        let name = path.strip_prefix('/').unwrap_or(path);
        write_entry(&mut text, tree, path, name, entry, action);
        is_empty = false;
    }
    match is_empty {
        true => Err(refused(404, "nothing is there")),
        false => Ok(format!("{text}{}</list>", resume(named.next().map(|(path, _)| path)))),
    }
}

/// How much is below a folder.
pub(super) fn du(tree: &Tree, path: &str) -> Result<String, Refusal> {
    let Node::Folder = tree.entry(path)?.node else {
        return Err(refused(404, "it is no folder"));
    };
    let (files, bytes) = tree.used(path);
    let folder = escaped(path);
    Ok(format!("<du directory=\"{folder}\"><du-info files=\"{files}\" bytes=\"{bytes}\"/></du>"))
}

fn limit(action: &Action) -> Result<usize, Refusal> {
    match action.number("max_entries")? {
        Some(0) => Err(refused(400, "max_entries is none")),
        asked => Ok(asked.map_or(PAGE, |asked: usize| asked.min(PAGE))),
    }
}

fn resume(next: Option<&str>) -> String {
    next.map(|next| format!("<resume start=\"{}\"/>", escaped(next))).unwrap_or_default()
}

fn write_entry(
    text: &mut String,
    tree: &Tree,
    path: &str,
    name: &str,
    entry: &Entry,
    action: &Action,
) {
    let (name, mtime) = (escaped(name), entry.mtime);
    match &entry.node {
        Node::Folder => {
            let (files, bytes) = tree.used(path);
            let end = if action.field("slash").is_some() { "/" } else { "" };
            write!(
                text,
                "<file type=\"dir\" name=\"{name}{end}\" bytes=\"{bytes}\" files=\"{files}\" \
                 mtime=\"{mtime}\"/>"
            )
        }
        Node::File(stored) => {
            let (size, md5) = (stored.size, &stored.md5);
            write!(
                text,
                "<file type=\"file\" name=\"{name}\" size=\"{size}\" md5=\"{md5}\" \
                 mtime=\"{mtime}\"/>"
            )
        }
        Node::Link(target) => {
            let target = escaped(target);
            write!(
                text,
                "<file type=\"symlink\" name=\"{name}\" target=\"{target}\" mtime=\"{mtime}\"/>"
            )
        }
    }
    .unwrap();
}

/// A text as the value of an attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
