//! Files given out, whole or in part, a piece at a time.

use std::io::SeekFrom;
use std::ops::RangeInclusive;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use xylem_client::{RequestBody, channel_body, empty_body};

use super::refusal::{Refusal, refused};
use super::tree::Stored;

/// Bytes of a piece.
const PIECE_BYTES: usize = 256 << 10;

/// All of it.
pub(super) fn whole(stored: &Stored) -> Response<RequestBody> {
    part(stored, 0, stored.size, false)
}

/// What a `Range` asks for (RFC 9110, section 14): one range; several are as if none was asked for.
///
/// # Errors
/// 416 where it has nothing of the file.
pub(super) fn ranged(
    stored: &Stored,
    range: &str,
    other: bool,
) -> Result<Response<RequestBody>, Refusal> {
    let asked = match range.strip_prefix("bytes=") {
        Some(ends) if !ends.contains(',') => ends,
        _ => return Ok(part(stored, 0, stored.size, other)),
    };
    let none = || refused(416, "the range is none of it");
    let bytes = read_range(asked, stored.size).ok_or_else(none)?;
    let (first, last) = (*bytes.start(), *bytes.end());
    let mut response = part(stored, first, last - first + 1, other);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let told = format!("bytes {first}-{last}/{}", stored.size);
    response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::try_from(told).unwrap());
    Ok(response)
}

/// So many bytes of it; `other` gives others than are there.
pub(super) fn part(stored: &Stored, from: u64, bytes: u64, other: bool) -> Response<RequestBody> {
    let body = if bytes == 0 { empty_body() } else { streamed(stored, from, bytes, other) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn streamed(stored: &Stored, from: u64, bytes: u64, other: bool) -> RequestBody {
    let (pieces, body) = channel_body();
    // It lives for as long as it is read, also where it is removed meanwhile.
    let blob = stored.blob.clone();
    tokio::spawn(async move {
        let mut file = File::open(&blob.file).await?;
        file.seek(SeekFrom::Start(from)).await?;
        let mut rest = file.take(bytes);
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            (&mut rest).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
            if piece.is_empty() {
                return std::io::Result::Ok(());
            }
            if other {
                piece.iter_mut().for_each(|byte| *byte = !*byte);
            }
            // Whoever asked may be gone.
            if pieces.send(Ok(Bytes::from(piece))).await.is_err() {
                return Ok(());
            }
        }
    });
    body
}

fn read_range(text: &str, size: u64) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-')?;
    let end = size.checked_sub(1)?;
    match (first, last) {
        ("", last) => {
            let bytes = last.parse::<u64>().ok().filter(|bytes| *bytes > 0)?;
            Some(size.saturating_sub(bytes)..=end)
        }
        (first, last) => {
            let first = first.parse::<u64>().ok().filter(|first| *first <= end)?;
            let last = if last.is_empty() { end } else { last.parse().ok()? };
            (first <= last).then(|| first..=last.min(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let read = |text| read_range(text, 10).map(|range| (*range.start(), *range.end()));
        assert_eq!(
            [read("0-4"), read("5-"), read("-3"), read("8-99")],
            [Some((0, 4)), Some((5, 9)), Some((7, 9)), Some((8, 9)),]
        );
        for none in ["10-", "4-2", "-0", "-", "x-1", "1"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read_range("0-", 0), None);
    }
}
