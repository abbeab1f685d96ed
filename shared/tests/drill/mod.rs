//! What every drill says and asks: its line, how long it takes, how much is to be tried.

/// Says what became of a drill, in the line that `make drills` collects.
#[expect(clippy::print_stdout, reason = "the drills collect this line")]
pub fn report(line: &serde_json::Value) {
    println!("DRILL {line}");
}

/// The time that passes outside the world of a test.
pub fn real_time() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "how long the drill itself takes")]
    std::time::Instant::now()
}

/// A setting of a drill, such as the tier it runs in.
#[expect(clippy::disallowed_methods, reason = "a test's own setting, not a function's")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
