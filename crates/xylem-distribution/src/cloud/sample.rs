//! Both ends of an object, read as a client would, beside this server's own copy.

use std::ops::Range;
use std::time::Duration;

use http::Method;
use tokio::time::sleep;
use xylem_api::control_cloud::{SAMPLE_BYTES, SampleFound};
use xylem_blobs::{BlobError, Repository};
use xylem_client::CloudClient;
use xylem_cloud::{Body, CloudAnswer, CloudRequest, Endpoint, MAX_ANSWER_BYTES};
use xylem_model::ContentId;
use xylem_telemetry::chain;

use super::piece;

/// Waits before what cannot be read, or is other than it should be, is looked at again: a store, and
/// an edge before it, may answer with what was true a moment ago. With the look before them, three
/// looks within some 30 s.
const WAITS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];

/// Looks at an object by the address that was made for it.
///
/// # Errors
/// When this server's own copy cannot be read.
pub(super) async fn look(
    client: &CloudClient,
    repository: &Repository,
    content: ContentId,
    size: u64,
    url: &str,
) -> Result<SampleFound, BlobError> {
    let Some(request) = request_of(url) else {
        return Ok(unread("the address that was made for it is none"));
    };
    for range in ends(size) {
        let own = piece::bytes(repository, content, range.clone()).await?;
        let end = End { range, size, own };
        match end.look(client, &request).await {
            SampleFound::Same => {}
            found => return Ok(found),
        }
    }
    Ok(SampleFound::Same)
}

/// The first and the last bytes; of a small file all of them.
fn ends(size: u64) -> Vec<Range<u64>> {
    let (first, last) = (0..size.min(SAMPLE_BYTES), size.saturating_sub(SAMPLE_BYTES)..size);
    if first == last { Vec::from([first]) } else { Vec::from([first, last]) }
}

/// The request that a client makes. No part of the address may get into a message.
pub(super) fn request_of(url: &str) -> Option<CloudRequest> {
    let rest = url.strip_prefix("https://")?;
    let (authority, target) = rest.split_at(rest.find('/')?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(CloudRequest {
        method: Method::GET,
        endpoint: Endpoint::parse(&format!("https://{authority}")).ok()?,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: Body::None,
    })
}

/// Some bytes of an object, as they are to be.
struct End {
    range: Range<u64>,
    size: u64,
    own: Vec<u8>,
}

impl End {
    async fn look(&self, client: &CloudClient, request: &CloudRequest) -> SampleFound {
        until_same(|| self.look_once(client, request)).await
    }

    async fn look_once(&self, client: &CloudClient, request: &CloudRequest) -> SampleFound {
        let request = match self.range.is_empty() {
            true => request.clone(),
            false => request.clone().with_range(self.range.start, self.range.end - 1),
        };
        match client.send(&request).await {
            Ok(answer) => self.judge(&answer),
            Err(error) => unread(&chain(&error).to_string()),
        }
    }

    fn judge(&self, answer: &CloudAnswer) -> SampleFound {
        let is_same = match answer.status {
            206 => match answer.header("content-range") {
                Some(told) => told == self.content_range() && answer.body == self.own,
                None => return unread("a range is answered without saying which"),
            },
            // To a client that means: from the front.
            200 if self.size <= MAX_ANSWER_BYTES as u64 => {
                let is_whole = answer.body.len() as u64 == self.size;
                is_whole && self.within(&answer.body) == Some(&self.own)
            }
            200 => return unread("a range is answered with all of it: clients could not go on"),
            416 => false,
            status => {
                return unread(&format!("a client that has its address is answered {status}"));
            }
        };
        if is_same { SampleFound::Same } else { SampleFound::Other }
    }

    fn content_range(&self) -> String {
        let Range { start, end } = &self.range;
        format!("bytes {start}-{}/{}", end.saturating_sub(1), self.size)
    }

    fn within<'a>(&self, whole: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.range.start).ok()?;
        whole.get(start..usize::try_from(self.range.end).ok()?)
    }
}

/// Looks until it is the same, or as often as counts.
async fn until_same<F: Future<Output = SampleFound>>(mut look: impl FnMut() -> F) -> SampleFound {
    let mut found = look().await;
    for wait in WAITS {
        if found == SampleFound::Same {
            break;
        }
        sleep(wait).await;
        found = look().await;
    }
    found
}

