//! Writes a result file line by line; memory does not grow with the shop.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use apollo_compiler::ExecutableDocument;
use jiff::SignedDuration;

use super::{Job, Outcome};
use crate::graphql::connection::Connection;
use crate::graphql::executor::Executor;
use crate::graphql::selection::{Document, Field, SubSelection};
use crate::resolve::{Obj, Res, World};
use crate::shop::lock;

/// Lines a shuffle keeps back.
const SHUFFLE_WINDOW: usize = 512;

/// A line that a shuffle keeps back.
struct Held {
    parent: Option<String>,
    line: Vec<u8>,
}

/// Why writing ended early.
enum Stop {
    Cancelled,
    Denied,
    Broken,
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Self {
        Self::Broken
    }
}

/// Runs a bulk query to its end.
pub(super) fn run(job: &Job) {
    let produced = produce(job);
    let took = SignedDuration::try_from(job.started.elapsed()).unwrap_or_default();
    let at = job.now.checked_add(took).unwrap_or(job.now);
    let ended = Outcome { error_code: None, cancelled: false, bytes: 0, at };
    let outcome = match produced {
        Ok(bytes) => Outcome { bytes, ..ended },
        Err(Stop::Cancelled) => Outcome { cancelled: true, ..ended },
        Err(Stop::Denied) => Outcome { error_code: Some("ACCESS_DENIED"), ..ended },
        Err(Stop::Broken) => Outcome { error_code: Some("INTERNAL_SERVER_ERROR"), ..ended },
    };
    let outcome = if job.fails { fail(job, outcome) } else { outcome };
    *lock(&job.progress.outcome) = Some(outcome);
    job.state.wake.notify_one();
}

/// Keeps half of the lines and calls it a failure.
fn fail(job: &Job, outcome: Outcome) -> Outcome {
    let kept = half(&job.path).unwrap_or_default();
    job.progress.lines.store(kept.0, Ordering::Relaxed);
    job.progress.roots.store(kept.1, Ordering::Relaxed);
    Outcome { error_code: Some("INTERNAL_SERVER_ERROR"), ..outcome }
}

fn half(path: &Path) -> std::io::Result<(u64, u64)> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2;
    let mut kept = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    std::io::Read::by_ref(&mut file).take(middle).read_to_end(&mut kept)?;
    let end = kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    file.set_len(end as u64)?;
    let lines = kept[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let (mut all, mut roots) = (0, 0);
    for line in lines {
        all += 1;
        if !line.windows(14).any(|part| part == b"\"__parentId\":\"") {
            roots += 1;
        }
    }
    Ok((all, roots))
}

fn produce(job: &Job) -> Result<u64, Stop> {
    let document =
        ExecutableDocument::parse_and_validate(&job.api.schema, job.query.as_str(), "bulk.graphql")
            .map_err(|_| Stop::Broken)?;
    let operation = document.operations.get(None).map_err(|_| Stop::Broken)?;
    let bound = Document {
        api: &job.api,
        document: &document,
        variables: serde_json::Map::new(),
        scopes: job.scopes.clone(),
        deprecated: std::cell::RefCell::default(),
    };
    let nothing = BTreeSet::new();
    let world = World {
        api: &job.api,
        snapshot: &job.snapshot,
        state: &job.state,
        client_id: &job.client_id,
        app_name: &job.client_id,
        app_scopes: &nothing,
        denied_data: &job.denied_data,
        installation: 0,
        scopes: &job.scopes,
        version: &job.version,
        now: job.now,
        operations: Vec::new(),
        webhooks: Vec::new(),
        written: None,
        effects: None,
    };
    let root = SubSelection::new(vec![&operation.selection_set]);
    let mut executor = Executor::new(&bound, &world, &job.faults.null_with_error);
    executor.without_connections = true;
    let file = File::create(&job.path)?;
    let mut lines = Lines {
        job,
        executor,
        out: BufWriter::with_capacity(1 << 20, file),
        line: Vec::new(),
        bytes: 0,
        held: Vec::new(),
        random: 0x9E37_79B9_7F4A_7C15 ^ job.progress.lines.load(Ordering::Relaxed),
        only: None,
        met: Vec::new(),
    };
    lines.all(&root)?;
    lines.finish()
}

struct Lines<'w, 'e, 'd, 'a> {
    job: &'w Job,
    executor: Executor<'e, 'd, 'a>,
    out: BufWriter<File>,
    line: Vec<u8>,
    bytes: u64,
    held: Vec<Held>,
    random: u64,
    /// Write only the lines of this connection: ungrouped files go connection by connection.
    only: Option<usize>,
    /// Connections met, by address, in the order of meeting.
    met: Vec<usize>,
}

impl<'d, 'a> Lines<'_, '_, 'd, 'a> {
    fn all(&mut self, root: &SubSelection<'d>) -> Result<(), Stop> {
        if self.job.grouped {
            return self.children(&Obj::Query, root, None);
        }
        // The first walk writes the roots and meets their connections; each further walk writes one connection.
        let mut done = 0;
        self.only = Some(0);
        self.children(&Obj::Query, root, None)?;
        while let Some(next) = self.met.get(done).copied() {
            self.only = Some(next);
            self.children(&Obj::Query, root, None)?;
            done += 1;
        }
        Ok(())
    }

