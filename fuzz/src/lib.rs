//! Fuzzing: what strangers may send, given to the code that reads it first.
//!
//! `cargo xtask fuzz` builds the programs in `targets`, which libFuzzer drives, and runs them. What
//! they do is here, so that the seeds also run as ordinary tests, without libFuzzer.
//!
//! * [`dav_xml`]: a request of WebDAV with a body, from the door to the answer.
//! * [`paths_and_ranges`]: everything that is read out of a request's head.
//! * [`packages`], [`disk_images`], [`zip_archives`], [`books`]: what is uploaded ([`uploads`]).
//!
//! The input of the first two is a request as text ([`request`]), so that seeds and findings can be
//! read. Each is read on a thread like those that the servers have, within limits ([`limits`]), by
//! the real handler over files that are only in memory ([`share`]).
//!
//! A run in which the variable `XYLEM_FUZZ_PLANT` is set has one more thing to find ([`planted`]):
//! a fuzzer that does not, within seconds, would find nothing else either.

mod dav_xml;
mod limits;
mod nowhere;
mod paths_and_ranges;
mod planted;
mod request;
mod share;
mod uploads;

use limits::{FILE, REQUEST, within_limits};

/// A body of PROPFIND, PROPPATCH or LOCK, and what is answered to it.
pub fn dav_xml(input: &[u8]) {
    within_limits(&REQUEST, || dav_xml::run(input));
}

/// A path, a destination, a range.
pub fn paths_and_ranges(input: &[u8]) {
    within_limits(&REQUEST, || paths_and_ranges::run(input));
}

/// A flat package.
pub fn packages(input: &[u8]) {
    within_limits(&FILE, || uploads::package(input));
}

/// A disk image.
pub fn disk_images(input: &[u8]) {
    within_limits(&FILE, || uploads::disk_image(input));
}

/// An app, or a package or application that is zipped.
pub fn zip_archives(input: &[u8]) {
    within_limits(&FILE, || uploads::zip_archive(input));
}

/// An EPUB, an iBooks book or a PDF.
pub fn books(input: &[u8]) {
    within_limits(&FILE, || uploads::book(input));
}

#[cfg(test)]
mod tests {
    fn each_seed(of: &str, target: fn(&[u8])) {
        let seeds = super::uploads::seeds(of);
        assert!(seeds.len() >= 5, "{of} has hardly any seeds");
        for seed in seeds {
            target(&seed);
        }
    }

    #[test]
    fn seeds_of_bodies_break_nothing() {
        each_seed("dav_xml", super::dav_xml);
    }

    #[test]
    fn seeds_of_uploads_break_nothing() {
        each_seed("packages", super::packages);
        each_seed("disk_images", super::disk_images);
        each_seed("zip_archives", super::zip_archives);
        each_seed("books", super::books);
    }

    #[test]
    fn seeds_of_paths_break_nothing() {
        each_seed("paths_and_ranges", super::paths_and_ranges);
    }
}
