//! What is counted of each answer. Found once: looking a counter up costs more than counting.

use std::sync::LazyLock;

use http::StatusCode;
use metrics::Counter;

static SERVED_BYTES: LazyLock<Counter> =
    LazyLock::new(|| metrics::counter!("xylem_distribution_served_bytes_total"));
static WHOLE: LazyLock<Counter> = LazyLock::new(|| counter_of(StatusCode::OK));
static PARTIAL: LazyLock<Counter> = LazyLock::new(|| counter_of(StatusCode::PARTIAL_CONTENT));

/// Bytes of contents leave.
pub(crate) fn served(bytes: usize) {
    SERVED_BYTES.increment(bytes as u64);
}

/// A request is answered.
pub(crate) fn answered(status: StatusCode) {
    match status {
        StatusCode::OK => WHOLE.increment(1),
        StatusCode::PARTIAL_CONTENT => PARTIAL.increment(1),
        _ => counter_of(status).increment(1),
    }
}

fn counter_of(status: StatusCode) -> Counter {
    metrics::counter!("xylem_distribution_answers_total", "status" => status.as_str().to_owned())
}
