//! `docs/push.md` tells of every code of a push as the program has it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;

use serde_json::{Value, to_value};
use shared::domain::push::code::Code;
use system_tests::project_root;

fn word(value: serde_json::Result<Value>) -> String {
    match value.unwrap() {
        Value::String(word) => word,
        other => panic!("{other} is no word"),
    }
}

#[test]
fn every_code_is_told_of_as_it_is() {
    let document = fs::read_to_string(project_root().join("docs/push.md")).unwrap();
    let section = document.split_once("\n## Codes\n").unwrap().1.split("\n## ").next().unwrap();
    let told: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let held = Code::ALL.iter().map(|code| {
        let (class, retry) = (word(to_value(code.class())), word(to_value(code.retry())));
        let effect = word(to_value(code.effect()));
        format!("| `{}` | {class} | {retry} | {effect} | {} |", code.as_str(), code.hint())
    });
    assert_eq!(told, held.collect::<Vec<_>>());
}
