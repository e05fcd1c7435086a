//! Folders that are one package or application, and travel as one zip archive.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;

use unicode_normalization::UnicodeNormalization as _;
use xylem_artifact::build::{BUNDLE_FORMAT, BundleError, BundleWriter, MAX_BUNDLE_MEMBERS};

use crate::names::publishable;
use crate::path::SourcePath;
use crate::reason::{Reason, ReasonCode};
use crate::scan::{stays_behind, unreadable};
use crate::tree::{self, Facts, Sort, Tree};

/// Folders within each other in a bundle.
const MAX_DEPTH: usize = 64;

/// What is in such a folder, in the order in which it is zipped.
#[derive(Debug)]
pub(crate) struct Bundle {
    members: Vec<Member>,
    /// Side files that stay behind.
    pub(crate) left_behind: usize,
    /// Bytes in its files.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct Member {
    path: SourcePath,
    /// Its name in the archive, from the bundle's own down.
    name: String,
    facts: Facts,
    /// Of a symbolic link.
    target: String,
}

/// Lists a bundle. What cannot be taken of it is a reason to refuse the whole: half a package is
/// none.
pub(crate) fn list(tree: &Tree, top: &SourcePath) -> Result<Bundle, Reason> {
    let (name, _) = publishable(top.name(), false).map_err(|error| refused(error.to_string()))?;
    let facts = tree.facts(top).map_err(|error| unreadable(&error))?;
    let mut bundle = Bundle { members: Vec::new(), left_behind: 0, bytes: 0 };
    let first =
        Member { path: top.clone(), name: name.as_str().to_owned(), facts, target: String::new() };
    let mut waiting = vec![(first, 0)];
    while let Some((member, depth)) = waiting.pop() {
        if bundle.members.len() >= MAX_BUNDLE_MEMBERS || depth > MAX_DEPTH {
            return Err(refused("it holds more files, or deeper folders, than an archive takes"));
        }
        match member.facts.sort {
            Sort::Folder => {
                let within = bundle.folder(tree, &member)?;
                waiting.extend(within.into_iter().map(|member| (member, depth + 1)));
            }
            Sort::File => bundle.bytes = bundle.bytes.saturating_add(member.facts.size),
            Sort::Link => {}
            Sort::Special => return Err(of_member(&member, "is a pipe, socket or device")),
        }
        bundle.members.push(member);
    }
    if bundle.bytes == 0 {
        return Err(refused("there is nothing in it"));
    }
    bundle.members.sort_by_cached_key(|member| {
        member.name.split('/').map(str::to_owned).collect::<Vec<String>>()
    });
    Ok(bundle)
}

impl Bundle {
    fn folder(&mut self, tree: &Tree, of: &Member) -> Result<Vec<Member>, Reason> {
        let failed = |error: io::Error| of_member(of, &format!("cannot be read: {error}"));
        let folder = tree.folder(&of.path).map_err(failed)?;
        let names = tree::names(folder.as_fd(), MAX_BUNDLE_MEMBERS).map_err(failed)?;
        let mut members = Vec::new();
        let mut seen: HashMap<String, ()> = HashMap::new();
        for raw in names {
            if stays_behind(&raw) {
                self.left_behind += 1;
                continue;
            }
            let path = of.path.join(&raw);
            let Ok(text) = std::str::from_utf8(&raw) else {
                return Err(refused(format!("the name of `{path}` in it is not Unicode")));
            };
            let composed: String = text.nfc().collect();
            if seen.insert(composed.clone(), ()).is_some() {
                return Err(refused(format!("there are two files `{composed}` in one folder")));
            }
            let facts = tree::facts_at(folder.as_fd(), &raw).map_err(failed)?;
            let target = match facts.sort {
                Sort::Link => target(tree, &path)?,
                _ => String::new(),
            };
            members.push(Member { path, name: format!("{}/{composed}", of.name), facts, target });
        }
        Ok(members)
    }

    /// Whether it has what every package and application that is a folder has.
    pub(crate) fn has_info(&self) -> bool {
        self.members.iter().any(|member| {
            member.name.split_once('/').is_some_and(|(_, rest)| rest == "Contents/Info.plist")
        })
    }

    /// Tells whether anything of it was changed.
    pub(crate) fn stamp(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for member in &self.members {
            let Facts { sort, size, modified_ns, changed_ns, inode, executable } = member.facts;
            // Of a folder what counts is what is in it.
            let facts = match sort {
                Sort::Folder => "folder".to_owned(),
                _ => format!("{sort:?} {size} {modified_ns} {changed_ns} {inode} {executable}"),
            };
            for text in [&member.name, &member.target, &facts] {
                hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
        format!("bundle {BUNDLE_FORMAT} {}", hasher.finalize().to_hex())
    }

    /// Zips it; `told` hears of the bytes read.
    pub(crate) fn zip<W: Write>(
        &self,
        tree: &Tree,
        out: W,
        told: &mut dyn FnMut(u64),
    ) -> Result<W, BundleError> {
        let mut archive = BundleWriter::new(out);
        for member in &self.members {
            let name = member.name.as_str();
            match member.facts.sort {
                Sort::Folder => archive.folder(name)?,
                Sort::Link => archive.link(name, &member.target)?,
                Sort::File | Sort::Special => {
                    let read = |source| BundleError::Read { name: name.to_owned(), source };
                    let (file, facts) = tree.file(&member.path).map_err(read)?;
                    if facts != member.facts {
                        let expected = member.facts.size;
                        return Err(BundleError::Length { name: name.to_owned(), expected });
                    }
                    let file = Told { file, told: &mut *told };
                    archive.file(name, facts.executable, facts.size, file)?;
                }
            }
        }
        archive.finish()
    }
}

fn target(tree: &Tree, path: &SourcePath) -> Result<String, Reason> {
    let target = tree.link_target(path).map_err(|error| unreadable(&error))?;
    // In the archive names are composed; a link has to name them so.
    let text = String::from_utf8(target);
    text.map(|text| text.nfc().collect())
        .map_err(|_| refused(format!("the target of the link `{path}` in it is not Unicode")))
}

fn refused(why: impl Into<String>) -> Reason {
    let text = format!(
        "it cannot be made one file: {}: make a flat package of it (productbuild --package, or \
         pkgbuild --root)",
        why.into()
    );
    Reason::new(ReasonCode::BundleRefused, text)
}

fn of_member(member: &Member, why: &str) -> Reason {
    refused(format!("`{}` {why}", member.path))
}

/// What zipping came to, as a reason. Only what was written to meanwhile may do another time.
pub(crate) fn reason(error: &BundleError) -> Reason {
    match error {
        BundleError::Read { source, .. } => unreadable(source),
        BundleError::Length { .. } => Reason::new(ReasonCode::Changing, error.to_string()),
        other => refused(other.to_string()),
    }
}

/// Says how many bytes were read.
struct Told<'a, R> {
    file: R,
    told: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(to)?;
        (self.told)(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
