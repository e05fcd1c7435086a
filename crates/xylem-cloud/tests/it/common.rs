//! What all tests use.

use std::fmt::Write as _;

use serde_json::Value;
use xylem_cloud::{
    CloudAnswer, Moment, Part, PartPlan, PartRules, Piece, Prefix, S3Secrets, Secret, Upload,
};
use xylem_model::{ContentId, FileName, Md5, Sha256, Timestamp};

pub(crate) fn now() -> Timestamp {
    "2026-01-31T08:00:00Z".parse().unwrap()
}

pub(crate) fn moment() -> Moment {
    Moment { now: now(), nonce: 382_644_692 }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> CloudAnswer {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap()));
    CloudAnswer {
        status,
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
        received: now(),
    }
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// The keys that the vectors of botocore were made with.
pub(crate) fn example_keys() -> S3Secrets {
    S3Secrets {
        key_id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        cloudfront_key: None,
    }
}

pub(crate) fn prefix() -> Prefix {
    Prefix::new("macs").unwrap()
}

pub(crate) fn content() -> ContentId {
    ContentId::from_bytes([0xab; 32])
}

pub(crate) fn sha256() -> Sha256 {
    Sha256::from_bytes([0xcd; 32])
}

pub(crate) fn name() -> FileName {
    FileName::new("a b+é&50%#.pkg").unwrap()
}

/// An upload of so many bytes, not begun.
pub(crate) fn upload(size: u64, rules: PartRules) -> Upload {
    Upload {
        key: prefix().content(&content()),
        sha256: sha256(),
        disposition: xylem_cloud::disposition(&name()),
        plan: rules.plan(size).unwrap(),
        reference: None,
        create_only: true,
    }
}

/// The pieces of an upload, each with digests of its own.
pub(crate) fn pieces(plan: PartPlan) -> Vec<Piece> {
    let piece = |part: Part| {
        let byte = u8::try_from(part.number % 256).unwrap();
        let (md5, sha256) = (Md5::from_bytes([byte; 16]), Sha256::from_bytes([byte; 32]));
        Piece { part, md5, sha256 }
    };
    (1..=plan.count()).filter_map(|number| plan.part(number)).map(piece).collect()
}

/// A request as text: what is on the line, the headers but for signatures.
pub(crate) fn shown(request: &xylem_cloud::CloudRequest) -> String {
    let authority = request.endpoint.authority();
    let mut text = format!("{} {authority} {}", request.method, request.target());
    for header in &request.headers {
        let value = match &*header.name {
            "authorization" | "x-amz-date" | "x-akamai-acs-auth-sign" => "…",
            _ => &header.value,
        };
        write!(text, "\n{}: {value}", header.name).unwrap();
    }
    text
}
