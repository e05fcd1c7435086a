//! Bytes from a parent, no faster than they may come.

use async_trait::async_trait;
use bytes::Bytes;
use xylem_client::{BodyReader, ClientError};

use crate::pace::{Claim, Flow};
use crate::pour::Source;

/// A body that is read no faster than rates and higher classes allow: what is not read, the
/// parent does not send.
pub(crate) struct PacedSource {
    body: BodyReader,
    flow: Flow,
    /// A piece that has come, and when it may go on.
    next: Option<(Bytes, Option<Claim>)>,
}

impl PacedSource {
    pub(crate) const fn new(body: BodyReader, flow: Flow) -> Self {
        Self { body, flow, next: None }
    }
}

#[async_trait]
impl Source for PacedSource {
    type Error = ClientError;

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        if self.next.is_none() {
            let Some(piece) = self.body.next().await? else { return Ok(None) };
            self.next = Some((piece, None));
        }
        if let Some((piece, claim)) = &mut self.next {
            // This may be dropped while it waits, so the piece is paid for once.
            self.flow.wait(claim, piece.len() as u64).await;
        }
        Ok(self.next.take().map(|(piece, _)| piece))
    }
}
