//! The house rules that a compiler does not hold: which part may know which, what may not be said where, how long a
//! file may be.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(below: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(below) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join(below), ".rs", &mut found);
    found.sort();
    assert!(!found.is_empty(), "no sources below {below}");
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (shown, text)
        })
        .collect()
}

/// The part of `shared` that a `crate::` path leads to.
fn parts_used(text: &str) -> Vec<&str> {
    text.match_indices("crate::")
        .map(|(at, _)| {
            text[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
        })
        .collect()
}

const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("ports", &["domain", "ports"]),
    ("app", &["domain", "ports", "app"]),
    ("adapters", &["domain", "ports", "adapters"]),
    ("providers", &["domain", "ports", "providers"]),
    // Fakes weigh the very items and speak the very messages of the adapters, so that they cannot drift apart.
    ("testkit", &["domain", "ports", "adapters", "testkit"]),
    ("lambda", &["domain", "ports", "app", "adapters", "providers", "lambda"]),
];

/// Every use of another part that the arrows do not allow.
fn wrong_arrows(part: &str, allowed: &[&str], file: &str, text: &str) -> Vec<String> {
    let wrong = parts_used(text).into_iter().filter(|used| !allowed.contains(used));
    wrong.map(|used| format!("{file}: {part} may not know {used}")).collect()
}

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for (part, allowed) in ARROWS {
        for (file, text) in sources(&format!("shared/src/{part}")) {
            wrong.extend(wrong_arrows(part, allowed, &file, &text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_arrow_is_seen() {
    let wrong = wrong_arrows(
        "domain",
        &["domain"],
        "x.rs",
        "use crate::ports::time::Clock;\nuse crate::domain::ids;",
    );
    assert_eq!(wrong, ["x.rs: domain may not know ports"]);
}

#[test]
fn the_domain_is_pure() {
    let banned = [
        "async fn",
        ".await",
        "aws_",
        "reqwest",
        "lambda_",
        "tokio",
        "std::env",
        "std::fs",
        "SystemTime",
        "Timestamp::now",
    ];
    for (file, text) in sources("shared/src/domain") {
        for word in banned {
            assert!(!text.contains(word), "{file}: the domain may not say `{word}`");
        }
    }
}

#[test]
fn use_cases_and_ports_know_no_sdk_and_no_transport() {
    for part in ["app", "ports"] {
        for (file, text) in sources(&format!("shared/src/{part}")) {
            for word in ["aws_sdk", "aws_config", "lambda_http", "lambda_runtime", "reqwest", "std::env::"] {
                assert!(!text.contains(word), "{file}: {part} may not say `{word}`");
            }
        }
    }
}

#[test]
fn only_the_provider_module_knows_the_platform() {
    // The list of providers, the variable that names the app, and the one place that picks the module.
    let may = ["shared/src/domain/ids.rs", "shared/src/lambda/config.rs", "shared/src/providers/mod.rs"];
    let mut said = Vec::new();
    for part in ["domain", "ports", "app", "adapters", "lambda"] {
        for (file, text) in sources(&format!("shared/src/{part}")) {
            if may.contains(&file.as_str()) || file.contains("/tests") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let names = line.to_lowercase().contains("shopify");
                let picks = line.contains("ProviderId::Shopify") || line.contains("providers::shopify");
                if names && !(picks && (file.contains("lambda/") || file.contains("adapters/"))) {
                    said.push(format!("{file}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(said.is_empty(), "outside its module, the platform is named in\n{}", said.join("\n"));
}

#[test]
fn the_simulator_depends_on_nothing_of_ours() {
    let manifest = fs::read_to_string(root().join("tests/shopify/Cargo.toml")).unwrap();
    assert!(!manifest.contains("shared"), "the simulator is an independent oracle");
}

#[test]
fn entry_points_are_thin() {
    let mut mains = Vec::new();
    files(&root().join("functions"), "main.rs", &mut mains);
    assert!(mains.len() >= 7, "{} functions", mains.len());
    for main in mains {
        let text = fs::read_to_string(&main).unwrap();
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 45, "{} has {lines} lines; business belongs into shared", main.display());
        assert!(!text.contains("if "), "{}: no `if` in an entry point", main.display());
    }
}

#[test]
fn a_file_can_be_held_in_the_head() {
    let mut long = Vec::new();
    for below in ["shared", "functions", "tests"] {
        for (file, text) in sources(below) {
            let lines = text.lines().count();
            if lines > 700 {
                long.push(format!("{file}: {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn versions_stand_in_the_root_alone_and_exactly() {
    let mut manifests = Vec::new();
    files(&root(), "Cargo.toml", &mut manifests);
    for manifest in manifests {
        let text = fs::read_to_string(&manifest).unwrap();
        let in_root = text.contains("[workspace.dependencies]");
        for line in text.lines().filter(|line| line.contains("version = \"") && !line.starts_with("version"))
        {
            assert!(in_root, "{}: {line}: versions stand in the root", manifest.display());
            assert!(line.contains("version = \"=") || line.contains("rust-version"), "{line}: pin exactly");
        }
    }
}