fn unread(why: &str) -> SampleFound {
    SampleFound::Unread { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http::{HeaderMap, HeaderValue};
    use xylem_model::Timestamp;

    use super::*;

    fn answer(status: u16, range: Option<&'static str>, body: &[u8]) -> CloudAnswer {
        let mut headers = HeaderMap::new();
        if let Some(range) = range {
            headers.insert("content-range", HeaderValue::from_static(range));
        }
        let received = Timestamp::default();
        CloudAnswer { status, headers, body: body.to_vec(), received }
    }

    fn end() -> End {
        End { range: 4..6, size: 6, own: b"56".to_vec() }
    }

    #[test]
    fn both_ends_are_looked_at_and_of_what_is_small_all() {
        let found = |size| ends(size).iter().map(|end| (end.start, end.end)).collect::<Vec<_>>();
        assert_eq!(found(0), [(0, 0)]);
        assert_eq!(found(SAMPLE_BYTES), [(0, SAMPLE_BYTES)]);
        assert_eq!(found(SAMPLE_BYTES + 1), [(0, SAMPLE_BYTES), (1, SAMPLE_BYTES + 1)]);
        let size = 10 * SAMPLE_BYTES;
        assert_eq!(found(size), [(0, SAMPLE_BYTES), (size - SAMPLE_BYTES, size)]);
    }

    #[test]
    fn what_is_the_same_is_told_from_what_is_not() {
        let same = [answer(206, Some("bytes 4-5/6"), b"56"), answer(200, None, b"123456")];
        for answer in same {
            assert_eq!(end().judge(&answer), SampleFound::Same, "{answer:?}");
        }
        let other = [
            answer(206, Some("bytes 4-5/6"), b"57"),
            answer(206, Some("bytes 4-5/6"), b"5"),
            answer(206, Some("bytes 4-5/7"), b"56"),
            answer(206, Some("bytes 0-1/6"), b"56"),
            answer(200, None, b"1234567"),
            answer(200, None, b"123457"),
            answer(200, None, b"12345"),
            answer(416, None, b""),
        ];
        for answer in other {
            assert_eq!(end().judge(&answer), SampleFound::Other, "{answer:?}");
        }
        let unread = [
            answer(206, None, b"56"),
            answer(403, None, b""),
            answer(404, None, b""),
            answer(302, None, b""),
            answer(503, None, b""),
        ];
        for answer in unread {
            assert!(matches!(end().judge(&answer), SampleFound::Unread { .. }), "{answer:?}");
        }
        let large = End { size: 1 << 40, ..end() };
        assert!(matches!(large.judge(&answer(200, None, b"")), SampleFound::Unread { .. }));
        let empty = End { range: 0..0, size: 0, own: Vec::new() };
        assert_eq!(empty.judge(&answer(200, None, b"")), SampleFound::Same);
        assert_eq!(empty.judge(&answer(200, None, b"1")), SampleFound::Other);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_the_same_is_looked_at_again_before_it_counts() {
        let mut answers = [SampleFound::Other, unread("away"), SampleFound::Same].into_iter();
        let found = until_same(|| ready(answers.next().unwrap())).await;
        assert_eq!((found, answers.next()), (SampleFound::Same, None));
        let mut looks = 0;
        let found = until_same(|| {
            looks += 1;
            ready(SampleFound::Other)
        });
        assert_eq!(found.await, SampleFound::Other);
        assert_eq!(looks, 3);
    }

    #[test]
    fn an_address_becomes_the_request_of_a_client() {
        let request = request_of("https://h.example.org:8443/b/content/AB?sig=a%2Fb").unwrap();
        assert_eq!(request.target(), "/b/content/AB?sig=a%2Fb");
        assert_eq!(request.endpoint.origin(), "https://h.example.org:8443");
        assert_eq!(request_of("https://h/k").unwrap().target(), "/k");
        for wrong in ["http://h/k", "https://h", "https://a@h/k", "k", ""] {
            assert!(request_of(wrong).is_none(), "{wrong}");
        }
    }
}
