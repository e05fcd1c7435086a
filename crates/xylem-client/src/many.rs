//! Many small files in one answer.

use bytes::Bytes;
use http::{Method, header};
use xylem_api::content::{
    FRAME_HEAD_BYTES, MANY_PATH, MAX_FRAME_BYTES, ManyRequest, NOT_HERE, parse_frame_head,
};
use xylem_model::ContentId;

use crate::{BaseUrl, BodyReader, ClientError, ContentClient, full_body};

/// Reads the frames of an answer to `POST /v1/blobs`. Nothing in it has been checked but its form.
pub struct ManyReader {
    body: BodyReader,
    /// What has come and was not looked at yet.
    piece: Bytes,
    /// What is here of a head, or of a file.
    gathered: Vec<u8>,
    /// The file that is being gathered, and its size; none while that is a head.
    file: Option<(ContentId, usize)>,
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
        let request = self
            .request()
            .method(Method::POST)
            .uri(MANY_PATH)
            .header(header::CONTENT_TYPE, "application/json")
            .body(full_body(body))
            .map_err(|error| protocol(error.to_string()))?;
        let answer = self.transport().send(server, request).await?;
        let (piece, gathered) = (Bytes::new(), Vec::with_capacity(FRAME_HEAD_BYTES));
        Ok(ManyReader { body: answer.into_body(), piece, gathered, file: None })
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
                Some(piece) => self.piece = piece,
                None if self.gathered.is_empty() && self.file.is_none() => return Ok(None),
                None => return Err(self.body.protocol(&"it ends in the middle of a file")),
            }
        }
    }

    /// The next file of what has come, unless some of it is still to come.
    fn take_frame(&mut self) -> Result<Option<(ContentId, Option<Bytes>)>, ClientError> {
        loop {
            let len = self.file.map_or(FRAME_HEAD_BYTES, |(_, size)| size);
            let more = self.piece.len().min(len - self.gathered.len());
            self.gathered.extend_from_slice(&self.piece.split_to(more));
            if self.gathered.len() < len {
                return Ok(None);
            }
            if let Some((content, _)) = self.file.take() {
                let file =
                    std::mem::replace(&mut self.gathered, Vec::with_capacity(FRAME_HEAD_BYTES));
                return Ok(Some((content, Some(file.into()))));
            }
            if let Some(lacking) = self.take_head()? {
                return Ok(Some((lacking, None)));
            }
        }
    }

    /// Makes room for the file that a head announces, or says what is not coming.
    fn take_head(&mut self) -> Result<Option<ContentId>, ClientError> {
        let Some(head) = self.gathered.first_chunk::<FRAME_HEAD_BYTES>() else { return Ok(None) };
        let (content, size) = parse_frame_head(head);
        self.gathered.clear();
        if size == NOT_HERE {
            return Ok(Some(content));
        }
        let fits = usize::try_from(size).ok().filter(|size| *size as u64 <= MAX_FRAME_BYTES);
        let Some(size) = fits else {
            let reason = format!(
                "it announces {size} bytes of {content}; files of at most {MAX_FRAME_BYTES} are sent \
                 so"
            );
            return Err(self.body.protocol(&reason));
        };
        // Each byte is then copied once, and a small file costs no more memory than its size.
        self.gathered = Vec::with_capacity(size);
        self.file = Some((content, size));
        Ok(None)
    }
}
