//! One part on its way: the request as it was signed, and the answer as it is handed on.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use xylem_api::control_cloud::{HandedOn, MAX_ANSWER_HANDED_ON, PieceRequest};
use xylem_blobs::BlobError;
use xylem_client::{ClientError, CloudClient, RequestBody, channel_body, empty_body};
use xylem_cloud::{Body, CloudAnswer, CloudRequest, Endpoint, Header, Part};
use xylem_model::{CloudPointId, ContentId};
use xylem_sync::Class;
use xylem_telemetry::chain;

use super::piece;
use crate::node::Node;
use crate::pace::Link;

/// Most bytes of an answer's headers that are handed on, names and values together: what tells of
/// a part is far shorter.
const MAX_HEADERS_HANDED_ON: usize = 8 * 1024;

/// A content that parts are of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    pub(super) point: CloudPointId,
    pub(super) content: ContentId,
    pub(super) class: Class,
}

/// Why there is no answer to a part.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The copy cannot be read.
    Copy(BlobError),
    /// The provider gave no answer, and may give one later or not.
    Line {
        /// No address with a query is in it.
        why: String,
        may_pass: bool,
    },
}

/// Sends a part, and gives what the provider says.
///
/// # Errors
/// When the copy cannot be read, or there is no answer.
pub(super) async fn send(
    node: &Arc<Node>,
    client: &CloudClient,
    whole: Whole,
    part: Part,
    signed: PieceRequest,
) -> Result<HandedOn, Unsent> {
    let request = request_of(signed, part.bytes)?;
    if part.bytes == 0 {
        return Ok(handed_on(&send_body(client, &request, empty_body()).await?));
    }
    let (pieces, body) = channel_body();
    let flow = node.pace.to_cloud.open(Link::Cloud(whole.point), whole.class);
    let feeding = piece::feed(node, flow, whole.content, part, pieces);
    // Where an answer comes early, or none, its end takes the channel's end with it.
    let (fed, answer) = tokio::join!(feeding, send_body(client, &request, body));
    fed.map_err(Unsent::Copy)?;
    Ok(handed_on(&answer?))
}

async fn send_body(
    client: &CloudClient,
    request: &CloudRequest,
    body: RequestBody,
) -> Result<CloudAnswer, Unsent> {
    client.send_piece(request, body).await.map_err(|error: ClientError| Unsent::Line {
        may_pass: error.is_transient(),
        why: chain(&error).to_string(),
    })
}

/// The request as whoever sends it takes it: not a byte of it is changed.
fn request_of(signed: PieceRequest, size: u64) -> Result<CloudRequest, Unsent> {
    let refused = |what: String| Unsent::Line {
        why: format!("the management server signed a request that cannot be sent: {what}"),
        may_pass: false,
    };
    let request = as_told(signed, Body::Piece { size }).map_err(refused)?;
    match request.endpoint.base().is_empty() {
        true => Ok(request),
        false => Err(refused("its address has a path".to_owned())),
    }
}

/// A request as the management server told it; why it is none, where it is not.
pub(super) fn as_told(told: PieceRequest, body: Body) -> Result<CloudRequest, String> {
    let headers = told.headers.into_iter();
    Ok(CloudRequest {
        endpoint: Endpoint::parse(&told.origin).map_err(|error| error.to_string())?,
        method: Method::from_bytes(told.method.as_bytes()).map_err(|_| "its method is none")?,
        path: told.path,
        query: told.query,
        headers: headers.map(|(name, value)| Header { name: Cow::Owned(name), value }).collect(),
        body,
    })
}

/// An answer as the management server gets it: bounded, and readable.
fn handed_on(answer: &CloudAnswer) -> HandedOn {
    let is_visible = |value: &&str| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let headers = answer.headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok().filter(is_visible)?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let mut room = MAX_HEADERS_HANDED_ON;
    let fits = |(name, value): &(String, String)| match room.checked_sub(name.len() + value.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let beginning = answer.body.get(..MAX_ANSWER_HANDED_ON).unwrap_or(&answer.body);
    let mut body = String::from_utf8_lossy(beginning).into_owned();
    // What replaces a byte is longer than it.
    let mut end = body.len().min(MAX_ANSWER_HANDED_ON);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    body.truncate(end);
    HandedOn { status: answer.status, headers: headers.filter(fits).collect(), body }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use xylem_model::Timestamp;

    use super::*;

    fn signed(origin: &str) -> PieceRequest {
        PieceRequest {
            method: "PUT".into(),
            origin: origin.into(),
            path: "/b/k%20".into(),
            query: "partNumber=1".into(),
            headers: vec![("x-amz-date".into(), "now".into())],
        }
    }

    #[test]
    fn a_request_is_sent_as_it_was_signed() {
        let request = request_of(signed("https://s3.example.org:8443"), 7).unwrap();
        assert_eq!(request.target(), "/b/k%20?partNumber=1");
        assert_eq!(request.endpoint.authority(), "s3.example.org:8443");
        assert_eq!((request.method.as_str(), request.body.size()), ("PUT", 7));
        assert_eq!(request.header("x-amz-date"), Some("now"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_its_secrets() {
        let mut wrong = signed("https://s3.example.org");
        wrong.method = "PU T".into();
        for wrong in [signed("http://h"), signed("https://h/path"), signed("https://h?q"), wrong] {
            let Err(Unsent::Line { why, may_pass }) = request_of(wrong, 7) else {
                panic!("it is taken")
            };
            assert!(!may_pass && why.contains("cannot be sent"), "{why}");
            assert!(!why.contains("partNumber"), "{why}");
        }
    }

    fn answer(headers: HeaderMap, body: Vec<u8>) -> CloudAnswer {
        CloudAnswer { status: 200, headers, body, received: Timestamp::default() }
    }

    #[test]
    fn an_answer_is_bounded_and_readable() {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("\"e\""));
        headers.insert("x-odd", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.insert("x-tab", HeaderValue::from_static("a\tb"));
        for number in 0..20 {
            let name = HeaderName::try_from(format!("x-long-{number}")).unwrap();
            headers.insert(name, HeaderValue::try_from("v".repeat(1000)).unwrap());
        }
        let told = handed_on(&answer(headers, vec![0xff; 100_000]));
        let bytes: usize = told.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= MAX_HEADERS_HANDED_ON && told.headers.len() > 5);
        assert!(told.headers.contains(&("etag".into(), "\"e\"".into())));
        assert!(!told.headers.iter().any(|(name, _)| name == "x-odd" || name == "x-tab"));
        assert!(told.body.len() <= MAX_ANSWER_HANDED_ON && told.body.len() > 16_000);

        let text = "é".repeat(MAX_ANSWER_HANDED_ON);
        let told = handed_on(&answer(HeaderMap::new(), text.into_bytes()));
        assert_eq!(told.body.len(), MAX_ANSWER_HANDED_ON);
        assert!(told.body.chars().all(|c| c == 'é'));
    }
}
