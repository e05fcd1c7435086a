//! What an inspection found, as it is stored with a version: compared and made searchable.
//!
//! Distribution servers inspect uploads, and what they report is kept as JSON, as it came. It may be
//! that of an older program or of a newer one. So everything here is read leniently: what is not
//! there, or of another type, is not known, and nothing is said of it. Names in it were chosen by
//! whoever made the file, so what is shown of them is cut and made fit to be shown.
//!
//! * [`compare_inspections`]: what differs between two versions.
//! * [`search_terms`]: the texts that a version is found by.

mod compare;
mod facts;
mod finding;
mod scripts;
mod signer;
mod standing;
mod terms;
mod versions;

pub use compare::{InspectedVersion, compare_inspections};
pub use finding::{Finding, Severity};
pub use terms::{
    MAX_SEARCH_BYTES, MAX_SEARCH_TERMS, MAX_TERM_BYTES, SearchField, SearchTerm, SearchText,
    SearchTextError, search_terms,
};

#[cfg(test)]
mod tests;
