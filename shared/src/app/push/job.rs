//! One record to be: the rows that make it, what is known of it in a pass, the lines it leaves.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::desk::Desk;
use super::page::{About, Next, Paper, Told, problem};
use super::rounds::Tried;
use crate::domain::push::change::{FieldChange, Image};
use crate::domain::push::document::Write;
use crate::domain::push::ledger::{Op, Outcome, ResultLine, RowError};
use crate::domain::push::row::{Identifier, Input, Purpose, Record, RowProblem};
use crate::domain::push::state::KeyHash;
use crate::domain::push::target::MatchBy;
use crate::ports::push::How;

/// What an undo gives back.
#[derive(Debug, Clone)]
pub(super) struct Back {
    pub created: bool,
    pub gid: String,
    pub diff: Vec<FieldChange>,
}

/// One record to be.
pub(super) struct Job<'m> {
    pub rows: Vec<(u64, String)>,
    pub hash: KeyHash,
    pub attempts: u32,
    pub next: Option<Next>,
    /// Why it waits.
    pub error: Option<RowError>,
    pub told: Told,
    pub record: Record<'m>,
    pub create: Result<Input, Vec<RowProblem>>,
    pub update: Result<Input, Vec<RowProblem>>,
    pub back: Option<Back>,
    pub identifiers: Vec<Identifier>,
}

impl Tried for Job<'_> {
    fn take_next(&mut self) -> Option<Next> {
        self.next.take()
    }

    fn attempts(&mut self) -> &mut u32 {
        &mut self.attempts
    }

    fn error(&mut self) -> &mut Option<RowError> {
        &mut self.error
    }

    fn put(&mut self, desk: &Desk<'_>, paper: &mut Paper, outcome: Option<Outcome>, error: Option<RowError>) {
        let mut told = std::mem::take(&mut self.told);
        for (seq, hash) in &self.rows {
            let about = About { seq: *seq, key: self.record.key(), hash };
            paper.put(desk, about, &told, outcome, error.clone());
            (told.points, told.ms) = (0, 0);
        }
    }
}

impl<'m> Job<'m> {
    pub(super) fn new(rows: Vec<(u64, String)>, record: Record<'m>, back: Option<Back>) -> Self {
        let identifiers = match &back {
            Some(back) => vec![Identifier { by: MatchBy::Id, metafield: None, value: back.gid.clone() }],
            None => record.identifiers.clone(),
        };
        Self {
            hash: KeyHash::of(record.mapping().stream, record.key()),
            create: record.input(Purpose::Create),
            update: record.input(Purpose::Update),
            rows,
            attempts: 0,
            next: None,
            error: None,
            told: Told::default(),
            record,
            back,
            identifiers,
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.rows.first().map_or(0, |(seq, _)| *seq)
    }

    /// What the record is compared with.
    pub(super) fn compared(&self) -> Result<&Input, Box<RowError>> {
        let made = self.back.as_ref().is_some_and(|back| back.created);
        let inputs = if made { [&self.create, &self.update] } else { [&self.update, &self.create] };
        let found = inputs.into_iter().find_map(|input| input.as_ref().ok());
        found.ok_or_else(|| Box::new(problem(self.update.as_ref().err().map_or(&[], Vec::as_slice))))
    }

    /// What is sent for a purpose, with the ids that were asked for.
    pub(super) fn input(&self, desk: &Desk<'_>, purpose: Purpose) -> Result<Value, Box<RowError>> {
        let input = match purpose {
            Purpose::Create => &self.create,
            Purpose::Update => &self.update,
        };
        let input = input.as_ref().map_err(|problems| Box::new(problem(problems)))?;
        let mut values = input.values.clone();
        for lookup in &input.lookups {
            let id = desk.id(lookup.what, &lookup.key);
            let id = id.map_err(|error| Box::new(error.about(&lookup.pointer, None)))?;
            if let Some(place) = values.pointer_mut(&lookup.pointer) {
                *place = Value::String(id);
            }
        }
        Ok(values)
    }

    pub(super) fn how(&self) -> How {
        let mapping = self.record.mapping();
        let written = self.record.fields().filter(|(_, write)| *write != Write::default());
        How {
            writes: written.map(|(field, write)| (field.to.clone(), write)).collect::<BTreeMap<_, _>>(),
            lists: mapping.lists.clone(),
            options: mapping.options.clone(),
            on_unsupported: mapping.on_unsupported_change,
        }
    }
}

/// What an undo finds of a run's page, by row.
pub(super) fn backs(lines: &[ResultLine], images: &HashMap<u64, Image>) -> HashMap<u64, Back> {
    let written =
        lines.iter().filter(|line| matches!(line.outcome, Some(Outcome::Created | Outcome::Updated)));
    written
        .filter_map(|line| {
            let image = images.get(&line.seq)?;
            let gid = line.gid.clone()?;
            let back = Back { created: image.op == Op::Create, gid, diff: image.diff.clone() };
            Some((line.seq, back))
        })
        .collect()
}
