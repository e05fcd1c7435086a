//! Everything in the source, with its digests: what a plan is made from.

use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};
use xylem_artifact::{Form, LooksLike};
use xylem_model::FileKind;

use crate::bundle::{self, Bundle};
use crate::digest::{Content, Digesting, digest};
use crate::journal::Journal;
use crate::munki::Hints;
use crate::path::SourcePath;
use crate::reason::{Reason, ReasonCode};
use crate::scan::{Found, Layout, Sorted, unreadable};
use crate::script::{MAX_SCRIPT_BYTES, ReadScript, ScriptReader, apple_script_in};
use crate::tree::{Facts, Sort, Tree};

mod repository;

/// How often something is read that is written to meanwhile.
const MAX_READS: usize = 3;

/// What is in the source, in the stable order.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Which sort of source it is.
    pub layout: Layout,
    /// A line for each path.
    pub entries: Vec<Entry>,
}

/// One path.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it lies.
    pub path: SourcePath,
    /// What it is to the file system.
    pub object: Object,
    /// Bytes in it.
    pub size: u64,
    /// What it is to us.
    pub finding: Finding,
    /// What its repository says of it.
    pub hints: Option<Box<Hints>>,
    /// What should be known though it is taken.
    pub warnings: Vec<String>,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A file.
    File,
    /// A folder, as a whole.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, socket or device.
    Special,
}

/// What could become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A folder that is zipped; the content is the archive's.
    Bundle(Content),
    /// A file.
    File(FileKind, Content),
    /// Nothing, and nobody will miss it.
    LeaveOut(Reason),
    /// Nothing, though somebody may miss it.
    Refuse(Reason),
    /// A script; the content is that which would be kept.
    Script(Content),
}

/// How far a survey is.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Files and folders are being listed.
    Listed(usize),
    /// Files are being read, or were known from an earlier run.
    Read {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
        /// What is read now.
        path: &'a SourcePath,
    },
}

/// Reads what was found.
pub(crate) struct Surveyor<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) journal: &'a mut Journal,
    pub(crate) scripts: &'a ScriptReader<'a>,
    pub(crate) told: &'a mut dyn FnMut(Progress<'_>),
    pub(crate) done: u64,
    pub(crate) total: u64,
}

/// Read, or refused; or the journal could not be written.
type Outcome<T> = io::Result<Result<T, Reason>>;

impl Surveyor<'_> {
    /// Reads all of it. An error is one of the state folder.
    pub(crate) fn survey(mut self, layout: Layout, found: Vec<Found>) -> io::Result<Survey> {
        let is_read = |it: &&Found| matches!(it.sorted, Sorted::File(..) | Sorted::Script);
        self.total = found.iter().filter(is_read).map(|it| it.size).sum();
        let mut entries = Vec::with_capacity(found.len());
        let mut infos = Vec::new();
        for it in found {
            if it.sorted == Sorted::PackageInfo {
                infos.push(entries.len());
            }
            entries.push(self.entry(it)?);
        }
        if layout == Layout::Munki {
            repository::describe(self.tree, &mut entries, &infos);
        }
        Ok(Survey { layout, entries })
    }

    fn entry(&mut self, found: Found) -> io::Result<Entry> {
        let Found { path, sort, size, sorted, warning } = found;
        let object = match sort {
            Sort::File => Object::File,
            Sort::Folder => Object::Folder,
            Sort::Link => Object::Link,
            Sort::Special => Object::Special,
        };
        let warnings = warning.map(str::to_owned).into_iter().collect();
        let mut entry = Entry {
            finding: Finding::LeaveOut(Reason::new(ReasonCode::PackageInfo, "")),
            path,
            object,
            size,
            hints: None,
            warnings,
        };
        let finding = match sorted {
            Sorted::File(kind, form) => {
                self.file(&entry.path, form)?.map(|it| Finding::File(kind, it))
            }
            Sorted::Script => self.script(&mut entry).map(Finding::Script),
            Sorted::Package | Sorted::Application => self.bundle(&mut entry)?.map(Finding::Bundle),
            Sorted::PackageInfo => return Ok(entry),
            Sorted::Leave(reason) => Ok(Finding::LeaveOut(reason)),
            Sorted::Refuse(reason) => Err(reason),
        };
        entry.finding = finding.unwrap_or_else(Finding::Refuse);
        Ok(entry)
    }

    fn file(&mut self, path: &SourcePath, form: Form) -> Outcome<Content> {
        for _ in 0..MAX_READS {
            let (file, facts) = match self.tree.file(path) {
                Ok(opened) => opened,
                Err(error) => return Ok(Err(unreadable(&error))),
            };
            match LooksLike::of_file(&file) {
                Ok(looks) => {
                    if let Some(reason) = wrong_content(form, looks) {
                        self.add(path, facts.size);
                        return Ok(Err(reason));
                    }
                }
                Err(error) => return Ok(Err(unreadable(&error))),
            }
            let stamp = stamp(&facts);
            if let Some(known) = self.journal.find(path, &stamp) {
                self.add(path, facts.size);
                return Ok(Ok(known));
            }
            let content = match digest(&file, |bytes| self.add(path, bytes)) {
                Ok(content) => content,
                Err(error) => return Ok(Err(unreadable(&error))),
            };
            // Who writes while it is read must not get the digests of a mixture.
            let after = self.tree.facts(path);
            if after.is_ok_and(|after| after == facts) && content.size == facts.size {
                self.journal.note(path, stamp, content)?;
                return Ok(Ok(content));
            }
        }
        Ok(Err(changing()))
    }

    fn script(&mut self, entry: &mut Entry) -> Result<Content, Reason> {
        let (_, script) = read_script(self.tree, &entry.path, self.scripts)?;
        self.add(&entry.path, entry.size);
        entry.warnings.extend(script.notes);
        Ok(Content::of(&script.contents))
    }

    fn bundle(&mut self, entry: &mut Entry) -> Outcome<Content> {
        for _ in 0..MAX_READS {
            let bundle = match bundle::list(self.tree, &entry.path) {
                Ok(bundle) => bundle,
                Err(reason) => return Ok(Err(reason)),
            };
            entry.size = bundle.bytes;
            self.total = self.total.saturating_add(bundle.bytes);
            let stamp = bundle.stamp();
            let zipped = match self.journal.find(&entry.path, &stamp) {
                Some(known) => {
                    self.add(&entry.path, bundle.bytes);
                    Ok(known)
                }
                None => self.zipped(&entry.path, &bundle),
            };
            match zipped {
                Ok(content) => {
                    warn_of_bundle(entry, &bundle);
                    self.journal.note_new(&entry.path, stamp, content)?;
                    return Ok(Ok(content));
                }
                Err(reason) if reason.code != ReasonCode::Changing => return Ok(Err(reason)),
                Err(_) => {}
            }
        }
        Ok(Err(changing()))
    }

    /// Zips to nowhere, for the digests.
    fn zipped(&mut self, path: &SourcePath, bundle: &Bundle) -> Result<Content, Reason> {
        let tree = self.tree;
        let mut told = |bytes| self.add(path, bytes);
        let zipped = bundle.zip(tree, Digesting::new(), &mut told);
        zipped.map(|digesting| digesting.content()).map_err(|error| bundle::reason(&error))
    }

    fn add(&mut self, path: &SourcePath, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        (self.told)(Progress::Read { done: self.done, total: self.total.max(self.done), path });
    }
}

