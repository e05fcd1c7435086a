//! What the keys must be allowed, to be pasted by an administrator.

use serde_json::{Value, json};

use crate::settings::S3Settings;

/// After how many days the provider itself removes what nobody ended: a second net.
const ABORTED_AFTER_DAYS: u32 = 2;

/// The least rights, as an IAM policy: reading, writing and deleting below the prefix, listing the
/// bucket's names, and nothing of accounts, buckets or rights. With CloudFront, invalidating too.
///
/// Names cannot be kept to the prefix: `ListObjectsV2` that names none is allowed by the same
/// condition as HEAD, which must be.
pub fn policy(settings: &S3Settings) -> String {
    let bucket = format!("arn:{}:s3:::{}", settings.partition().name(), settings.bucket);
    let below = settings.prefix.everything();
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:PutObject",
            ],
            "Resource": format!("{bucket}/{below}*"),
        }),
        json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket,
            // Asking after an object names no prefix, and must be allowed to list all the same:
            // else what is not there is answered 403 and not 404.
            "Condition": { "StringLikeIfExists": { "s3:prefix": format!("{below}*") } },
        }),
        // This one knows no condition on the prefix.
        json!({
            "Effect": "Allow",
            "Action": "s3:ListBucketMultipartUploads",
            "Resource": bucket,
        }),
    ];
    let distribution = settings.cloudfront.as_ref().and_then(|cdn| cdn.distribution_id.as_ref());
    statements.extend(distribution.map(|id| {
        json!({
            "Effect": "Allow",
            "Action": "cloudfront:CreateInvalidation",
            "Resource": format!("arn:{}:cloudfront::*:distribution/{id}", settings.partition().name()),
        })
    }));
    pretty(&json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// The rule of the bucket's lifecycle that removes parts which no process can abort any more.
pub fn lifecycle(settings: &S3Settings) -> String {
    pretty(&json!({ "Rules": [{
        "ID": "xylem-unended-uploads",
        "Status": "Enabled",
        "Filter": { "Prefix": settings.prefix.everything() },
        "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": ABORTED_AFTER_DAYS },
    }] }))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CloudSettings;

    fn settings(text: &str) -> S3Settings {
        match serde_json::from_str(text).unwrap() {
            CloudSettings::S3(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rights_over_objects_end_at_the_prefix() {
        let plain =
            settings(r#"{"provider":"s3","bucket":"packages","region":"cn-north-1","prefix":"m"}"#);
        let value: Value = serde_json::from_str(&policy(&plain)).unwrap();
        let expected = json!([
            {
                "Effect": "Allow",
                "Action": [
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:GetObject",
                    "s3:PutObject",
                ],
                "Resource": "arn:aws-cn:s3:::packages/m/*",
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws-cn:s3:::packages",
                "Condition": { "StringLikeIfExists": { "s3:prefix": "m/*" } },
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucketMultipartUploads",
                "Resource": "arn:aws-cn:s3:::packages",
            },
        ]);
        assert_eq!(value["Statement"], expected);
        let rule: Value = serde_json::from_str(&lifecycle(&plain)).unwrap();
        assert_eq!(rule["Rules"][0]["Filter"]["Prefix"], "m/");
    }

    #[test]
    fn a_distribution_may_be_told_what_was_removed() {
        let cdn = settings(
            r#"{"provider":"s3","bucket":"packages","region":"eu-central-1","cloudfront":
                {"url":"https://d","key_pair_id":"K1","distribution_id":"E1"}}"#,
        );
        let value: Value = serde_json::from_str(&policy(&cdn)).unwrap();
        assert_eq!(value["Statement"][0]["Resource"], "arn:aws:s3:::packages/*");
        assert_eq!(value["Statement"][3]["Resource"], "arn:aws:cloudfront::*:distribution/E1");
    }
}
