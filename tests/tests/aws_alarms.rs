//! Alarms over what AWS measures by itself, where no fake world can record anything: each watches a metric that AWS
//! documents, by the dimension that AWS gives it, of a resource that the template makes; and it goes off for the values
//! that mean trouble, and for no others.
//!
//! The vendor's pages, read in 2026-11:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;
use system_tests::alarm::Alarm;
use system_tests::template::Template;

/// A metric as AWS documents it, and what is told of it in one five minutes after the other.
struct Published {
    namespace: &'static str,
    metric: &'static str,
    dimension: &'static str,
    /// The type of the resource that the dimension names, and the attribute that it names it by; none is its `Ref`.
    of: (&'static str, Option<&'static str>),
    statistic: &'static str,
    /// Values in each period, an empty list where AWS tells nothing: these must wake someone.
    trouble: &'static [&'static [&'static [u64]]],
    /// And these must not.
    quiet: &'static [&'static [&'static [u64]]],
}

const FUNCTION: (&str, Option<&str>) = ("AWS::Serverless::Function", None);

const PUBLISHED: [Published; 4] = [
    // Told with each invocation, 0 for one that went well; nothing where nobody calls.
    Published {
        namespace: "AWS/Lambda",
        metric: "Errors",
        dimension: "FunctionName",
        of: FUNCTION,
        statistic: "Sum",
        trouble: &[&[&[1]], &[&[0, 0, 1]], &[&[], &[1], &[]]],
        quiet: &[&[&[0, 0]], &[&[], &[], &[]]],
    },
    // Steps wait and are tried again, so that only what lasts matters.
    Published {
        namespace: "AWS/Lambda",
        metric: "Throttles",
        dimension: "FunctionName",
        of: FUNCTION,
        statistic: "Sum",
        trouble: &[&[&[1], &[1], &[1]], &[&[0], &[5], &[0, 1], &[2]]],
        quiet: &[&[&[9], &[9], &[0]], &[&[9], &[], &[9]], &[&[], &[], &[]]],
    },
    // A queue that nobody touches for six hours tells nothing, which a dead-letter queue should not be blamed for.
    Published {
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: "QueueName",
        of: ("AWS::SQS::Queue", Some("QueueName")),
        statistic: "Maximum",
        trouble: &[&[&[0, 0, 1, 0, 0]], &[&[1]], &[&[], &[1]]],
        quiet: &[&[&[0, 0, 0]], &[&[], &[]]],
    },
    // Told with each answer, 0 for every other class.
    Published {
        namespace: "AWS/ApiGateway",
        metric: "5xx",
        dimension: "ApiId",
        of: ("AWS::ApiGatewayV2::Api", None),
        statistic: "Sum",
        trouble: &[&[&[1, 1, 1], &[3], &[0]], &[&[3], &[], &[3]]],
        quiet: &[&[&[2], &[2], &[2]], &[&[9], &[0], &[]], &[&[], &[], &[]]],
    },
];

impl Published {
    fn find(alarm: &Alarm) -> Option<&'static Self> {
        let same = |one: &&Self| one.namespace == alarm.namespace && one.metric == alarm.metric;
        PUBLISHED.iter().find(same)
    }

    /// The resource that the only dimension of an alarm names.
    fn resource<'a>(&self, properties: &'a Value) -> Option<&'a str> {
        let dimensions = properties["Dimensions"].as_array()?;
        let [dimension] = dimensions.as_slice() else { return None };
        let value = &dimension["Value"];
        let id = match self.of.1 {
            None => value["Ref"].as_str(),
            Some(attribute) => {
                let (id, named) = value["Fn::GetAtt"].as_str()?.split_once('.')?;
                (named == attribute).then_some(id)
            }
        };
        id.filter(|_| dimension["Name"] == self.dimension)
    }
}

/// The alarms over metrics of AWS.
fn over_aws(template: &Template) -> Result<Vec<Alarm>> {
    Ok(Alarm::all(template)?.into_iter().filter(|alarm| alarm.namespace.starts_with("AWS/")).collect())
}

#[test]
fn each_watches_a_metric_that_aws_tells_of_a_resource_that_is_there() -> Result<()> {
    let template = Template::read()?;
    let mut used = BTreeSet::new();
    for alarm in over_aws(&template)? {
        let shown = format!("{}: {}/{}", alarm.id, alarm.namespace, alarm.metric);
        let published = Published::find(&alarm).with_context(|| format!("{shown} is none of AWS's"))?;
        let properties = &template.resource(&alarm.id)["Properties"];
        assert_eq!(properties["Statistic"], published.statistic, "{shown}");
        let resource = published.resource(properties).with_context(|| {
            format!("{shown} is told by {}, not by {}", published.dimension, properties["Dimensions"])
        })?;
        assert_eq!(template.resource(resource)["Type"], published.of.0, "{shown} of {resource}");
        used.insert((published.namespace, published.metric));
    }
    assert_eq!(used.len(), PUBLISHED.len(), "{used:?}");
    Ok(())
}

#[test]
fn each_goes_off_for_trouble_and_for_nothing_else() -> Result<()> {
    let template = Template::read()?;
    for alarm in over_aws(&template)? {
        let published = Published::find(&alarm).context("a metric of AWS")?;
        let period = template.resource(&alarm.id)["Properties"]["Period"].as_i64().context("a period")?;
        let goes_off = |told: &[&[u64]]| {
            let mut recorded = Vec::new();
            let mut at = 0;
            for values in told {
                recorded
                    .extend(values.iter().enumerate().map(|(nth, value)| (at + i64::from(nth > 0), *value)));
                at += period;
            }
            alarm.goes_off(&recorded, 0, at.max(3 * period))
        };
        for told in published.trouble {
            assert!(goes_off(told), "{} sleeps through {told:?}", alarm.id);
        }
        for told in published.quiet {
            assert!(!goes_off(told), "{} wakes someone for {told:?}", alarm.id);
        }
    }
    Ok(())
}