/// Tells whether a file was changed.
pub(crate) fn stamp(facts: &Facts) -> String {
    let Facts { size, modified_ns, changed_ns, inode, .. } = facts;
    format!("file {size} {modified_ns} {changed_ns} {inode}")
}

/// Reads a script's bytes, and what the reader of scripts makes of them.
pub(crate) fn read_script(
    tree: &Tree,
    path: &SourcePath,
    scripts: &ScriptReader<'_>,
) -> Result<(Vec<u8>, ReadScript), Reason> {
    let bytes = read_at_most(tree, path, MAX_SCRIPT_BYTES).map_err(|error| unreadable(&error))?;
    let refused = |text| Reason::new(ReasonCode::ScriptRefused, text);
    let bytes = bytes.ok_or_else(|| {
        refused("a script of more than 1 MiB is not taken: put it into a package".to_owned())
    })?;
    if let Some(reason) = apple_script_in(&bytes) {
        return Err(reason);
    }
    let script = scripts(&bytes).map_err(refused)?;
    Ok((bytes, script))
}

/// All bytes of a file, unless it has more than that.
fn read_at_most(tree: &Tree, path: &SourcePath, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    tree.file(path)?.0.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Whether a file is certainly not what its name says. The server looks closer; what is seen at a
/// glance is better known before a dry run is believed.
fn wrong_content(form: Form, looks: LooksLike) -> Option<Reason> {
    let is_page = matches!(
        looks,
        LooksLike::HtmlPage | LooksLike::JsonDocument | LooksLike::XmlDocument | LooksLike::Text
    );
    let is_wrong = match form {
        Form::FlatPackage => looks != LooksLike::Xar,
        Form::Archive | Form::Epub | Form::IBooks | Form::MobileApp => looks != LooksLike::Zip,
        Form::DiskImage => is_page,
        Form::Pdf => is_page && looks != LooksLike::Text,
        #[allow(unreachable_patterns, reason = "forms may be added")]
        _ => false,
    };
    let text = || {
        format!(
            "its name says that it is {form}, but it looks like {looks}: get the file again, or give it the ending that belongs to it"
        )
    };
    is_wrong.then(|| Reason::new(ReasonCode::WrongContent, text()))
}

fn changing() -> Reason {
    let text = "it is being written to: wait until that is done, and run the migration again";
    Reason::new(ReasonCode::Changing, text)
}

fn warn_of_bundle(entry: &mut Entry, bundle: &Bundle) {
    if bundle.left_behind > 0 {
        let text = format!("{} side files in it stay behind", bundle.left_behind);
        entry.warnings.push(text);
    }
    if !bundle.has_info() {
        let text = "it has no Contents/Info.plist, so it may be no package";
        entry.warnings.push(text.to_owned());
    }
}
