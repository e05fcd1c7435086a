//! What S3 refuses with ("Error Responses" in the S3 API reference).

use crate::answer::{Attempt, CloudAnswer, printable};
use crate::fault::{Fault, FaultKind};
use crate::xml::Element;

/// What an error's code means; `None` where the status decides.
fn kind_of(code: &str) -> Option<FaultKind> {
    Some(match code {
        "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "InvalidClientTokenId" => FaultKind::Keys,
        "RequestTimeTooSkewed" | "RequestExpired" => FaultKind::Clock,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => FaultKind::Rights,
        "NoSuchBucket"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "InvalidBucketName"
        | "NoSuchDistribution" => FaultKind::Place,
        "BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest" | "IncompleteBody" => {
            FaultKind::Line
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "RequestTimeout"
        | "Throttling"
        | "TooManyInvalidationsInProgress"
        | "OperationAborted"
        | "ConditionalRequestConflict" => FaultKind::Busy,
        "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => {
            FaultKind::UploadLost
        }
        "NoSuchKey" | "NoSuchVersion" => FaultKind::Gone,
        "PreconditionFailed" | "InvalidationBatchAlreadyExists" => FaultKind::Exists,
        "QuotaExceeded" | "XMinioStorageFull" => FaultKind::Full,
        "EntityTooLarge" => FaultKind::TooLarge,
        "NotImplemented" => FaultKind::Unsupported,
        _ => return None,
    })
}

/// The fault that an answer tells of. `action` is the right that the request needs.
pub(crate) fn fault(answer: &CloudAnswer, attempt: Attempt<'_>, action: &str) -> Fault {
    let error = error_element(answer);
    let text = |name| error.as_ref().and_then(|error| error.child_text(name)).unwrap_or_default();
    let code = text("Code");
    let Some(kind) = kind_of(code) else {
        return without_code(answer, attempt, action, code, text("Message"));
    };
    let mut why = format!("{code}: {}", printable(text("Message")));
    match kind {
        FaultKind::Rights => why = format!("{why} (the keys need {action})"),
        FaultKind::Clock => why = with_clocks(why, text("RequestTime"), text("ServerTime")),
        FaultKind::Place => why = with_place(why, answer, text("Region"), text("Endpoint")),
        _ => {}
    }
    answer.fault(kind, attempt, why)
}

/// Answers to HEAD have no body, and proxies write their own.
fn without_code(
    answer: &CloudAnswer,
    attempt: Attempt<'_>,
    action: &str,
    code: &str,
    message: &str,
) -> Fault {
    let mut fault = answer.fault_by_status(attempt);
    if !code.is_empty() {
        fault.why = format!("{} {}: {}", answer.status, printable(code), printable(message));
    }
    // 401 is not S3's: whoever answers it wants something else than a signature.
    match (fault.kind, answer.header("x-amz-bucket-region")) {
        (FaultKind::Rights, _) => fault.why = format!("{} (the keys need {action})", fault.why),
        (FaultKind::Session, _) => fault.kind = FaultKind::Keys,
        // S3 says of what it has not got what that is. Who does not is not S3, and knows of no
        // object whether it is there.
        (FaultKind::Gone, _) => fault.kind = FaultKind::Place,
        (FaultKind::Place | FaultKind::Unexpected, Some(region)) => {
            fault.kind = FaultKind::Place;
            fault.why = format!("{} (the bucket is in region {})", fault.why, printable(region));
        }
        _ => {}
    }
    fault
}

/// `<Error>` of S3, or `<ErrorResponse><Error>` of CloudFront.
fn error_element(answer: &CloudAnswer) -> Option<Element> {
    let root = Element::parse(&answer.body).ok()?;
    match root.name() {
        "Error" => Some(root),
        "ErrorResponse" => root.into_child("Error"),
        _ => None,
    }
}

fn with_clocks(why: String, ours: &str, theirs: &str) -> String {
    match (ours, theirs) {
        ("", _) | (_, "") => why,
        (ours, theirs) => format!("{why} (ours {}, theirs {})", printable(ours), printable(theirs)),
    }
}

fn with_place(why: String, answer: &CloudAnswer, region: &str, endpoint: &str) -> String {
    let region = answer.header("x-amz-bucket-region").unwrap_or(region);
    match (region, endpoint) {
        ("", "") => why,
        ("", endpoint) => format!("{why} (it is at {})", printable(endpoint)),
        (region, _) => format!("{why} (the bucket is in region {})", printable(region)),
    }
}
