//! Server-sent events (HTML standard, section 9.2), as far as our servers send them.

use bytes::BytesMut;
use serde::de::DeserializeOwned;

use crate::{BodyReader, ClientError};

/// Longest line of an event stream, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Reads the `data` of events from a response body. Comments, which serve as heartbeats, are
/// passed over; the body's stall limit notices when even they stop.
pub struct EventStream {
    body: BodyReader,
    buffer: BytesMut,
    data: String,
    last_id: Option<String>,
}

impl EventStream {
    pub(crate) fn new(body: BodyReader) -> Self {
        Self { body, buffer: BytesMut::new(), data: String::new(), last_id: None }
    }

    /// The next event's data as JSON; none when the server ends the stream.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            while let Some(line) = self.take_line() {
                if let Some(data) = self.take_event(&line) {
                    let event = serde_json::from_str(&data).map_err(|e| self.body.protocol(&e))?;
                    return Ok(Some(event));
                }
            }
            match self.body.next().await? {
                None => return Ok(None),
                Some(piece) => self.buffer.extend_from_slice(&piece),
            }
            if self.buffer.len() + self.data.len() > MAX_LINE_BYTES {
                return Err(self.body.protocol(&"an event is too long"));
            }
        }
    }

    /// The id of the last event that had one: what to go on from after a break.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let line = self.buffer.split_to(end + 1);
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Takes in one line; gives the collected data when the line ends an event.
    fn take_event(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            return (!self.data.is_empty()).then(|| std::mem::take(&mut self.data));
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        if let Some(id) = line.strip_prefix("id:") {
            self.last_id = Some(id.strip_prefix(' ').unwrap_or(id).to_owned());
        }
        None
    }
}