    fn children(
        &mut self,
        object: &Obj<'a>,
        sub: &SubSelection<'d>,
        parent: Option<&str>,
    ) -> Result<(), Stop> {
        let fields = sub.fields(self.executor.document, object.type_name());
        for field in fields.iter() {
            let Some(below) = &field.sub else { continue };
            if !field.connection && !below.holds_connection(self.executor.document) {
                continue;
            }
            let answer = self.executor.answer(object, field);
            self.check()?;
            match answer {
                Some(Res::Connection(connection)) => self.connection(&connection, field, parent)?,
                Some(Res::Obj(object)) => self.children(&object, below, parent)?,
                Some(Res::List(items)) => {
                    for item in &items {
                        if let Res::Obj(object) = item {
                            self.children(object, below, parent)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn connection(
        &mut self,
        connection: &Connection<'a>,
        field: &Field<'d>,
        parent: Option<&str>,
    ) -> Result<(), Stop> {
        let Some(sub) = &field.sub else { return Ok(()) };
        let document = self.executor.document;
        let parts = sub.fields(document, field.inner);
        let address = std::ptr::from_ref(field).addr();
        let (here, below) = match (self.only, parent) {
            (None, _) | (Some(0), None) => (true, true),
            (Some(target), _) => (target == address, target != 0),
        };
        if self.only.is_some() && parent.is_some() && !self.met.contains(&address) {
            self.met.push(address);
        }
        if !here && !below {
            return Ok(());
        }
        for part in parts.iter() {
            let Some(part_sub) = &part.sub else { continue };
            match part.name {
                "nodes" => self.nodes(connection, part_sub, parent, here)?,
                "edges" => {
                    let edges: Rc<[Field<'d>]> = part_sub.fields(document, part.inner);
                    for node in edges.iter().filter(|edge_field| edge_field.name == "node") {
                        if let Some(node_sub) = &node.sub {
                            self.nodes(connection, node_sub, parent, here)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn nodes(
        &mut self,
        connection: &Connection<'a>,
        sub: &SubSelection<'d>,
        parent: Option<&str>,
        here: bool,
    ) -> Result<(), Stop> {
        let deeper = sub.holds_connection(self.executor.document);
        for (_, node) in &connection.nodes {
            if here {
                self.write(node, sub, parent)?;
            }
            if deeper {
                let id = node.id(self.executor.world);
                self.children(node, sub, id.as_deref())?;
            }
        }
        Ok(())
    }

    fn write(&mut self, node: &Obj<'a>, sub: &SubSelection<'d>, parent: Option<&str>) -> Result<(), Stop> {
        self.line.clear();
        let done = self.executor.object(node, sub, &mut self.line);
        self.check()?;
        if done.is_err() {
            return Ok(());
        }
        if let Some(parent) = parent {
            self.line.pop();
            let comma = if self.line.len() > 1 { "," } else { "" };
            let tail = format!("{comma}\"__parentId\":\"{parent}\"}}");
            self.line.extend_from_slice(tail.as_bytes());
        } else {
            self.job.progress.roots.fetch_add(1, Ordering::Relaxed);
        }
        self.line.push(b'\n');
        self.job.progress.lines.fetch_add(1, Ordering::Relaxed);
        self.bytes += self.line.len() as u64;
        if self.job.faults.bulk_shuffle {
            return self.shuffle(parent);
        }
        self.out.write_all(&self.line)?;
        Ok(())
    }

    /// Keeps a window of lines back and writes one of them at random.
    fn shuffle(&mut self, parent: Option<&str>) -> Result<(), Stop> {
        let line = std::mem::take(&mut self.line);
        self.held.push(Held { parent: parent.map(str::to_owned), line });
        if self.held.len() > SHUFFLE_WINDOW { self.release() } else { Ok(()) }
    }

    /// Writes a held line. Siblings keep their order: nothing else in a file tells the order of media or members.
    fn release(&mut self) -> Result<(), Stop> {
        let picked = self.pick(self.held.len());
        let family = &self.held[picked].parent;
        let eldest = family.as_ref().and_then(|_| self.held.iter().position(|held| held.parent == *family));
        let out = self.held.remove(eldest.unwrap_or(picked));
        self.out.write_all(&out.line)?;
        Ok(())
    }

    fn pick(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % below as u64).unwrap_or_default()
    }

    /// Errors that end the operation, and a cancellation.
    fn check(&mut self) -> Result<(), Stop> {
        if self.job.progress.cancelled.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        for error in std::mem::take(&mut self.executor.errors) {
            match error["extensions"]["code"].as_str() {
                Some("ACCESS_DENIED") => return Err(Stop::Denied),
                Some("INTERNAL_SERVER_ERROR") => {}
                _ => {
                    let mut calls = lock(&self.job.state.calls);
                    for name in std::mem::take(&mut self.executor.not_simulated) {
                        *calls.not_simulated.entry(name).or_default() += 1;
                    }
                    tracing::error!(shop.label = self.job.state.label, %error, "bulk query cannot be answered");
                    return Err(Stop::Broken);
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<u64, Stop> {
        while !self.held.is_empty() {
            self.release()?;
        }
        self.out.flush()?;
        if let Some(cut) = self.job.faults.bulk_cut_at.filter(|cut| *cut < self.bytes) {
            self.out.get_ref().set_len(cut)?;
        }
        Ok(self.bytes)
    }
}
