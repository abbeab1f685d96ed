//! The house rules that a compiler does not hold: which part may know which, what may not be said where, how long a
//! file may be.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeSet;
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

fn manifests() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root(), "Cargo.toml", &mut found);
    let shown = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    found.iter().map(|path| (shown(path), fs::read_to_string(path).unwrap())).collect()
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
            // Tests may use the fakes.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            if !file.ends_with("/tests.rs") {
                wrong.extend(wrong_arrows(part, allowed, &file, code));
            }
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
            for word in ["aws_sdk", "aws_types", "lambda_http", "lambda_runtime", "reqwest", "std::env::"] {
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

/// What log lines and spans may tell, beside their message. A new name is added here after the thought that it is
/// one word for one thing and says nothing secret and nothing about a customer.
const LOG_FIELDS: &[&str] = &[
    "api.answered",
    "api.asked",
    "app.pending",
    "app.removed",
    "attempt",
    "bytes",
    "cause",
    "code",
    "detail",
    "duration_ms",
    "feed",
    "history.action",
    "history.hash",
    "history.seq",
    "hop",
    "http.status",
    "install.id",
    "media.copied",
    "media.files",
    "media.id",
    "message.id",
    "provider",
    "reason",
    "receives",
    "record.id",
    "request.id",
    "route",
    "run.id",
    "shop.domain",
    "status",
    "step",
    "store.id",
    "sweep.connections",
    "sweep.loose_ends",
    "sweep.postponed",
    "sweep.stalled_runs",
    "webhook.task",
    "webhook.topic",
];

/// What stands between a parenthesis and its end.
fn inside(text: &str) -> &str {
    let mut depth = 1;
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' | b'{' | b'[' if !quoted => depth += 1,
            b')' | b'}' | b']' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The parts of a list at its own level.
fn parts(list: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut rest, mut at) = (list, 0);
    while at < rest.len() {
        match rest.as_bytes()[at] {
            b'(' | b'{' | b'[' => at += inside(&rest[at + 1..]).len() + 2,
            b'"' => at += rest[at + 1..].find('"').map_or(rest.len(), |end| end + 2),
            b',' => {
                found.push(rest[..at].trim());
                (rest, at) = (&rest[at + 1..], 0);
            }
            _ => at += 1,
        }
    }
    found.push(rest.trim());
    found.retain(|part| !part.is_empty());
    found
}

/// The names of the fields that a file logs.
fn log_fields(text: &str) -> Vec<&str> {
    let opens =
        ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::debug!(", "skip_all, fields("];
    let lists = opens
        .iter()
        .flat_map(|open| text.match_indices(open).map(|(at, open)| inside(&text[at + open.len()..])));
    lists
        .flat_map(parts)
        .filter(|part| !part.starts_with('"'))
        .map(|part| part.split('=').next().unwrap().trim().trim_start_matches(['%', '?']))
        .collect()
}

#[test]
fn log_lines_tell_nothing_but_these_fields() {
    let mut seen = BTreeSet::new();
    for (file, text) in sources("shared/src").into_iter().chain(sources("functions")) {
        for field in log_fields(&text) {
            assert!(LOG_FIELDS.contains(&field), "{file} logs `{field}`");
            seen.insert(LOG_FIELDS.iter().find(|known| **known == field).unwrap());
        }
        assert!(!text.contains("#[instrument"), "{file}: write `#[tracing::instrument(skip_all, …)]`");
        for (at, open) in text.match_indices("tracing::instrument(") {
            let list = inside(&text[at + open.len()..]);
            assert!(
                list.starts_with("skip_all"),
                "{file}: a span records every argument that is not skipped"
            );
        }
    }
    assert!(LOG_FIELDS.iter().eq(seen), "no line logs some of these");
}

#[test]
fn a_field_is_seen_however_it_is_written() {
    let text = r#"tracing::warn!(%error, shop.domain = %f(a, "b, c"), status, "a message (x = 1)"); #[tracing::instrument(skip_all, fields(store.id = %s, run))]"#;
    assert_eq!(log_fields(text), ["error", "shop.domain", "status", "store.id", "run"]);
}

/// The files that call a function, its own definition and tests left out.
fn callers(function: &str) -> Vec<String> {
    let calls = |text: &str| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        code.match_indices(function).any(|(at, _)| !code[..at].ends_with("fn "))
    };
    let all = ["shared/src", "functions"].into_iter().flat_map(sources);
    all.filter(|(file, text)| !file.contains("/tests") && calls(text)).map(|(file, _)| file).collect()
}

#[test]
fn a_tenant_is_made_of_a_verified_claim_or_of_what_it_wrote_itself() {
    assert_eq!(callers("::from_claim"), ["shared/src/lambda/auth.rs"]);
    let stored = callers("StoreId::from_stored");
    assert!(!stored.is_empty());
    for file in stored {
        assert!(file.starts_with("shared/src/adapters/"), "{file}: reads a tenant and is no adapter");
    }
    // Nothing but these two makes one: no public constructor, no reading it from a body or message.
    let ids = fs::read_to_string(root().join("shared/src/domain/ids.rs")).unwrap();
    let store = ids.split_once("pub struct StoreId(String);").unwrap();
    let derived = store.0.rsplit("#[derive(").next().unwrap();
    assert!(!derived.contains("Deserialize") && !derived.contains("Default"), "{derived}");
    let makers = store.1.split("pub fn as_str").next().unwrap();
    let public: Vec<&str> = makers.lines().filter(|line| line.contains("pub fn")).map(str::trim).collect();
    assert_eq!(public, ["pub fn for_test(text: &str) -> Result<Self, InvalidId> {"]);
    assert!(makers.contains("#[cfg(feature = \"testkit\")]\n    pub fn for_test"), "for tests alone");
    assert!(!ids.contains("for StoreId {\n    fn from"), "a conversion is a constructor");
}

#[test]
fn a_key_stands_for_its_store_in_one_place_alone() {
    // Keys are looked up by what a stranger sent, so whoever may look one up can act for any store that has one.
    let (may, mut seen) = ("shared/src/app/push/keys.rs", Vec::new());
    for (file, text) in sources("shared/src") {
        let own = ["shared/src/adapters/", "shared/src/testkit/", "shared/src/ports/"];
        if !own.iter().any(|start| file.starts_with(start)) && text.contains("DestinationKeys") {
            seen.push(file);
        }
    }
    // Two hand them over to it, and ask nothing of them.
    assert_eq!(seen, [may, "shared/src/app/push/tool.rs", "shared/src/lambda/destination.rs"]);
    for file in &seen[1..] {
        assert!(!fs::read_to_string(root().join(file)).unwrap().contains(".find("), "{file}");
    }
    let keys = fs::read_to_string(root().join(may)).unwrap();
    let open = keys.split_once("pub async fn open(").unwrap().1;
    assert_eq!((keys.matches(".find(id)").count(), open.matches(".find(id)").count()), (1, 1));
    assert!(open.contains("opened(found, &text, stream, now).ok_or_else(not_yours)?"), "found is not proven");
    // Entry points hand the table over and nothing more.
    for (file, text) in sources("functions") {
        let uses = text.matches("DestinationKeys").count();
        assert_eq!(uses, text.matches("DynamoDestinationKeys").count(), "{file}");
    }
    // The store that a key gives is used for rows alone.
    assert_eq!(callers("keys.open("), ["shared/src/app/push/tool.rs"]);
}

#[test]
fn only_tests_make_a_tenant_for_tests() {
    let caught = callers("for_test");
    let outside: Vec<&String> = caught.iter().filter(|file| !file.contains("/testkit/")).collect();
    assert!(outside.is_empty(), "{outside:?}");
    for (manifest, text) in manifests() {
        let plain = text.split("[dev-dependencies]").next().unwrap_or_default();
        let ours = plain.lines().filter(|line| line.contains("testkit") && !line.starts_with("testkit = []"));
        assert!(!manifest.starts_with("functions/") || ours.count() == 0, "{manifest}: ships the test kit");
    }
}

#[test]
fn the_simulator_depends_on_nothing_of_ours() {
    let manifest = fs::read_to_string(root().join("tests/shopify/Cargo.toml")).unwrap();
    assert!(!manifest.contains("shared"), "the simulator is an independent oracle");
}

#[test]
fn the_models_depend_on_nothing_of_ours() {
    let manifest = fs::read_to_string(root().join("tests/models/Cargo.toml")).unwrap();
    assert!(!manifest.contains("shared") && !manifest.contains("aws"), "the models build in seconds");
}

#[test]
fn entry_points_are_thin() {
    let mut mains = Vec::new();
    files(&root().join("functions"), "main.rs", &mut mains);
    assert!(mains.len() >= 7, "{} functions", mains.len());
    for main in mains {
        let text = fs::read_to_string(&main).unwrap();
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 50, "{} has {lines} lines; business belongs into shared", main.display());
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
    for (manifest, text) in manifests() {
        let in_root = text.contains("[workspace.dependencies]");
        for line in text.lines().filter(|line| line.contains("version = \"") && !line.starts_with("version"))
        {
            assert!(in_root, "{manifest}: {line}: versions stand in the root");
            assert!(line.contains("version = \"=") || line.contains("rust-version"), "{line}: pin exactly");
        }
    }
}
