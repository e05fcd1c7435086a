//! Why something was not done in the folder, as a provider of a cloud would say it.

use std::io::{self, ErrorKind};
use std::path::Path;

/// A refusal: a status that `xylem-cloud` reads, and words for whoever set the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) why: String,
}

impl Refused {
    pub(super) const fn new(status: u16, why: String) -> Self {
        Self { status, why }
    }
}

/// What came of something, and nothing where that is not there.
pub(super) fn if_there<T>(found: Result<T, Refused>) -> Result<Option<T>, Refused> {
    match found {
        Err(refused) if refused.status == 404 => Ok(None),
        found => found.map(Some),
    }
}

/// What an error of the file system is worth. 404: not there. 412: there already. 403: may not be
/// written. 413: a file of that size does not go. 507: full. 500: tried again.
pub(super) fn io_refusal(doing: &str, path: &Path, error: &io::Error) -> Refused {
    let (status, advice) = match error.kind() {
        ErrorKind::NotFound => (404, ""),
        ErrorKind::AlreadyExists => (412, ""),
        ErrorKind::PermissionDenied => (403, "; let the root's account write there"),
        ErrorKind::ReadOnlyFilesystem => (403, "; mount it so that it can be written"),
        ErrorKind::FileTooLarge => (413, "; take a file system with larger files"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (507, "; make room on its disk"),
        _ => (500, ""),
    };
    Refused::new(status, format!("{doing} {}: {error}{advice}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_is_told_from_what_may_not_be_written_and_what_passes() {
        let status = |kind: ErrorKind| {
            let refused = io_refusal("writing", Path::new("/f"), &io::Error::from(kind));
            assert!(refused.why.contains("writing /f"), "{}", refused.why);
            refused.status
        };
        assert_eq!(status(ErrorKind::StorageFull), 507);
        assert_eq!(status(ErrorKind::QuotaExceeded), 507);
        assert_eq!(status(ErrorKind::ReadOnlyFilesystem), 403);
        assert_eq!(status(ErrorKind::PermissionDenied), 403);
        assert_eq!(status(ErrorKind::Interrupted), 500);
    }
}
