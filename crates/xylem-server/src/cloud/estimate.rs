//! What filling a cloud takes, and what clients fetch there, before anything is sent. Pure.

use xylem_api::cloud_files::CloudEstimate;
use xylem_cloud::swift::SwiftInfo;
use xylem_cloud::{CloudSettings, MIB, PartRules};

const GIB: u64 = 1024 * MIB;

/// Requests that a content takes beside its parts: begun and ended where it is cut; asked after
/// before and after, and read back at both ends.
const READS_OF_ONE: u64 = 4;
const WRITES_OF_LARGE: u64 = 2;
/// Of Swift's large files the manifest alone.
const WRITES_OF_SWIFT: u64 = 1;

/// What is estimated with.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Assumed {
    /// How fast it is sent, bytes per second.
    pub(crate) rate: Option<u64>,
    /// Computers that fetch everything once.
    pub(crate) devices: Option<u64>,
    /// What it costs to fetch a GiB there, in whichever currency.
    pub(crate) price_per_gib: Option<f64>,
}

/// Contents that are added up.
#[derive(Debug)]
pub(crate) struct Tally {
    rules: PartRules,
    /// Requests that write of a content that is cut, beside its parts.
    around_parts: u64,
    contents: u64,
    bytes: u64,
    largest: u64,
    too_large: u64,
    writes: u64,
}

impl Tally {
    /// Nothing yet, at a provider that is set or, without one, at S3.
    pub(crate) fn at(storage: Option<&CloudSettings>) -> Self {
        let (rules, around_parts) = match storage {
            // One request for each file, whatever its size.
            Some(CloudSettings::Akamai(_)) => {
                (PartRules { whole_up_to: PartRules::S3.largest_file, ..PartRules::S3 }, 0)
            }
            // As one that tells nothing: to ask it takes a token.
            Some(CloudSettings::Swift(_) | CloudSettings::Rackspace(_)) => {
                (SwiftInfo::old().part_rules(), WRITES_OF_SWIFT)
            }
            // It costs nothing; it takes as many steps.
            Some(CloudSettings::S3(_) | CloudSettings::Folder(_)) | None => {
                (PartRules::S3, WRITES_OF_LARGE)
            }
        };
        Self { rules, around_parts, contents: 0, bytes: 0, largest: 0, too_large: 0, writes: 0 }
    }

    /// Adds a content of so many bytes.
    pub(crate) fn add(&mut self, size: u64) {
        let Ok(plan) = self.rules.plan(size) else {
            self.too_large += 1;
            return;
        };
        let around = if plan.is_whole() { 0 } else { self.around_parts };
        self.contents += 1;
        self.bytes = self.bytes.saturating_add(size);
        self.largest = self.largest.max(size);
        self.writes = self.writes.saturating_add(u64::from(plan.count()) + around);
    }

    /// What all of them come to.
    pub(crate) fn told(&self, assumed: Assumed) -> CloudEstimate {
        let egress = assumed.devices.map(|devices| self.bytes.saturating_mul(devices));
        let price = assumed.price_per_gib.zip(egress);
        CloudEstimate {
            contents: self.contents,
            bytes: self.bytes,
            largest_bytes: self.largest,
            too_large: self.too_large,
            write_requests: self.writes,
            read_requests: self.contents.saturating_mul(READS_OF_ONE),
            rate_bytes_per_second: assumed.rate,
            seconds: assumed.rate.and_then(|rate| seconds(self.bytes, rate)),
            devices: assumed.devices,
            egress_bytes: egress,
            price_per_gib: assumed.price_per_gib,
            egress_price: price.map(|(price, bytes)| price * (bytes as f64 / GIB as f64)),
        }
    }
}

/// How long so many bytes take; none where nothing moves.
fn seconds(bytes: u64, rate: u64) -> Option<u64> {
    (rate > 0).then(|| bytes.div_ceil(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_requests_time_and_egress_follow_from_sizes() {
        let mut tally = Tally::at(None);
        for size in [GIB, 0, u64::MAX] {
            tally.add(size);
        }
        let assumed =
            Assumed { rate: Some(10 * MIB), devices: Some(200), price_per_gib: Some(0.05) };
        let told = tally.told(assumed);
        assert_eq!((told.contents, told.bytes, told.too_large), (2, GIB, 1));
        assert_eq!((told.write_requests, told.read_requests), (64 + 2 + 1, 8));
        assert_eq!((told.seconds, told.egress_bytes), (Some(103), Some(200 * GIB)));
        assert!((told.egress_price.unwrap() - 10.0).abs() < 1e-9);
        let bare = tally.told(Assumed { rate: Some(0), ..Assumed::default() });
        assert_eq!((bare.seconds, bare.egress_bytes, bare.egress_price), (None, None, None));
    }

    #[test]
    fn a_provider_without_parts_takes_one_request_for_a_file() {
        let akamai = serde_json::json!({
            "provider": "akamai",
            "upload_host": "https://example-nsu.akamaihd.net",
            "account": "a",
            "cp_code": 1,
            "delivery_url": "https://d.example.org",
        });
        let akamai: CloudSettings = serde_json::from_value(akamai).unwrap();
        let mut tally = Tally::at(Some(&akamai));
        tally.add(6 * GIB);
        assert_eq!(tally.told(Assumed::default()).write_requests, 1);
    }
    #[test]
    fn a_swift_takes_a_request_for_each_segment_and_the_manifest() {
        let swift = serde_json::json!({
            "provider": "rackspace",
            "user": "u",
            "region": "ORD",
            "container": "c",
        });
        let swift: CloudSettings = serde_json::from_value(swift).unwrap();
        let mut tally = Tally::at(Some(&swift));
        for size in [64 * MIB, 6 * GIB] {
            tally.add(size);
        }
        assert_eq!(tally.told(Assumed::default()).write_requests, 1 + 96 + 1);
    }
}
