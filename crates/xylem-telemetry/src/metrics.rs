//! Prometheus metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// What has been measured so far, in Prometheus' text format.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Starts measuring. Later calls in one process give the same metrics: the management server and
/// the root may share one.
pub fn start_metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // Another recorder can only be there in a test that brought its own.
            let _ = metrics::set_global_recorder(recorder);
            Metrics(handle)
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_shows_in_the_text() {
        let measured = start_metrics();
        metrics::counter!("xylem_test_total").increment(2);
        assert!(start_metrics().render().contains("xylem_test_total 2"));
        assert!(measured.render().contains("xylem_test_total"));
    }
}
