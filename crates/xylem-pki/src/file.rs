//! Failures of the file system around keys and certificates.

use std::io;
use std::path::{Path, PathBuf};

/// A file of keys or certificates that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refuses this user.
    #[error(
        "no permission to {action} {}: run this as the user that owns the folder, or give the \
         folder to this user",
        path.display()
    )]
    Denied {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Anything else: a full disk, a broken one, a file too large to be what is expected.
    #[error("cannot {action} {}", path.display())]
    Failed {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// Reading failed.
    pub fn reading(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::sorted("read", path, source),
        }
    }

    /// Writing failed.
    pub fn writing(path: &Path, source: io::Error) -> Self {
        Self::sorted("write", path, source)
    }

    fn sorted(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { action, path, source },
            _ => Self::Failed { action, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_file_and_what_to_do() {
        let path = Path::new("data/identity.pem");
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let told = FileError::reading(path, denied()).to_string();
        assert!(told.contains("no permission to read data/identity.pem: run this as"), "{told}");
        let told = FileError::writing(path, denied()).to_string();
        assert!(told.contains("no permission to write data/identity.pem"), "{told}");
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(FileError::reading(path, missing).to_string(), "data/identity.pem is missing");
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(FileError::writing(path, full).to_string(), "cannot write data/identity.pem");
    }
}
