//! The template's alarms, evaluated over values as CloudWatch does: whole periods, so many of so many that breach.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::template::Template;

/// An alarm.
#[derive(Debug)]
pub struct Alarm {
    /// Logical id, such as `StalledRunsAlarm`.
    pub id: String,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric it watches.
    pub metric: String,
    statistic: Statistic,
    period: i64,
    periods: usize,
    datapoints: usize,
    comparison: Comparison,
    threshold: f64,
    silence_breaches: bool,
}

#[derive(Debug, Clone, Copy)]
enum Statistic {
    Sum,
    Maximum,
    SampleCount,
    Percentile(usize),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Above,
    AtLeast,
    Below,
}

impl Alarm {
    /// Every alarm of the template, in the order of their ids.
    ///
    /// # Errors
    /// When one uses something that is not known here.
    pub fn all(template: &Template) -> Result<Vec<Self>> {
        let alarms = template.resources("AWS::CloudWatch::Alarm");
        alarms
            .into_iter()
            .map(|(id, alarm)| Self::of(id, &alarm["Properties"]).context(id.to_owned()))
            .collect()
    }

    fn of(id: &str, properties: &Value) -> Result<Self> {
        let text = |name: &str| properties[name].as_str().with_context(|| name.to_owned());
        let number = |name: &str| properties[name].as_u64().with_context(|| name.to_owned());
        let statistic = match (properties["Statistic"].as_str(), properties["ExtendedStatistic"].as_str()) {
            (Some("Sum"), None) => Statistic::Sum,
            (Some("Maximum"), None) => Statistic::Maximum,
            (Some("SampleCount"), None) => Statistic::SampleCount,
            (None, Some(percentile)) => {
                Statistic::Percentile(percentile.strip_prefix('p').context("a percentile")?.parse()?)
            }
            other => bail!("statistic {other:?}"),
        };
        let comparison = match text("ComparisonOperator")? {
            "GreaterThanThreshold" => Comparison::Above,
            "GreaterThanOrEqualToThreshold" => Comparison::AtLeast,
            "LessThanThreshold" => Comparison::Below,
            other => bail!("comparison {other}"),
        };
        Ok(Self {
            id: id.to_owned(),
            namespace: text("Namespace")?.to_owned(),
            metric: text("MetricName")?.to_owned(),
            statistic,
            period: i64::try_from(number("Period")?)?,
            periods: usize::try_from(number("EvaluationPeriods")?)?,
            datapoints: usize::try_from(number("DatapointsToAlarm")?)?,
            comparison,
            threshold: properties["Threshold"].as_f64().context("Threshold")?,
            silence_breaches: text("TreatMissingData")? == "breaching",
        })
    }

    /// Whether it goes off between two times, given what its metric recorded (seconds and value). Only periods that lie
    /// whole between them count.
    #[must_use]
    pub fn goes_off(&self, recorded: &[(i64, u64)], from: i64, until: i64) -> bool {
        let first = from.div_euclid(self.period) + i64::from(from.rem_euclid(self.period) > 0);
        let breaching: Vec<bool> = (first..until.div_euclid(self.period))
            .map(|nth| {
                let within = |at: i64| at.div_euclid(self.period) == nth;
                let mut values: Vec<u64> =
                    recorded.iter().filter(|(at, _)| within(*at)).map(|(_, value)| *value).collect();
                values.sort_unstable();
                self.breaches(&values)
            })
            .collect();
        breaching.windows(self.periods).any(|last| last.iter().filter(|one| **one).count() >= self.datapoints)
    }

    #[expect(clippy::cast_precision_loss, reason = "values of tests are small")]
    fn breaches(&self, sorted: &[u64]) -> bool {
        let Some(largest) = sorted.last() else { return self.silence_breaches };
        let value = match self.statistic {
            Statistic::Sum => sorted.iter().sum::<u64>() as f64,
            Statistic::Maximum => *largest as f64,
            Statistic::SampleCount => sorted.len() as f64,
            Statistic::Percentile(percent) => {
                let rank = (sorted.len() * percent).div_ceil(100).max(1);
                sorted.get(rank - 1).copied().unwrap_or_default() as f64
            }
        };
        match self.comparison {
            Comparison::Above => value > self.threshold,
            Comparison::AtLeast => value >= self.threshold,
            Comparison::Below => value < self.threshold,
        }
    }
}
