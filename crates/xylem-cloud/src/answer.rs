//! What came back.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use xylem_model::Timestamp;

use crate::fault::{Fault, FaultKind};

/// Most bytes of an answer's body that are read; what lists is asked for in pages that fit.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Longest wait that a provider may ask for: what is longer counts as this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// How much of a body is looked at for a message.
const MAX_SAID_BYTES: usize = 2048;
/// Most characters of a provider's text that get into a message.
const MAX_SAID_CHARS: usize = 300;

/// An answer, of any status.
#[derive(Clone)]
pub struct CloudAnswer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most [`MAX_ANSWER_BYTES`]; a longer one is cut by whoever received it.
    pub body: Vec<u8>,
    /// When it was received, by our clock.
    pub received: Timestamp,
}

/// What was tried, for messages: `sending part 3 of`, and on what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) doing: &'static str,
    pub(crate) on: &'a str,
}

impl CloudAnswer {
    /// Whether it is a success: 200 to 299.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The value of a header, where it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header that holds a number of bytes or of things.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name).and_then(|text| text.trim().parse().ok())
    }

    /// The provider's clock (`Date`, RFC 9110, section 6.6.1).
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.header("date")?)
    }

    /// How far our clock is ahead of the provider's; negative where it is behind. To the second,
    /// and not counting how long the answer took.
    pub fn skew_seconds(&self) -> Option<i64> {
        let date = self.date()?;
        Some(self.received.unix_seconds().saturating_sub(date.unix_seconds()))
    }

    /// How long to wait, where the provider says so (`Retry-After`, RFC 9110, section 10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?;
        let wait = match text.trim().parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => http_date(text)?.since(self.received),
        };
        Some(wait.min(MAX_RETRY_AFTER))
    }

    /// The beginning of the body as text that can be printed: one line, no control characters.
    pub(crate) fn said(&self) -> String {
        let beginning = self.body.get(..MAX_SAID_BYTES).unwrap_or(&self.body);
        let text = String::from_utf8_lossy(beginning);
        let words: Vec<_> = text.split_whitespace().collect();
        printable(&words.join(" "))
    }

    /// A fault by the status, which is all that some providers tell, with what the body says. Of
    /// a web page nothing is repeated: what lies between may write the request's headers into one.
    pub(crate) fn fault_by_status(&self, attempt: Attempt<'_>) -> Fault {
        let mut fault = self.fault_without_words(attempt);
        let is_page = self.header("content-type").is_some_and(|kind| {
            kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
        });
        let said = self.said();
        if !said.is_empty() && !is_page {
            fault.why = format!("{}: {said}", fault.why);
        }
        fault
    }

    /// A fault by the status alone, for answers to requests that had keys in them: what is said of
    /// them may repeat them.
    pub(crate) fn fault_without_words(&self, attempt: Attempt<'_>) -> Fault {
        let kind = match self.status {
            401 => FaultKind::Session,
            403 => FaultKind::Rights,
            404 | 410 => FaultKind::Gone,
            412 => FaultKind::Exists,
            408 | 429 | 500 | 502 | 503 | 504 => FaultKind::Busy,
            // A quota is told by its word alone. Else it is this file that is too large, or this
            // part, for a proxy in front.
            413 if self.said().to_ascii_lowercase().contains("quota") => FaultKind::Full,
            413 => FaultKind::TooLarge,
            507 => FaultKind::Full,
            422 => FaultKind::Line,
            501 => FaultKind::Unsupported,
            300..=399 => FaultKind::Place,
            _ => FaultKind::Unexpected,
        };
        self.fault(kind, attempt, format!("it answered {}", self.status))
    }

    /// An answer that is none of the protocol's, or was cut: why it cannot be read.
    pub(crate) fn unreadable(&self, attempt: Attempt<'_>, why: impl fmt::Display) -> Fault {
        let why = match self.body.len() >= MAX_ANSWER_BYTES {
            true => "the answer is longer than 1 MiB".to_owned(),
            false => format!("the answer is none of the protocol: {why}"),
        };
        self.fault(FaultKind::Unexpected, attempt, why)
    }

    pub(crate) fn fault(
        &self,
        kind: FaultKind,
        attempt: Attempt<'_>,
        why: impl Into<String>,
    ) -> Fault {
        let mut fault = Fault::new(kind, attempt.to_string(), why);
        fault.retry_after = self.retry_after();
        fault
    }
}

impl fmt::Debug for CloudAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and body may hold a token.
        f.debug_struct("CloudAnswer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.doing, self.on)
    }
}

/// A provider's text for a message: without control characters, and not long.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_SAID_CHARS).collect()
}

/// A date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`, which is RFC 2822 with `GMT` for `+0000`.
fn http_date(text: &str) -> Option<Timestamp> {
    let moment = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
    Some(Timestamp::from_unix_ms(moment.unix_timestamp().checked_mul(1000)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> CloudAnswer {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        CloudAnswer {
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
            received: "1994-11-06T08:50:37Z".parse().unwrap(),
        }
    }

    #[test]
    fn clocks_are_compared() {
        let late = answer(200, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], "");
        assert_eq!(late.skew_seconds(), Some(60));
        let early = answer(200, &[("date", "Sun, 06 Nov 1994 09:49:37 GMT")], "");
        assert_eq!(early.skew_seconds(), Some(-3540));
        for odd in ["", "yesterday", "Sun, 06 Nov 1994"] {
            assert_eq!(answer(200, &[("date", odd)], "").skew_seconds(), None, "{odd}");
        }
    }

    #[test]
    fn waits_are_read_in_both_forms_and_bounded() {
        let wait = |value| answer(503, &[("retry-after", value)], "").retry_after();
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:51:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("99999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn of_a_web_page_nothing_is_repeated() {
        let attempt = Attempt { doing: "reading", on: "k" };
        let told = |headers: &[_]| answer(500, headers, "planted").fault_by_status(attempt).why;
        assert_eq!(told(&[]), "it answered 500: planted");
        assert_eq!(told(&[("content-type", "text/plain")]), "it answered 500: planted");
        for kind in ["text/html", "Text/HTML; charset=UTF-8"] {
            assert_eq!(told(&[("content-type", kind)]), "it answered 500");
        }
        let answer = answer(500, &[], "planted");
        assert_eq!(answer.fault_without_words(attempt).why, "it answered 500");
    }

    #[test]
    fn what_a_provider_says_is_cut_and_cleaned() {
        let said = answer(500, &[], &format!("a\r\n\u{1b}[31m b {}", "x".repeat(9000))).said();
        assert!(said.starts_with("a [31m b x") && said.len() == MAX_SAID_CHARS, "{said}");
    }
}
