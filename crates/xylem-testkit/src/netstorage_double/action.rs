//! What may be asked of NetStorage, by which method, with which fields.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

use super::refusal::{Refusal, refused};

/// An action that is known, with fields that it has.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) kind: Kind,
    fields: BTreeMap<String, String>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Delete,
    Dir,
    Download,
    Du,
    List,
    Mkdir,
    Mtime,
    QuickDelete,
    Rename,
    Rmdir,
    Stat,
    Symlink,
    Upload,
}

/// What listings may say.
const LISTED: &[&str] = &["encoding", "end", "format", "max_entries", "prefix", "slash", "start"];
/// What is said with the bytes.
const UPLOADED: &[&str] = &["index-zip", "md5", "mtime", "sha1", "sha256", "size"];

const GET: &[Method] = &[Method::GET];
const PUT: &[Method] = &[Method::PUT];
const POST: &[Method] = &[Method::POST];
/// The documents name one of them for each; the service takes both, and Akamai's own libraries
/// send POST.
const EITHER: &[Method] = &[Method::PUT, Method::POST];

/// By its word: what it is, its methods, its fields.
const KNOWN: &[(&str, Kind, &[Method], &[&str])] = &[
    ("delete", Kind::Delete, EITHER, &[]),
    ("dir", Kind::Dir, GET, LISTED),
    ("download", Kind::Download, GET, &[]),
    ("du", Kind::Du, GET, &["encoding", "format"]),
    ("list", Kind::List, GET, LISTED),
    ("mkdir", Kind::Mkdir, EITHER, &[]),
    ("mtime", Kind::Mtime, EITHER, &["format", "mtime"]),
    ("quick-delete", Kind::QuickDelete, POST, &["quick-delete"]),
    ("rename", Kind::Rename, EITHER, &["destination"]),
    ("rmdir", Kind::Rmdir, EITHER, &[]),
    ("stat", Kind::Stat, GET, &["encoding", "format", "slash"]),
    ("symlink", Kind::Symlink, EITHER, &["target"]),
    ("upload", Kind::Upload, PUT, UPLOADED),
];

impl Action {
    /// Reads the header, by the rules of a query string.
    ///
    /// # Errors
    /// 400 where it is malformed, or has a field that its action has not; 403 where the method is
    /// another's.
    pub(super) fn parse(text: &str, method: &Method) -> Result<Self, Refusal> {
        let mut fields = BTreeMap::new();
        // Akamai's Python library ends it with `&` where no options are given.
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| refused(400, "a field has no value"))?;
            if fields.insert(name.to_owned(), value_of(value)?).is_some() {
                return Err(refused(400, format!("the field {name} is there twice")));
            }
        }
        if fields.remove("version").as_deref() != Some("1") {
            return Err(refused(400, "the action's version is not 1"));
        }
        let word = fields.remove("action").unwrap_or_default();
        let known = KNOWN.iter().find(|(known, ..)| *known == word);
        let (_, kind, methods, has) =
            known.ok_or_else(|| refused(400, "there is no such action"))?;
        if !methods.contains(method) {
            return Err(refused(403, format!("{word} is not asked by {method}")));
        }
        if let Some(other) = fields.keys().find(|name| !has.contains(&name.as_str())) {
            return Err(refused(400, format!("{word} has no field {other}")));
        }
        let action = Self { kind: *kind, fields };
        action.check_words(has)?;
        Ok(action)
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The value of a field that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name).ok_or_else(|| refused(400, format!("the field {name} lacks")))
    }

    /// The value of a field that is a number.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Refusal> {
        let read = self.field(name).map(str::parse).transpose();
        read.map_err(|_| refused(400, format!("the field {name} is no number")))
    }

    fn check_words(&self, has: &[&str]) -> Result<(), Refusal> {
        let is = |name: &str, words: &[&str]| {
            self.field(name).is_none_or(|value| words.contains(&value))
        };
        if self.kind != Kind::Mtime
            && has.contains(&"format")
            && self.field("format") != Some("xml")
        {
            return Err(refused(400, "only format=xml is known"));
        }
        match is("encoding", &["utf-8"]) && is("slash", &["both"]) && is("format", &["xml"]) {
            true => Ok(()),
            false => Err(refused(400, "a field has a value that it cannot have")),
        }
    }
}

fn value_of(text: &str) -> Result<String, Refusal> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8();
    text.map(|text| text.into_owned()).map_err(|_| refused(400, "a field is no UTF-8"))
}
