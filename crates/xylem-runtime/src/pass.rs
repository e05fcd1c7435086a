//! Passing an open socket to another process on this machine (unix(7), `SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// What goes with a socket: a message needs at least one byte.
const MARK: [u8; 1] = *b"s";

#[cfg(target_os = "linux")]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const FLAGS: RecvFlags = RecvFlags::empty();

/// Passes a socket on.
///
/// # Errors
/// When the other side is gone.
pub fn send_socket(stream: &UnixStream, socket: impl AsFd) -> io::Result<()> {
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("there is no room for a socket in a message"));
    }
    sendmsg(stream, &[IoSlice::new(&MARK)], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Takes a socket that is passed on. As patient as the stream's read timeout.
///
/// # Errors
/// When the other side is gone, or passes nothing.
pub fn receive_socket(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut mark = [0; MARK.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(&mut mark)];
    recvmsg(stream, &mut buffers, &mut control, FLAGS)?;
    let passed = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    let none = || io::Error::new(io::ErrorKind::InvalidData, "no socket was passed on");
    let passed = passed.ok_or_else(none)?;
    // No child process is to inherit it, also where the flag above does not exist.
    rustix::io::fcntl_setfd(&passed, rustix::io::FdFlags::CLOEXEC)?;
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_port_can_be_passed_on_with_who_waits_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = TcpStream::connect(address).unwrap();
        let (old, new) = UnixStream::pair().unwrap();
        send_socket(&old, &listener).unwrap();
        drop(listener);
        let passed = TcpListener::from(receive_socket(&new).unwrap());
        assert_eq!(passed.local_addr().unwrap(), address);
        let (mut accepted, _) = passed.accept().unwrap();
        waiting.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[test]
    fn nothing_passed_is_an_error() {
        let (old, new) = UnixStream::pair().unwrap();
        (&old).write_all(b"x").unwrap();
        assert!(receive_socket(&new).is_err());
        drop(old);
        assert!(receive_socket(&new).is_err());
    }
}
