//! Where a content is read back from: a provider, by an address as a client gets one, or this server's
//! own folder.

use bytes::Bytes;
use xylem_api::control_read_back::ReadBackJob;
use xylem_api::error::{ErrorBody, ErrorCode};
use xylem_client::{BodyReader, ClientError, CloudClient, CloudContentClient};
use xylem_cloud::{CloudAnswer, CloudRequest, MAX_ANSWER_BYTES};

use super::sample::request_of;

/// Bytes that are read from the folder at once: as many as it answers with.
const PIECE_BYTES: u64 = MAX_ANSWER_BYTES as u64;

/// Who gives a content.
pub(super) enum Giver {
    /// A provider.
    Provider(CloudContentClient),
    /// This server's own folder.
    Folder(CloudClient),
}

/// The bytes of a content, from an offset on.
pub(super) struct Given {
    /// Where they begin: 0 as well where it knows no ranges.
    pub(super) offset: u64,
    pieces: Pieces,
}

enum Pieces {
    Line(BodyReader),
    Disk(OnDisk),
}

/// What is read from the folder, a range after the other.
struct OnDisk {
    client: CloudClient,
    request: CloudRequest,
    at: u64,
    /// How many bytes the file has, once that was told.
    size: Option<u64>,
}

impl Giver {
    /// Asks for the bytes of a content from an offset on.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub(super) async fn fetch(&self, job: &ReadBackJob, offset: u64) -> Result<Given, ClientError> {
        let client = match self {
            Self::Provider(client) => {
                let answer = client.fetch(&job.url, job.size, offset).await?;
                let pieces = Pieces::Line(answer.body);
                return Ok(Given { offset: answer.offset, pieces });
            }
            Self::Folder(client) => client.clone(),
        };
        let request = request_of(&job.url)
            .ok_or_else(|| refused(400, "the address that was made for it is none"))?;
        Ok(Given {
            offset,
            pieces: Pieces::Disk(OnDisk { client, request, at: offset, size: None }),
        })
    }
}

impl Given {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// When the line breaks, or the folder refuses.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        match &mut self.pieces {
            Pieces::Line(body) => body.next().await,
            Pieces::Disk(disk) => disk.next().await,
        }
    }
}

impl OnDisk {
    /// Reads on until the end of the file, wherever the content should end: a longer one is another.
    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        if self.size.is_some_and(|size| self.at >= size) {
            return Ok(None);
        }
        let last = self.at.saturating_add(PIECE_BYTES - 1);
        let answer = self.client.send(&self.request.clone().with_range(self.at, last)).await?;
        match answer.status {
            206 => {}
            // It ends here: it is empty, or was cut short.
            416 => return Ok(None),
            status => return Err(refused(status, &String::from_utf8_lossy(&answer.body))),
        }
        let size = self.size_told(&answer);
        self.size = Some(size.ok_or_else(|| refused(400, "another range came than was asked"))?);
        self.at = self.at.saturating_add(answer.body.len() as u64);
        Ok(Some(answer.body.into()))
    }

    /// The size of the file, where an answer has bytes from where they are to begin.
    fn size_told(&self, answer: &CloudAnswer) -> Option<u64> {
        let more = (answer.body.len() as u64).checked_sub(1)?;
        let range = format!("bytes {}-{}/", self.at, self.at.checked_add(more)?);
        answer.header("content-range")?.strip_prefix(&range)?.parse().ok()
    }
}

fn refused(status: u16, why: &str) -> ClientError {
    let message = format!("this server's folder answered {status}: {why}");
    let body = ErrorBody { code: ErrorCode::Unavailable, message, request_id: String::new() };
    ClientError::Answer { status, body, retry_after: None }
}
