//! WebDAV (RFC 4918, classes 1 and 2).
//!
//! The methods themselves are dav-server's. What is here is what it leaves to others:
//!
//! * [`Question`]: what is let in at all. Paths, bodies and headers that must not reach the
//!   methods are refused before, each with its reason.
//! * [`Dav`]: a handler over anybody's file system, whose refusals come with their reason too.
//! * [`Locks`]: locks that survive a restart, and end by themselves.
//! * [`Folder`]: an ordinary folder tree on the disk. The names that people give never become
//!   names of the file system.
//! * [`Reading`], [`Writing`]: files as dav-server has them, over whatever gives or takes bytes.
//! * [`Property`], [`patch`]: dead properties, within limits.
//!
//! Nothing here knows what a package is.

mod answer;
mod conditions;
mod entry;
mod file;
mod folder;
mod locks;
mod place;
mod properties;
mod question;
mod xml;

pub use answer::{Dav, Refusal};
pub use dav_server::davpath::DavPath;
pub use dav_server::fs::{
    DavDirEntry, DavFile, DavMetaData, DavProp, FsError, FsFuture, FsResult, FsStream,
    GuardedFileSystem, OpenOptions, ReadDirMeta,
};
pub use entry::{Entry, Meta};
pub use file::{Reading, Sink, Source, Writing};
pub use folder::{Folder, FolderError, Incoming, Item, disk_failed};
pub use locks::Locks;
pub use place::{MAX_DEPTH, MAX_SEGMENT_BYTES, Place, PlaceError};
pub use properties::{Property, patch};
pub use question::{Method, Question, read_body};
