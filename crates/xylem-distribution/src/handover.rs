//! Handing the port over to a new program, so that a restart fails no download.
//!
//! The running server listens on `handover` in its data folder, a socket that only its owner can
//! reach. A new program connects there and says [`ASK`]. The old one passes its listening socket
//! on, begins nothing new, finishes what writes (parts of uploads, fetches, reports), lets go of
//! the folder's lock, and says [`RELEASED`]. Whoever connects meanwhile waits in the socket's
//! queue. The old program then ends once its last answer has been sent; those read files that are
//! open, so whatever the new one removes, they end whole. Should either die in between, the port
//! and the lock are free, and the next start is an ordinary one.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use xylem_runtime::{FolderLock, Fs, Listener, receive_socket, send_socket};

use crate::data::{DataError, DataFolder};
use crate::server::OpenError;

/// What the new program says.
const ASK: &[u8; 10] = b"take over\n";

/// What the old one says at the end.
const RELEASED: &[u8; 9] = b"released\n";

/// How long either waits for a word of the other that takes no work.
const PROMPT: Duration = Duration::from_secs(5);

/// How long the new program waits for the old one to finish what writes. The longest is the
/// looking into an upload.
const RELEASE: Duration = Duration::from_secs(120);

/// A handover that failed.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Nobody hands over.
    #[error(
        "the program that runs on {} does not hand over (it may be older): stop it, and start \
         again without --take-over",
        folder.display()
    )]
    Deaf {
        /// The data folder.
        folder: PathBuf,
        /// What was tried.
        #[source]
        source: io::Error,
    },
    /// It began, but did not end.
    #[error(
        "the program that runs on {} gave its port away but does not let go of the folder: wait \
         until it has ended, or stop it",
        folder.display()
    )]
    Stuck {
        /// The data folder.
        folder: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
}

/// Takes the exclusive use of a data folder; where another program has it and is to hand over, also
/// that program's port.
///
/// # Errors
/// [`DataError::Busy`], what went wrong with the handover, and failures of the disk.
pub(crate) fn occupy(
    fs: &dyn Fs,
    folder: &DataFolder,
    take_over: bool,
) -> Result<(FolderLock, Option<OwnedFd>), OpenError> {
    if let Some(lock) = folder.lock(fs)? {
        return Ok((lock, None));
    }
    let busy = || DataError::Busy { path: folder.root().to_owned() };
    if !take_over {
        return Err(busy().into());
    }
    let socket = ask(folder.root(), &folder.handover())?;
    let lock = folder.lock(fs)?.ok_or_else(busy)?;
    Ok((lock, Some(socket)))
}

/// A port that was handed over.
pub(crate) fn listener(socket: OwnedFd) -> io::Result<Box<dyn Listener>> {
    Ok(Box::new(TcpListener::from_std(socket.into())?))
}

/// Asks the running program for its port, and returns once it has let go of the folder.
fn ask(folder: &Path, path: &Path) -> Result<OwnedFd, HandoverError> {
    let deaf = |source| HandoverError::Deaf { folder: folder.to_owned(), source };
    let stuck = |source| HandoverError::Stuck { folder: folder.to_owned(), source };
    let asking = || {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PROMPT))?;
        stream.set_write_timeout(Some(PROMPT))?;
        stream.write_all(ASK)?;
        let socket = receive_socket(&stream)?;
        io::Result::Ok((stream, socket))
    };
    let (mut stream, socket) = asking().map_err(deaf)?;
    let mut heard = [0; RELEASED.len()];
    stream.set_read_timeout(Some(RELEASE)).map_err(stuck)?;
    stream.read_exact(&mut heard).map_err(stuck)?;
    if heard != *RELEASED {
        return Err(stuck(io::Error::new(io::ErrorKind::InvalidData, "an unknown word")));
    }
    Ok(socket)
}

/// Where a running server is asked.
pub(crate) struct Counter {
    listener: UnixListener,
    path: PathBuf,
    /// What is handed over.
    port: Arc<OwnedFd>,
}

impl Counter {
    /// Opens the socket; called with the folder's lock in hand, so whatever lies there is old.
    pub(crate) fn open(path: PathBuf, port: OwnedFd) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private)?;
        Ok(Self { listener, path, port: Arc::new(port) })
    }

    /// Returns once a new program has asked and has the port. Whoever says anything else is
    /// turned away.
    pub(crate) async fn asked(&self) -> Successor {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "nobody can be handed over to for now");
                    tokio::time::sleep(PROMPT).await;
                    continue;
                }
            };
            let port = Arc::clone(&self.port);
            let given = tokio::task::spawn_blocking(move || give(stream, &port)).await;
            match given {
                Ok(Ok(successor)) => return successor,
                Ok(Err(error)) => tracing::warn!(%error, "a handover was begun and broken off"),
                Err(error) => tracing::error!(%error, "a handover was lost"),
            }
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // A successor has put its own there only after this server let go of the lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn give(stream: tokio::net::UnixStream, port: &OwnedFd) -> io::Result<Successor> {
    let mut stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PROMPT))?;
    stream.set_write_timeout(Some(PROMPT))?;
    let mut asked = [0; ASK.len()];
    stream.read_exact(&mut asked)?;
    if asked != *ASK {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown word"));
    }
    send_socket(&stream, port)?;
    Ok(Successor(stream))
}

/// The new program, which waits for the folder.
pub(crate) struct Successor(UnixStream);

impl Successor {
    /// Tells it that the folder is its own.
    pub(crate) fn release(mut self) {
        if let Err(error) = self.0.write_all(RELEASED) {
            tracing::warn!(%error, "the new program is gone; this one ends all the same");
        }
    }
}
