//! Why something did not succeed, and what that is worth.

use std::fmt;
use std::time::Duration;

/// What a provider refused, or why its answer cannot be used.
///
/// This is the one error of everything that was sent. What was set wrongly before anything is
/// sent is a [`crate::SettingsError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault: everything that is decided is decided by this.
    pub kind: FaultKind,
    /// What was attempted, on what.
    pub attempt: String,
    /// Why it did not succeed, in the provider's words where it said any.
    pub why: String,
    /// How long the provider asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the point does its work without what was attempted (caches of a delivery network).
    pub is_aside: bool,
}

/// The kinds of faults, by what is done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The provider is busy, or something at it broke: the same again, later.
    Busy,
    /// The keys are wrong, or were taken back.
    Keys,
    /// Our clock, or the provider's, is off.
    Clock,
    /// There is something under this name already.
    Exists,
    /// The account, or its quota, is full.
    Full,
    /// What was asked for is not there.
    Gone,
    /// The bytes that arrived are not those that were announced: sent again.
    Line,
    /// The bucket, container or account is not there, or is somewhere else.
    Place,
    /// Something can be read without a signature that is not to be.
    Public,
    /// The keys are known, and may not do this.
    Rights,
    /// The token, or the signed address, has ended: a new one, then the same once more. What is
    /// answered so again is [`Fault::again`].
    Session,
    /// The file is larger than the provider takes.
    TooLarge,
    /// The answer is none that the protocol has.
    Unexpected,
    /// The provider does not know this request.
    Unsupported,
    /// The upload, or a part of it, is not there any more: the content is begun anew.
    UploadLost,
}

/// How far a fault reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultScope {
    /// The same request may succeed when it is repeated.
    Request,
    /// This content fails, others may succeed.
    Content,
    /// Nothing will succeed until somebody mends it: the whole point stops.
    Point,
}

impl Fault {
    /// A fault of this kind.
    pub fn new(kind: FaultKind, attempt: impl Into<String>, why: impl Into<String>) -> Self {
        let (attempt, why) = (attempt.into(), why.into());
        Self { kind, attempt, why, retry_after: None, is_aside: false }
    }

    /// What it is worth where it came again after what [`FaultKind::Session`] asks for: the keys
    /// open nothing any more, and to ask once more would not end.
    #[must_use]
    pub fn again(self) -> Self {
        match self.kind {
            FaultKind::Session => Self { kind: FaultKind::Keys, ..self },
            _ => self,
        }
    }

    /// The same, of something that the point can do without.
    #[must_use]
    pub(crate) fn aside(self) -> Self {
        Self { is_aside: true, ..self }
    }

    /// How far it reaches. What the point can do without never stops it.
    pub const fn scope(&self) -> FaultScope {
        match self.kind.scope() {
            FaultScope::Point if self.is_aside => FaultScope::Content,
            scope => scope,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.attempt, self.why, self.kind.advice())
    }
}

impl std::error::Error for Fault {}

impl FaultKind {
    const fn scope(self) -> FaultScope {
        match self {
            Self::Busy | Self::Line | Self::Session => FaultScope::Request,
            Self::Exists
            | Self::Gone
            | Self::TooLarge
            | Self::Unexpected
            | Self::Unsupported
            | Self::UploadLost => FaultScope::Content,
            Self::Clock | Self::Full | Self::Keys | Self::Place | Self::Public | Self::Rights => {
                FaultScope::Point
            }
        }
    }

    /// What is to be done, for the end of a message.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Busy => "it is tried again after a wait",
            Self::Clock => "set this computer's clock by a time server",
            Self::Exists => "what lies there is looked at",
            Self::Full => "enlarge the account or remove something there",
            Self::Gone => "it is sent again where it is wanted",
            Self::Keys => "set the point's keys again",
            Self::Line => "it is sent again",
            Self::Place => "check the point's address, region and name of bucket or container",
            Self::Public => "close it at the provider, or set the point as public",
            Self::Rights => "give the keys the rights that `xylem cloud policy` prints",
            Self::Session => "it is asked once more with a new token or address",
            Self::TooLarge => {
                "raise the limit there, or of the proxy in front; else leave the file out of the selection"
            }
            Self::Unexpected => "check that the address is the provider's and no other's",
            Self::Unsupported => "it is done without",
            Self::UploadLost => "the file is sent anew",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_was_tried_why_not_and_what_to_do() {
        let fault = Fault::new(FaultKind::Keys, "asking after `k`", "InvalidAccessKeyId");
        assert_eq!(
            fault.to_string(),
            "asking after `k`: InvalidAccessKeyId; set the point's keys again"
        );
        assert_eq!(fault.scope(), FaultScope::Point);
        assert_eq!(fault.aside().scope(), FaultScope::Content);
        let busy = Fault::new(FaultKind::Busy, "purging", "503").aside();
        assert_eq!(busy.scope(), FaultScope::Request);
        assert_eq!(busy.clone().again(), busy);
    }

    #[test]
    fn a_token_is_asked_for_anew_once() {
        let ended = Fault::new(FaultKind::Session, "sending a part of `k`", "it answered 401");
        assert_eq!(ended.scope(), FaultScope::Request);
        let again = ended.again();
        assert_eq!((again.kind, again.scope()), (FaultKind::Keys, FaultScope::Point));
    }
}
