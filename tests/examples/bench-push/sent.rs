//! Many rows through the whole pipeline: how much memory they take, and whether the same rows again change anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::app::import::Disposition;
use shared::app::push::requests::{Mode, Submitted};
use shared::domain::ids::{ProviderId, RunId, ShopId, StoreId};
use shared::domain::push::change::Image;
use shared::domain::push::inputs::ndjson_rows;
use shared::domain::push::ledger::ResultLine;
use shared::domain::push::run::{PushKind, PushState, Safety};
use shared::domain::push::state::{KeyHash, KeyState};
use shared::domain::push::target::Stream;
use shared::ports::PortError;
use shared::ports::push_store::{Inputs, KeyStates, Mention, Results};
use shared::ports::time::Clock as _;

use crate::map::row;
use crate::store::{PROVIDER, World, counts, rows, stock};

/// What a request can carry (`docs/push.md`).
const BODY: usize = 6_000_000;

/// Pages of rows as files; what became of rows is counted and let go, as a table takes it.
struct Outside {
    folder: PathBuf,
    lines: AtomicU64,
    images: AtomicU64,
}

impl Outside {
    fn file(&self, run: &RunId, page: u32) -> PathBuf {
        self.folder.join(format!("{run}-{page}"))
    }
}

#[async_trait]
impl Inputs for Outside {
    async fn put(&self, _: &StoreId, run: &RunId, page: u32, bytes: Vec<u8>) -> Result<(), PortError> {
        std::fs::write(self.file(run, page), bytes)
            .map_err(|error| PortError::Unavailable { service: "inputs", source: Some(error.into()) })
    }

    async fn get(&self, _: &StoreId, run: &RunId, page: u32) -> Result<Option<Vec<u8>>, PortError> {
        Ok(std::fs::read(self.file(run, page)).ok())
    }
}

#[async_trait]
impl Results for Outside {
    async fn put_lines(
        &self,
        _: &StoreId,
        _: &RunId,
        _: u32,
        _: u64,
        lines: &[ResultLine],
    ) -> Result<(), PortError> {
        self.lines.fetch_add(lines.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn lines(&self, _: &StoreId, _: &RunId, _: u32) -> Result<Vec<ResultLine>, PortError> {
        Ok(Vec::new())
    }

    async fn put_images(
        &self,
        _: &StoreId,
        _: &RunId,
        _: u32,
        _: u32,
        images: &[Image],
        _: Timestamp,
    ) -> Result<(), PortError> {
        self.images.fetch_add(images.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn note_people(
        &self,
        _: &StoreId,
        _: ProviderId,
        _: ShopId,
        _: &[Mention],
        _: Timestamp,
    ) -> Result<(), PortError> {
        Ok(())
    }

    async fn images(&self, _: &StoreId, _: &RunId, _: u32) -> Result<Vec<Vec<Image>>, PortError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl KeyStates for Outside {
    async fn load(
        &self,
        _: &StoreId,
        _: ProviderId,
        keys: &[KeyHash],
    ) -> Result<Vec<Option<KeyState>>, PortError> {
        Ok(vec![None; keys.len()])
    }

    async fn put(&self, _: &StoreId, _: ProviderId, _: &KeyHash, _: &KeyState) -> Result<(), PortError> {
        Ok(())
    }
}

/// Receives the messages of a run to its end.
async fn carry_out(world: &World, run: &RunId) -> Result<()> {
    while let Some(message) = world.kept.pop_or_wait() {
        let until = world.clock.now() + world.step;
        if let Disposition::Retry(error) = world.app.handle_until(&message, 1, until).await {
            bail!("a step failed: {error:?}");
        }
    }
    let state = world.run(run).state;
    ensure!(state == PushState::Succeeded, "the run is {state:?}");
    Ok(())
}

/// Plans rows that come as NDJSON, one request after the other.
pub async fn stream(count: usize) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let mut world = World::new().await;
    let outside = Arc::new(Outside {
        folder: folder.path().to_owned(),
        lines: AtomicU64::new(0),
        images: AtomicU64::new(0),
    });
    let app = Arc::get_mut(&mut world.app).context("someone else has it already")?;
    app.inputs = outside.clone();
    app.results = outside.clone();
    app.states = outside.clone();
    let (mut requests, mut bytes, mut number) = (0, 0, 0);
    while number < count {
        let mut body = Vec::with_capacity(BODY);
        while number < count {
            let line = row(Stream::Customers, number).to_string();
            if body.len() + line.len() + 1 > BODY {
                break;
            }
            body.extend_from_slice(line.as_bytes());
            body.push(b'\n');
            number += 1;
        }
        bytes += body.len();
        requests += 1;
        let rows = ndjson_rows(&body);
        drop(body);
        let submitted = Submitted { stream: Stream::Customers, rows, safety: Safety::default(), key: None };
        let run = world.app.submit(world.actor(), PROVIDER, PushKind::Plan, submitted, Mode::Accept).await;
        let run = run.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        carry_out(&world, &run.id).await?;
    }
    let told = outside.lines.load(Ordering::Relaxed);
    ensure!(told == count as u64, "{told} of {count} rows were told of");
    Ok(json!({
        "rows": count,
        "requests": requests,
        "bytes": bytes,
        "planned": outside.images.load(Ordering::Relaxed),
    }))
}

/// Writes rows of every stream twice.
pub async fn again(count: usize) -> Result<Value> {
    let mut streams = json!({});
    for stream in Stream::ALL {
        let world = World::new().await;
        world.set_up(stream, count).await;
        stock(&world, count);
        let first = world.write(stream, rows(stream, 0..count)).await;
        let made = world.writer.mutations();
        let second = world.write(stream, rows(stream, 0..count)).await;
        let again = world.writer.mutations() - made;
        ensure!(made > 0 && first.tally.pending() == 0, "{stream:?}: {:?}", counts(&first));
        ensure!(second.tally.received() == count as u64, "{stream:?}: {:?}", counts(&second));
        streams[stream.as_str()] = json!({
            "rows": count,
            "first": {"counts": counts(&first), "mutations": made},
            "second": {"counts": counts(&second), "mutations": again},
        });
    }
    Ok(json!({ "streams": streams }))
}
