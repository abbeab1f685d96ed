//! `docs/connect.md` tells of every reason, every suggestion and every problem that connecting can answer, and
//! `docs/import.md` of every warning that a run can tell.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use shared::domain::connection::Reason;
use shared::domain::warning::Code;
use shared::lambda::openapi;
use system_tests::project_root;

/// What stands between single backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The codes in the first column of the table below a heading, each with what stands in the last.
fn table(document: &str, heading: &str) -> Vec<(String, String)> {
    let section = document.split_once(heading).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default().to_owned();
        quoted(cells[0]).into_iter().map(move |code| (code, last.clone())).collect::<Vec<_>>()
    })
    .collect()
}

fn assert_told(document: &str, heading: &str, codes: &BTreeSet<String>) {
    let rows = table(document, heading);
    for code in codes {
        let told = rows.iter().find(|(told, _)| told == code);
        let (_, what_to_do) = told.unwrap_or_else(|| panic!("`{code}` is not told of under {heading}"));
        assert!(what_to_do.len() > 3, "`{code}`: what to do about it?");
    }
}

fn connect_md() -> String {
    fs::read_to_string(project_root().join("docs/connect.md")).unwrap()
}

#[test]
fn every_reason_is_told_of() {
    let reasons = Reason::ALL.map(|reason| reason.as_str().to_owned());
    assert_told(&connect_md(), "\n## Reasons\n", &reasons.into());
}

/// Every warning a run can tell stands in the document with its severity and what to do, and no other does.
#[test]
fn every_warning_of_an_import_is_told_of() {
    let document = fs::read_to_string(project_root().join("docs/import.md")).unwrap();
    let rows = table(&document, "\n## Warnings\n");
    let told: Vec<(String, String)> = rows
        .iter()
        .map(|(code, _)| {
            let row = document.lines().find(|line| line.starts_with(&format!("| `{code}`"))).unwrap();
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            (code.clone(), format!("{}: {}", cells[1], cells[2]))
        })
        .collect();
    let codes: Vec<(String, String)> = Code::ALL
        .iter()
        .map(|code| {
            let severity = format!("{:?}", code.severity()).to_lowercase();
            (code.as_str().to_owned(), format!("{severity}: {}", code.remedy()))
        })
        .collect();
    let lines = |list: &[(String, String)]| {
        list.iter().map(|(code, rest)| format!("{code} {rest}")).collect::<BTreeSet<_>>()
    };
    assert_eq!(lines(&told), lines(&codes));
    let dropped = table(&document, "\n## Codes that do not exist, and why\n");
    for (code, _) in dropped {
        assert!(Code::parse(&code).is_none(), "`{code}` exists");
    }
}

#[test]
fn every_problem_of_connecting_is_told_of() {
    let api = serde_json::to_value(openapi::document()).unwrap();
    let mut codes = BTreeSet::new();
    let mut operations = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        let connecting = path.contains("/connectors") || path.contains("/oauth/");
        if !connecting || path.contains("/imports") || path.contains("/destination") {
            continue;
        }
        for operation in item.as_object().unwrap().values() {
            operations += 1;
            for response in operation["responses"].as_object().unwrap().values() {
                let what = response["description"].as_str().unwrap_or_default();
                if let Some(list) = what.strip_prefix("Codes: ") {
                    codes.extend(quoted(list.split(". ").next().unwrap()));
                }
            }
        }
    }
    assert!(operations >= 6 && codes.len() >= 15, "{operations} operations, {codes:?}");
    assert_told(&connect_md(), "\n## Problems\n", &codes);
}

#[test]
fn every_suggestion_and_action_is_told_of() {
    let api = serde_json::to_value(openapi::document()).unwrap();
    let schemas = &api["components"]["schemas"];
    let suggestions = schemas["Suggestion"]["properties"]["code"]["description"].as_str().unwrap();
    let document = connect_md();
    let card = document.split_once("\n## The card\n").unwrap().1;
    let told: BTreeSet<String> =
        table(card, "| suggestion |").into_iter().map(|(suggestion, _)| suggestion).collect();
    assert_eq!(told, quoted(suggestions));

    let actions = schemas["HistoryAction"]["enum"].as_array().unwrap();
    let actions: BTreeSet<String> = actions.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let history = document.split_once("\n## History\n").unwrap().1;
    let row = history.lines().find(|line| line.starts_with("| `action`")).unwrap();
    let mut told = quoted(row);
    told.remove("action");
    assert_eq!(told, actions);
}
