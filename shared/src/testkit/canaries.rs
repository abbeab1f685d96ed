//! What tests keep secret and what is written meanwhile, told to a directory where both can be compared (drill D6).
//!
//! `python -m local test tests` names the directory in `CANARIES` and `python -m local suite-leaks` searches it. Where it
//! is not named, nothing is written.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::adapters::system::environment;

struct Told {
    secrets: Mutex<File>,
    said: Arc<File>,
}

/// The two files of this process, opened when the first fake is made.
fn told() -> Option<&'static Told> {
    static TOLD: OnceLock<Option<Told>> = OnceLock::new();
    TOLD.get_or_init(|| begin(Path::new(&environment("CANARIES")?)).ok()).as_ref()
}

fn begin(directory: &Path) -> std::io::Result<Told> {
    let open = |kind: &str| File::create(directory.join(format!("{}.{kind}", std::process::id())));
    let told = Told { secrets: Mutex::new(open("secrets")?), said: Arc::new(open("said")?) };
    // All that our code can say. Other crates are heard as in production, where they are not trusted with more.
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("shared", LevelFilter::TRACE);
    let lines = tracing_subscriber::fmt::layer().json().with_span_list(true).with_writer(told.said.clone());
    // A test that listens by itself goes on to do so.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    Ok(told)
}

/// From here on what is logged is kept. Every fake world begins with this.
pub fn listen() {
    told();
}

/// Something that must stand nowhere.
pub fn secret(kind: &str, value: &str) {
    if let Some(told) = told() {
        let mut secrets = told.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        // A secret that cannot be noted is missed by the search's own count.
        let _ = writeln!(secrets, "{}", json!([kind, value]));
    }
}

/// Something that was put where others read it, such as the body of a message.
pub fn said(place: &str, text: &str) {
    if let Some(told) = told() {
        let _ = writeln!(&*told.said, "{}", json!({ place: text }));
    }
}
