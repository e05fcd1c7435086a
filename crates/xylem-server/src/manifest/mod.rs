//! The property lists with which Apple's devices and their management install a file:
//! `docs/design/manifests.md`.
//!
//! Pure: from what the inspection of the upload found, its digests and its address. Keys and types
//! are those of Apple's published schema (`InstallEnterpriseApplication`, `ManifestURL`,
//! `InstallMedia`).

mod found;

use plist::{Dictionary, Value};
use xylem_model::{CHUNK_BYTES, ChunkDigests, FileId, FileKind, FileName};

use found::{App, Book, Found, Inspected, Package};

/// Why there is no manifest for a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no manifest for `{name}`: {why}")]
pub(crate) struct Unfit {
    name: FileName,
    why: String,
}

/// A file, as far as a manifest says something of it.
pub(crate) struct Subject<'a> {
    pub(crate) file: FileId,
    pub(crate) kind: FileKind,
    pub(crate) name: &'a FileName,
    /// The number of the version.
    pub(crate) version: u32,
    pub(crate) inspection: &'a serde_json::Value,
    pub(crate) chunks: &'a ChunkDigests,
    /// Whether parts have MD5 digests instead of SHA-256.
    pub(crate) md5: bool,
    /// Where the file is fetched.
    pub(crate) url: &'a str,
}

impl Subject<'_> {
    /// The property list, as XML.
    ///
    /// # Errors
    /// [`Unfit`] where the file lacks what its kind of property list has to say.
    pub(crate) fn plist(&self) -> Result<String, Unfit> {
        let inspected: Inspected = serde_json::from_value(self.inspection.clone())
            .map_err(|_| self.unfit("what was found in it when it came is not known here"))?;
        let title = inspected.display_name.clone().unwrap_or_else(|| self.stem().to_owned());
        let value = match (self.kind, &inspected.content) {
            (FileKind::App, Found::MobileApp(app)) => self.app(app, title)?,
            (FileKind::Package, Found::FlatPackage(package)) => self.package(package, title)?,
            (FileKind::Ebook, Found::Book(book)) => self.book(book, title),
            _ => return Err(self.unfit("it is no installer package, which is what a Mac takes")),
        };
        let mut xml = Vec::new();
        value.to_writer_xml(&mut xml).map_err(|error| self.unfit(&error.to_string()))?;
        String::from_utf8(xml).map_err(|error| self.unfit(&error.to_string()))
    }

    fn app(&self, app: &App, title: String) -> Result<Value, Unfit> {
        let version = app.build_version.as_ref().or(app.version.as_ref());
        let title = app.name.clone().unwrap_or(title);
        Ok(self.manifest(metadata(&app.identifier, version, title)))
    }

    fn package(&self, package: &Package, title: String) -> Result<Value, Unfit> {
        if package.kind != "product" {
            return Err(self.unfit(
                "it is a component package, and a device takes product archives only: make one with \
                 productbuild",
            ));
        }
        let signature = package.signature.as_ref().ok_or_else(|| {
            self.unfit(
                "it is not signed, and a device takes signed packages only: sign it with \
                 productsign",
            )
        })?;
        if !signature.matches() {
            return Err(self.unfit(
                "its signature is not one over what it holds, or cannot be checked: sign it again",
            ));
        }
        let identifier = package.identifier.as_ref();
        let identifier =
            identifier.ok_or_else(|| self.unfit("its Distribution names no identifier"))?;
        Ok(self.manifest(metadata(identifier, package.version.as_ref(), title)))
    }

    /// The command by which management has a device take a book.
    fn book(&self, book: &Book, title: String) -> Value {
        let mut command = Dictionary::new();
        command.insert("RequestType".into(), text("InstallMedia"));
        command.insert("MediaType".into(), text("Book"));
        command.insert("MediaURL".into(), text(self.url));
        command.insert("Kind".into(), text(&book.kind));
        // One that stays the same over versions and names: a later version takes the place of the
        // one before. What a book says of itself need not be in this form.
        command.insert("PersistentID".into(), text(&format!("org.xylem.book.{}", self.file)));
        command.insert("Title".into(), text(book.title.as_ref().unwrap_or(&title)));
        if !book.creators.is_empty() {
            command.insert("Author".into(), text(&book.creators.join(", ")));
        }
        let counted = self.version.to_string();
        command.insert("Version".into(), text(book.version.as_ref().unwrap_or(&counted)));
        Value::Dictionary(command)
    }

    fn manifest(&self, metadata: Dictionary) -> Value {
        let mut asset = Dictionary::new();
        asset.insert("kind".into(), text("software-package"));
        asset.insert("url".into(), text(self.url));
        let (size, list, digests): (_, _, Vec<String>) = match self.md5 {
            true => ("md5-size", "md5s", self.chunks.md5.iter().map(|it| it.to_hex()).collect()),
            false => {
                let digests = self.chunks.sha256.iter().map(|it| it.to_hex()).collect();
                ("sha256-size", "sha256s", digests)
            }
        };
        asset.insert(size.into(), Value::Integer(CHUNK_BYTES.into()));
        asset.insert(list.into(), Value::Array(digests.into_iter().map(Value::String).collect()));
        let mut item = Dictionary::new();
        item.insert("assets".into(), Value::Array(vec![Value::Dictionary(asset)]));
        item.insert("metadata".into(), Value::Dictionary(metadata));
        let mut root = Dictionary::new();
        root.insert("items".into(), Value::Array(vec![Value::Dictionary(item)]));
        Value::Dictionary(root)
    }

    /// The name without its ending.
    fn stem(&self) -> &str {
        let name = self.name.as_str();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    fn unfit(&self, why: &str) -> Unfit {
        Unfit { name: self.name.clone(), why: why.to_owned() }
    }
}

/// What is said of an app or a package. The schema names `sizeInBytes` and `items` as removed: they
/// are left out.
fn metadata(identifier: &str, version: Option<&String>, title: String) -> Dictionary {
    let mut metadata = Dictionary::new();
    metadata.insert("kind".into(), text("software"));
    metadata.insert("bundle-identifier".into(), text(identifier));
    if let Some(version) = version {
        metadata.insert("bundle-version".into(), text(version));
    }
    metadata.insert("title".into(), Value::String(title));
    metadata
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests;
