//! The machine's network, with connections that can be cut behind the client's back.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use xylem_runtime::{Listener, Net, RealNet, Stream};

/// Remembers the connections it opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct CuttableNet(Arc<Mutex<Vec<Arc<AtomicBool>>>>);

impl CuttableNet {
    /// Ends every open connection, without a sign: only who looks sees it.
    pub(crate) fn cut(&self) {
        for connection in self.0.lock().unwrap().drain(..) {
            connection.store(true, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Net for CuttableNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        RealNet.listen(address).await
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream = RealNet.connect(host, port).await?;
        let is_cut = Arc::new(AtomicBool::new(false));
        self.0.lock().unwrap().push(Arc::clone(&is_cut));
        Ok(Box::new(Cuttable { stream, is_cut }))
    }
}

struct Cuttable {
    stream: Box<dyn Stream>,
    is_cut: Arc<AtomicBool>,
}

impl Cuttable {
    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
