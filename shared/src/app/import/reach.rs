//! What of a run the granted scopes reach. Looked at when a run is asked for and again when it begins: a merchant may
//! take scopes away in between.

use crate::app::error::AppError;
use crate::domain::run::{Run, Wanted};
use crate::domain::scopes::Scopes;
use crate::domain::warning::Code;
use crate::ports::provider::Extract;

/// The scopes that importing a resource lacks, those of what it stands on included.
fn lacking(extract: &dyn Extract, granted: &Scopes, wanted: Wanted) -> Scopes {
    let needed = wanted.stands_on().iter().map(|wanted| granted.lacking(&extract.scopes_for(*wanted)));
    needed.flat_map(|lacking| lacking.iter().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Takes out of a run what the granted scopes do not reach and puts down what and why. What is stored of it stays as
/// it is. `missing_scopes` where nothing is left of the run.
pub(super) fn drop_blocked(run: &mut Run, granted: &Scopes, extract: &dyn Extract) -> Result<(), AppError> {
    for wanted in std::mem::take(&mut run.wanted) {
        let lacking = lacking(extract, granted, wanted);
        if lacking.is_empty() {
            run.wanted.extend(wanted.stands_on());
        } else {
            run.blocked.insert(wanted, lacking);
        }
    }
    // Counted anew each time, so that looking twice warns once.
    for code in [Code::InvSkippedNoScope, Code::ConnScopeMissing] {
        let blocked = run.blocked.keys().filter(|wanted| blocked_code(**wanted) == code).count() as u64;
        if blocked > 0 {
            run.warnings.insert(code, blocked);
        }
    }
    if run.wanted.is_empty() {
        return Err(AppError::conflict("missing_scopes", nothing_left(run)));
    }
    Ok(())
}

/// What a run says of a resource that was blocked.
pub(super) fn blocked_code(wanted: Wanted) -> Code {
    match wanted {
        Wanted::Stock => Code::InvSkippedNoScope,
        _ => Code::ConnScopeMissing,
    }
}

fn nothing_left(run: &Run) -> String {
    let reasons: Vec<String> =
        run.blocked.iter().map(|(wanted, lacking)| format!("{wanted} without {lacking}")).collect();
    format!(
        "Nothing of what was asked for can be imported: not {}. Connect the shop again and grant all of it.",
        reasons.join("; not ")
    )
}
