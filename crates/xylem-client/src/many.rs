//! Many small files in one answer.

use bytes::{Bytes, BytesMut};
use http::{Method, Request, header};
use xylem_api::content::{
    FRAME_HEAD_BYTES, MANY_PATH, MAX_FRAME_BYTES, ManyRequest, NOT_HERE, parse_frame_head,
};
use xylem_model::ContentId;

use crate::{BaseUrl, BodyReader, ClientError, ContentClient, full_body};

/// Reads the frames of an answer to `POST /v1/blobs`. Nothing in it has been checked but its form.
pub struct ManyReader {
    body: BodyReader,
    buffer: BytesMut,
}

impl ContentClient {
    /// Asks a distribution server for many small files at once, with the transport's certificate.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn fetch_many(
        &self,
        server: &BaseUrl,
        contents: Vec<ContentId>,
    ) -> Result<ManyReader, ClientError> {
        let protocol = |reason: String| ClientError::Protocol { server: server.clone(), reason };
        let body = serde_json::to_vec(&ManyRequest { contents })
            .map_err(|error| protocol(error.to_string()))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(MANY_PATH)
            .header(header::CONTENT_TYPE, "application/json")
            .body(full_body(body))
            .map_err(|error| protocol(error.to_string()))?;
        let answer = self.transport().send(server, request).await?;
        Ok(ManyReader { body: answer.into_body(), buffer: BytesMut::new() })
    }
}

impl ManyReader {
    /// The next file: its id, and its bytes unless the server has not got it. None at the end.
    /// May be dropped and called again.
    ///
    /// # Errors
    /// When the connection breaks, and when what comes has not the form of frames.
    pub async fn next(&mut self) -> Result<Option<(ContentId, Option<Bytes>)>, ClientError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            match self.body.next().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(self.body.protocol(&"it ends in the middle of a file")),
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<(ContentId, Option<Bytes>)>, ClientError> {
        let Some(head) = self.buffer.first_chunk::<FRAME_HEAD_BYTES>() else { return Ok(None) };
        let (content, length) = parse_frame_head(head);
        if length == NOT_HERE {
            let _head = self.buffer.split_to(FRAME_HEAD_BYTES);
            return Ok(Some((content, None)));
        }
        if length > MAX_FRAME_BYTES {
            let reason = format!("a file of {length} bytes does not belong into this answer");
            return Err(self.body.protocol(&reason));
        }
        let whole = FRAME_HEAD_BYTES + usize::try_from(length).unwrap_or(usize::MAX);
        if self.buffer.len() < whole {
            self.buffer.reserve(whole - self.buffer.len());
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(whole);
        Ok(Some((content, Some(frame.split_off(FRAME_HEAD_BYTES).freeze()))))
    }
}
