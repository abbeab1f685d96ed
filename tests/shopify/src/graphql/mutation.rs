//! Runs the fields of a mutation one after the other: each sees the shop as the one before it left it.

use std::time::Duration;

use serde_json::Value;

use super::executor::Executor;
use super::selection::{Document, Field, SubSelection};
use super::{Request, with_world};
use crate::faults::Kind;
use crate::mutate::idempotency::{self, Claim};
use crate::mutate::{self, Desk, Written};
use crate::resolve::{FieldError, Obj};
use crate::shop::{Snapshot, lock};

/// Carries out a mutation and writes its answer.
pub(super) fn execute<'d>(
    request: &Request<'_>,
    document: &Document<'d>,
    root: &SubSelection<'d>,
) -> (Vec<u8>, Vec<Value>) {
    let faults = lock(&request.state.faults).clone();
    let (mut data, mut errors) = (b"{".to_vec(), Vec::new());
    let (mut unknown, mut broken) = (false, false);
    for (place, field) in root.fields(document, "Mutation").iter().enumerate() {
        let written = if field.denied.is_none() && mutate::knows(field.name) {
            Some(write(request, field))
        } else {
            None
        };
        if place > 0 {
            data.push(b',');
        }
        data.extend_from_slice(field.prefix.as_bytes());
        let snapshot = request.state.snapshot();
        with_world(request, &snapshot, written.as_ref(), |world| {
            let mut executor = Executor::new(document, world, &faults.null_with_error);
            broken |= executor.root_field(&Obj::Mutation, "Mutation", field, &mut data).is_err();
            unknown |= super::note_not_simulated(request, &executor.not_simulated);
            errors.append(&mut executor.errors);
        });
    }
    data.push(b'}');
    if unknown || broken {
        data = b"null".to_vec();
    }
    (data, errors)
}

/// Does what a mutation asks for, once for each idempotency key, and counts it.
fn write(request: &Request<'_>, field: &Field<'_>) -> Written {
    let state = request.state;
    let key = field.idempotency_key.as_deref();
    let written = idempotency::admissible(field.name, key, request.version).and_then(|()| match key {
        None => work(request, field),
        Some(key) => {
            let claim =
                lock(&state.idempotency).claim(request.client_id, key, field.name, &field.args, request.now);
            match claim {
                Claim::Answered(outcome) => {
                    *lock(&state.calls).mutations_replayed.entry(field.name.to_owned()).or_default() += 1;
                    Ok((outcome, false))
                }
                Claim::Fresh => {
                    let written = work(request, field);
                    let outcome = written.as_ref().ok().map(|(outcome, _)| outcome);
                    lock(&state.idempotency).settle(request.client_id, key, outcome);
                    written
                }
            }
        }
    });
    let mut calls = lock(&state.calls);
    match &written {
        Ok((_, false)) => {}
        Ok((outcome, true)) if !outcome.refused => {
            *calls.mutations.entry(field.name.to_owned()).or_default() += 1;
        }
        Ok(_) | Err(_) => *calls.mutations_refused.entry(field.name.to_owned()).or_default() += 1,
    }
    written.map(|(outcome, _)| outcome)
}

/// Changes the shop, and tells it; the flag says that something was done at all.
fn work(request: &Request<'_>, field: &Field<'_>) -> Result<(mutate::Outcome, bool), FieldError> {
    let state = request.state;
    let (slow, fails) = {
        let mut faults = lock(&state.faults);
        (faults.work_ms, faults.strikes(Kind::MutationError))
    };
    if slow > 0 {
        std::thread::sleep(Duration::from_millis(slow));
    }
    if fails {
        *lock(&state.calls).faults.entry("mutation_error".to_owned()).or_default() += 1;
        let message = "Internal error. Looks like something went wrong on our end.";
        return Err(FieldError::Refused(message.to_owned(), "INTERNAL_SERVER_ERROR"));
    }
    let (done, snapshot) = state.write(|shop, index| {
        let mut desk = Desk::new(shop, index, state, request.now, request.version, request.scopes);
        let written = mutate::perform(&mut desk, field);
        let told = desk.close();
        written.map(|outcome| (outcome, told))
    });
    let (outcome, told) = done?;
    tell(request, &told, &snapshot);
    Ok((outcome, true))
}

fn tell(request: &Request<'_>, told: &[mutate::Told], snapshot: &Snapshot) {
    if !told.is_empty() {
        (request.publish)(told, snapshot);
    }
}
