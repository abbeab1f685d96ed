//! Explores every model and prints one line of JSON for each. Ends with 1 where a good design violates a property or a
//! bad one does not. `models --trace [WORD]…` prints the steps that lead to each violation as well; words pick models
//! and variants by name.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let trace = words.iter().any(|word| word == "--trace");
    words.retain(|word| word != "--trace");
    let picked = |name: &str| words.iter().any(|word| name.contains(word.as_str()));
    let mut out = std::io::stdout().lock();
    let mut wrong = 0;
    let mut ran = 0;
    for case in models::cases() {
        if !words.is_empty() && !picked(case.model) && !picked(case.variant) {
            continue;
        }
        let verdict = case.run();
        writeln!(out, "{}", serde_json::to_string(&verdict)?)?;
        for property in verdict.violations.iter().filter(|_| trace) {
            writeln!(out, "  not \"{property}\":")?;
            for (number, step) in case.trace(property).iter().enumerate() {
                writeln!(out, "  {:>4}. {step}", number + 1)?;
            }
        }
        ran += 1;
        wrong += usize::from(!verdict.as_expected);
    }
    // A word that picks nothing must not look like a success.
    Ok(if wrong == 0 && ran > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
