//! What wakes an operator: alarms, the dashboard, the runbooks, and the names they share with the code (P18).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::adapters::emf::{DIMENSIONS, NAMESPACE};
use shared::ports::metrics::Metric;
use system_tests::project_root;
use system_tests::template::Template;

const SECTIONS: [&str; 6] =
    ["## What it means", "## See it", "## Likely causes", "## What to do", "## Over when", "## Do not"];

/// A metric that an alarm watches.
struct Watched {
    alarm: String,
    namespace: String,
    name: String,
    dimensions: Value,
}

fn watched(template: &Template) -> Result<Vec<Watched>> {
    let mut found = Vec::new();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let text = |name: &str| properties[name].as_str().map(str::to_owned).context(id.to_owned());
        found.push(Watched {
            alarm: id.to_owned(),
            namespace: text("Namespace")?,
            name: text("MetricName")?,
            dimensions: properties["Dimensions"].clone(),
        });
    }
    Ok(found)
}

/// Every source of the library, without its tests.
fn sources() -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut open = vec![project_root().join("shared/src")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let code = fs::read_to_string(&path)?;
                let code = code.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.display().to_string(), code));
            }
        }
    }
    Ok(found)
}

/// The metrics that the code records somewhere, by name.
fn recorded() -> Result<BTreeSet<&'static str>> {
    let sources = sources()?;
    let uses = |metric: &Metric| {
        let name = format!("Metric::{metric:?}");
        sources.iter().any(|(file, code)| {
            !file.ends_with("ports/metrics.rs")
                && code
                    .match_indices(&name)
                    .any(|(at, _)| !code[at + name.len()..].starts_with(|c: char| c.is_alphanumeric()))
        })
    };
    Ok(Metric::ALL.into_iter().filter(uses).map(Metric::name).collect())
}

