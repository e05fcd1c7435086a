//! What is done to the bucket, told in the moment in which it is done.

use std::ops::Range;

use bytes::Bytes;

/// Something that was done because somebody with the key asked for it.
#[derive(Debug, Clone)]
pub enum S3Event {
    /// An object was written.
    Written {
        /// Its name.
        name: String,
        /// The bytes that were sent.
        sent: Bytes,
        /// Those that are there from now on: others where it misbehaves.
        stored: Bytes,
        /// Those that were there until now.
        over: Option<Bytes>,
    },
    /// A part of an upload was taken.
    PartTaken {
        /// The name of the object that it is for.
        name: String,
    },
    /// An object was asked after, and is there.
    Asked {
        /// Its name.
        name: String,
    },
    /// An object, or a range of it, was given.
    Given {
        /// Its name.
        name: String,
        /// Which bytes of it.
        range: Range<usize>,
        /// How many it has.
        size: usize,
    },
    /// An object was to be deleted.
    Deleted {
        /// Its name.
        name: String,
        /// What was there, if anything.
        was: Option<Bytes>,
    },
}

/// Who is told of everything that is done.
pub(super) type Watcher = Box<dyn Fn(&S3Event) + Send + Sync>;
