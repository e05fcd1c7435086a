//! Anybody to the cloud distribution point: a content, by an address that was made for it.
//!
//! It is no server of ours. It is shown no ticket and no certificate, no redirection is followed, and
//! its ETag says nothing of the content, so a part is bound to it by nothing but its place: whoever
//! asks compares the whole file. An address is a secret, and no error has more of it than the host.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode, header};
use rustls::ClientConfig;
use xylem_api::error::ErrorBody;
use xylem_runtime::Environment;

use crate::content::{content_range, length, protocol};
use crate::transport::{code_of, retry_after};
use crate::{
    BaseUrl, BaseUrlError, BodyReader, ClientError, ContentAnswer, ContentUrl, Deadlines,
    Transport, empty_body,
};

/// How much of a refusal is read for its code, bytes: that stands in front. What is longer is cut.
const MAX_REFUSAL_BYTES: usize = 16 << 10;
/// Longest code of a refusal that is repeated, bytes; S3's are shorter.
const MAX_CODE_BYTES: usize = 64;

/// Fetches contents from a cloud. Cheap to clone.
#[derive(Clone)]
pub struct CloudContentClient {
    transport: Transport,
}

impl CloudContentClient {
    /// A client on a machine; `tls` is a [`public_client_config`](xylem_pki::public_client_config).
    pub fn new(environment: Environment, tls: Arc<ClientConfig>, deadlines: Deadlines) -> Self {
        Self { transport: Transport::new(environment, tls).with_deadlines(deadlines) }
    }

    /// Asks for a content of `size` bytes from an offset on, which is less than that unless both are
    /// 0. The size that is told there comes back and is to be compared; where a whole content comes
    /// in pieces and none is told, it is the one that was asked for.
    ///
    /// # Errors
    /// When there is no answer, it is a refusal, or it has another part than was asked for.
    pub async fn fetch(
        &self,
        url: &str,
        size: u64,
        offset: u64,
    ) -> Result<ContentAnswer, ClientError> {
        let (ContentUrl { server, path }, host) = address(url)?;
        // The host is signed as the address has it: mostly without a port.
        let mut request = Request::builder().uri(path).header(header::HOST, host);
        if offset > 0 {
            let last = size.saturating_sub(1);
            request = request.header(header::RANGE, format!("bytes={offset}-{last}"));
        }
        let request = request.body(empty_body());
        let request = request.map_err(|_| protocol(&server, &"its address cannot be sent"))?;
        let answer = self.transport.send_any(&server, request).await?;
        let (offset, size) = match answer.status() {
            // Also to a request for a part: it knows no ranges, and sends the whole.
            StatusCode::OK => (0, length(answer.headers()).unwrap_or(size)),
            StatusCode::PARTIAL_CONTENT => part(&server, answer.headers(), offset)?,
            status if status.as_u16() < 400 => {
                let reason = format!("status {status}, and redirections are not followed");
                return Err(protocol(&server, &reason));
            }
            _ => return Err(refusal(&server, answer).await),
        };
        Ok(ContentAnswer { offset, size, path: Vec::new(), body: answer.into_body() })
    }
}

/// Where an address leads, and its host as it is written there. What is refused of one is named
/// without its query.
fn address(url: &str) -> Result<(ContentUrl, &str), BaseUrlError> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let mut address: ContentUrl = place.parse()?;
    if !query.is_empty() {
        address.path.push('?');
        address.path.push_str(query);
    }
    let host = place.split('/').nth(2).unwrap_or_default();
    Ok((address, host))
}

/// Where a part begins, and the size of the whole.
fn part(server: &BaseUrl, headers: &HeaderMap, offset: u64) -> Result<(u64, u64), ClientError> {
    match content_range(headers) {
        Some((start, size)) if start == offset => Ok((start, size)),
        Some(_) => Err(protocol(server, &"it begins elsewhere than was asked")),
        None => Err(protocol(server, &"it lacks a usable Content-Range")),
    }
}

/// A refusal: its status, and the provider's code where it has one. Its text may repeat what was
/// signed, and is left out.
async fn refusal(server: &BaseUrl, answer: Response<BodyReader>) -> ClientError {
    let status = answer.status();
    let retry_after = retry_after(answer.headers());
    let code = error_code(&String::from_utf8_lossy(&front(answer.into_body()).await));
    let message = match code {
        Some(code) => format!("{server} answered {status} ({code})"),
        None => format!("{server} answered {status}"),
    };
    let body = ErrorBody { code: code_of(status), message, request_id: String::new() };
    ClientError::Answer { status: status.as_u16(), body, retry_after }
}

/// What comes of a refusal, up to the limit. The status is an answer even where its explanation is too
/// long or cut short.
async fn front(mut body: BodyReader) -> Vec<u8> {
    let mut front = Vec::new();
    while let Ok(Some(piece)) = body.next().await {
        let room = MAX_REFUSAL_BYTES - front.len();
        front.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if front.len() >= MAX_REFUSAL_BYTES {
            break;
        }
    }
    front
}

/// The code in a refusal as S3 and CloudFront write it: one word of letters, as no signature is.
fn error_code(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = !code.is_empty() && code.len() <= MAX_CODE_BYTES;
    (is_word && code.bytes().all(|byte| byte.is_ascii_alphabetic())).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_named_without_its_query() {
        for wrong in
            ["http://h/b/k?sig=planted", "https://h:x?sig=planted", "?sig=planted", "h?sig=planted"]
        {
            let told = address(wrong).unwrap_err();
            assert!(!format!("{told} {told:?}").contains("planted"), "{told}");
        }
        let (good, host) = address("https://h.example/b/k?sig=a%2Fb&x=1").unwrap();
        assert_eq!(
            (good.server.to_string().as_str(), host),
            ("https://h.example:443", "h.example")
        );
        assert_eq!(good.path, "/b/k?sig=a%2Fb&x=1");
        let path = |url| address(url).unwrap().0.path;
        assert_eq!(path("https://h.example/b/k"), "/b/k");
        assert_eq!(path("https://h.example?sig=a"), "/?sig=a");
        assert_eq!(address("https://[::1]:9/k").unwrap().1, "[::1]:9");
    }

    #[test]
    fn only_a_word_is_repeated_of_a_refusal() {
        let code = |code: &str| error_code(&format!("<Error><Code>{code}</Code></Error>"));
        assert_eq!(code("AccessDenied").as_deref(), Some("AccessDenied"));
        for other in ["", "a b", "0123abcd", &"a".repeat(65)] {
            assert_eq!(code(other), None, "{other}");
        }
        assert_eq!(error_code("<html>no</html>"), None);
    }
}
