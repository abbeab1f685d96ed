//! Metrics in CloudWatch's embedded metric format: one line of JSON on standard output, which CloudWatch Logs turns
//! into metrics. No call, no permission beyond writing logs.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>:
//! on Lambda, writing the document to standard output is enough. The functions log as JSON
//! (`LoggingConfig.LogFormat`), and a line that is JSON already is passed on as it is; one without a `level` counts
//! as INFO
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>), so an application log
//! level above INFO would silence the metrics.

use std::io::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::ports::metrics::{Metric, Metrics, Unit};
use crate::ports::time::Clock;

/// The namespace of all our metrics.
pub const NAMESPACE: &str = "MerchantConnectors";
/// The dimensions, each for itself: every metric is told by function, and over the whole stack, which is what most
/// alarms watch. One that names a store would make a metric, with its price, of every merchant.
pub const DIMENSIONS: [&str; 2] = ["function", "stack"];

/// Metrics of one function.
pub struct Emf {
    dimensions: Vec<(&'static str, String)>,
    clock: Arc<dyn Clock>,
}

impl Emf {
    /// Records under the names of the function and of its stack. Without any, outside Lambda, nobody reads the
    /// lines and none are written.
    pub fn new(function: Option<String>, stack: Option<String>, clock: Arc<dyn Clock>) -> Self {
        let named = DIMENSIONS.into_iter().zip([function, stack]);
        Self { dimensions: named.filter_map(|(name, value)| Some((name, value?))).collect(), clock }
    }
}

impl Metrics for Emf {
    fn record(&self, values: &[(Metric, u64)]) {
        if self.dimensions.is_empty() || values.is_empty() {
            return;
        }
        let mut line = document(&self.dimensions, self.clock.now(), values).to_string();
        line.push('\n');
        // One write under the lock that log lines take as well, so neither cuts the other. Without standard output
        // there is nobody to tell.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "Count",
        Unit::Milliseconds => "Milliseconds",
        Unit::Seconds => "Seconds",
    }
}

fn document(dimensions: &[(&str, String)], now: Timestamp, values: &[(Metric, u64)]) -> Value {
    let described: Vec<Value> = values
        .iter()
        .map(|(metric, _)| json!({"Name": metric.name(), "Unit": unit(metric.unit())}))
        .collect();
    let sets: Vec<[&str; 1]> = dimensions.iter().map(|(name, _)| [*name]).collect();
    let mut root = Map::new();
    root.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": sets,
                "Metrics": described,
            }],
        }),
    );
    for (name, value) in dimensions {
        root.insert((*name).to_owned(), json!(value));
    }
    for (metric, value) in values {
        root.insert(metric.name().to_owned(), json!(value));
    }
    Value::Object(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::clock::ManualClock;

    fn emf(function: Option<&str>, stack: Option<&str>) -> Emf {
        Emf::new(function.map(str::to_owned), stack.map(str::to_owned), Arc::new(ManualClock::default()))
    }

    #[test]
    fn a_line_is_a_document_of_the_embedded_metric_format() {
        let now = Timestamp::from_millisecond(1_790_000_000_123).unwrap();
        let values = [(Metric::Requests, 1), (Metric::DurationMs, 42)];
        insta::assert_json_snapshot!(document(&emf(Some("shop-Status-1"), Some("shop")).dimensions, now, &values), @r#"
        {
          "_aws": {
            "CloudWatchMetrics": [
              {
                "Dimensions": [
                  [
                    "function"
                  ],
                  [
                    "stack"
                  ]
                ],
                "Metrics": [
                  {
                    "Name": "requests",
                    "Unit": "Count"
                  },
                  {
                    "Name": "duration_ms",
                    "Unit": "Milliseconds"
                  }
                ],
                "Namespace": "MerchantConnectors"
              }
            ],
            "Timestamp": 1790000000123
          },
          "duration_ms": 42,
          "function": "shop-Status-1",
          "requests": 1,
          "stack": "shop"
        }
        "#);
    }

    #[test]
    fn every_metric_fits_the_limits_of_one_line() {
        let values = Metric::ALL.map(|metric| (metric, u64::MAX));
        let document = document(&emf(Some("f"), None).dimensions, Timestamp::UNIX_EPOCH, &values);
        let described = document["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        // At most 100 definitions, and a member of the root for each: a reference to nothing voids the line.
        assert_eq!(described.len(), Metric::ALL.len());
        for metric in described {
            assert!(document[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
        }
        let names: std::collections::BTreeSet<&str> = Metric::ALL.map(Metric::name).into();
        assert_eq!(names.len(), Metric::ALL.len(), "a name stands twice");
    }
}