fn runbook(name: &str) -> Result<String> {
    let path = project_root().join("docs/runbooks").join(name);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

#[test]
fn every_alarm_names_a_runbook_that_says_what_to_do() -> Result<()> {
    let template = Template::read()?;
    let (index, functions) = (runbook("README.md")?, template.functions()?);
    let mut named = BTreeSet::new();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let name = properties["AlarmName"]["Fn::Sub"].as_str().unwrap_or_default();
        let name = name.strip_prefix("${AWS::StackName}-").with_context(|| format!("{id}: {name}"))?;
        let description = properties["AlarmDescription"].as_str().unwrap_or_default();
        let (_, file) =
            description.split_once(" See docs/runbooks/").with_context(|| format!("{id}: {description}"))?;
        let text = runbook(file)?;
        let of_function = functions.iter().find_map(|function| name.strip_suffix(function.binary));
        let name = &of_function.map_or(name.to_owned(), |name| format!("{name}FUNCTION"));
        assert!(text.contains(&format!("`{name}`")), "{file} does not name the alarm {name}");
        let sections: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(sections, SECTIONS, "{file}");
        let row = format!("| `{name}` | [{file}]({file}) |");
        assert!(index.contains(&row), "the table lacks {row}");
        named.insert(file.to_owned());
    }
    let mut files = BTreeSet::from(["README.md".to_owned()]);
    files.extend(named);
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(project_root().join("docs/runbooks"))? {
        there.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    assert_eq!(there, files, "a runbook without an alarm");
    Ok(())
}

#[test]
fn alarms_tell_the_topic_if_there_is_one_and_say_what_silence_means() -> Result<()> {
    let template = Template::read()?;
    assert_eq!(template.parameter("AlarmTopicArn")["Default"], "");
    let told =
        json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    assert!(alarms.len() >= 9, "{}", alarms.len());
    for (id, alarm) in alarms {
        let properties = &alarm["Properties"];
        assert_eq!(properties["AlarmActions"], told, "{id}");
        assert_eq!(properties["OKActions"], told, "{id}");
        let missing = properties["TreatMissingData"].as_str().unwrap_or_default();
        assert!(["breaching", "notBreaching"].contains(&missing), "{id}: {missing}");
    }
    Ok(())
}

#[test]
fn every_dead_letter_queue_has_an_alarm() -> Result<()> {
    let template = Template::read()?;
    let queues = template.resources("AWS::SQS::Queue");
    let dead: BTreeSet<String> = queues
        .values()
        .filter_map(|queue| {
            queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"].as_str()
        })
        .map(|target| target.replace(".Arn", ".QueueName"))
        .collect();
    let is_depth = |watched: &Watched| {
        watched.namespace == "AWS/SQS" && watched.name == "ApproximateNumberOfMessagesVisible"
    };
    let alarmed: BTreeSet<String> = watched(&template)?
        .into_iter()
        .filter(is_depth)
        .filter_map(|watched| watched.dimensions[0]["Value"]["Fn::GetAtt"].as_str().map(str::to_owned))
        .collect();
    assert!(!dead.is_empty());
    assert_eq!(dead, alarmed);
    Ok(())
}

#[test]
fn every_function_is_watched_for_crashes_and_tells_metrics_by_its_stack() -> Result<()> {
    let template = Template::read()?;
    let all: BTreeSet<String> = template.functions()?.iter().map(|function| function.id.to_owned()).collect();
    let is_crash = |watched: &Watched| watched.namespace == "AWS/Lambda" && watched.name == "Errors";
    let crashes: BTreeSet<String> = watched(&template)?
        .into_iter()
        .filter(is_crash)
        .filter_map(|watched| watched.dimensions[0]["Value"]["Ref"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(crashes, all);
    let globals = &template.function_globals()["Environment"]["Variables"];
    assert_eq!(globals["STACK"], json!({ "Ref": "AWS::StackName" }));
    Ok(())
}

#[test]
fn own_metrics_of_alarms_are_recorded_and_never_by_store() -> Result<()> {
    let template = Template::read()?;
    let functions: BTreeSet<&str> = template.functions()?.iter().map(|function| function.id).collect();
    let recorded = recorded()?;
    let mut own = 0;
    for watched in watched(&template)?.into_iter().filter(|watched| watched.namespace == NAMESPACE) {
        let (alarm, name) = (&watched.alarm, &watched.name);
        assert!(recorded.contains(name.as_str()), "{alarm} watches {name}, which nothing records");
        // One dimension, and never a store, a shop or an installation.
        let [dimension] = watched.dimensions.as_array().context("no dimensions")?.as_slice() else {
            anyhow::bail!("{alarm}: each set of dimensions has one")
        };
        let of = dimension["Value"]["Ref"].as_str().unwrap_or_default();
        match dimension["Name"].as_str() {
            Some("function") => assert!(functions.contains(of), "{alarm} watches {of}"),
            Some("stack") => assert_eq!(of, "AWS::StackName", "{alarm}"),
            _ => anyhow::bail!("{alarm}: {dimension}"),
        }
        own += 1;
    }
    assert!(own >= 5, "{own}");
    Ok(())
}

#[test]
fn the_dashboard_shows_every_metric_of_ours_and_no_other() -> Result<()> {
    let template = Template::read()?;
    let dashboards = template.resources("AWS::CloudWatch::Dashboard");
    let [dashboard] = Vec::from_iter(dashboards.values())[..] else { anyhow::bail!("one dashboard") };
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"].as_str().context("no body")?;
    let body: Value = serde_json::from_str(body).context("the body is JSON")?;
    let mut shown: BTreeMap<String, u32> = BTreeMap::new();
    for widget in body["widgets"].as_array().context("no widgets")? {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            if metric[0] == NAMESPACE {
                assert!(DIMENSIONS.iter().any(|name| metric[2] == *name), "{metric}");
                *shown.entry(metric[1].as_str().context("no name")?.to_owned()).or_default() += 1;
            }
        }
    }
    let shown: BTreeSet<&str> = shown.keys().map(String::as_str).collect();
    assert_eq!(shown, recorded()?);
    Ok(())
}

#[test]
fn every_error_that_is_logged_stands_in_the_runbook() -> Result<()> {
    let text = runbook("errors-logged.md")?;
    let mut messages = BTreeSet::new();
    for (file, code) in sources()? {
        for (at, open) in code.match_indices("tracing::error!(") {
            let rest = &code[at + open.len()..];
            let end = rest.find(");").with_context(|| format!("{file}: no end"))?;
            let message = rest[..end].rsplit('"').nth(1).with_context(|| format!("{file}: no message"))?;
            messages.insert(message.to_owned());
        }
    }
    assert!(messages.len() >= 5, "{messages:?}");
    for message in messages {
        assert!(text.contains(&format!("| {message} |")), "errors-logged.md lacks `{message}`");
    }
    Ok(())
}
