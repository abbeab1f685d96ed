//! Rules of `StepQueue`.

use std::time::Duration;

use super::samples::{self, PROVIDER};
use super::{Checked, rules};
use crate::domain::ids::RunId;
use crate::domain::run::{ChunkId, Feed};
use crate::ports::PortError;
use crate::ports::queue::{Step, StepMessage, StepQueue};

/// The other end of a queue.
#[async_trait::async_trait]
pub trait Receiver: Send + Sync {
    /// Takes what is there at the moment, after waiting a little for the first message; empty where none came.
    async fn take(&self) -> Result<Vec<StepMessage>, PortError>;
}

/// Checks every rule. Nobody else may send to or receive from the queue meanwhile.
pub async fn all(queue: &dyn StepQueue, receiver: &dyn Receiver) -> Checked {
    rules!(
        every_message_arrives_as_it_was_sent,
        more_than_one_call_holds_arrive_all,
        a_delayed_message_does_not_arrive_at_once;
        (queue, receiver)
    )
}

async fn message(step: Step) -> Result<StepMessage, Box<dyn std::error::Error + Send + Sync>> {
    Ok(StepMessage { store: samples::store()?, provider: PROVIDER, run: RunId::new(samples::uuid(0)), step })
}

async fn drain(receiver: &dyn Receiver) -> Result<Vec<StepMessage>, PortError> {
    let mut taken = Vec::new();
    loop {
        let more = receiver.take().await?;
        if more.is_empty() {
            return Ok(taken);
        }
        taken.extend(more);
    }
}

async fn every_message_arrives_as_it_was_sent(queue: &dyn StepQueue, receiver: &dyn Receiver) -> Checked {
    let chunk = ChunkId { feed: Feed::Missing, index: 0 };
    for step in [
        Step::Extract,
        Step::Poll { hop: u32::MAX },
        Step::Plan { chunk, generation: 3 },
        Step::Apply { chunk, generation: 3 },
        Step::Undo { chunk },
        Step::Verify,
    ] {
        let sent = message(step).await?;
        queue.send(std::slice::from_ref(&sent), Duration::ZERO).await?;
        let mut taken = Vec::new();
        while taken.is_empty() {
            taken = receiver.take().await?;
        }
        assert_eq!(taken, [sent]);
    }
    queue.send(&[], Duration::ZERO).await?;
    Ok(())
}

async fn more_than_one_call_holds_arrive_all(queue: &dyn StepQueue, receiver: &dyn Receiver) -> Checked {
    let mut sent = Vec::new();
    for index in 0..33 {
        sent.push(message(Step::Undo { chunk: ChunkId { feed: Feed::Products, index } }).await?);
    }
    queue.send(&sent, Duration::ZERO).await?;
    let mut taken = drain(receiver).await?;
    taken.sort_by(|a, b| format!("{:?}", a.step).cmp(&format!("{:?}", b.step)));
    sent.sort_by(|a, b| format!("{:?}", a.step).cmp(&format!("{:?}", b.step)));
    assert_eq!(taken, sent);
    Ok(())
}

async fn a_delayed_message_does_not_arrive_at_once(
    queue: &dyn StepQueue,
    receiver: &dyn Receiver,
) -> Checked {
    // Above the longest delay, which it is cut to.
    let late = message(Step::Extract).await?;
    queue.send(&[late], Duration::from_secs(5_000)).await?;
    let soon = message(Step::Verify).await?;
    queue.send(std::slice::from_ref(&soon), Duration::ZERO).await?;
    assert_eq!(drain(receiver).await?, [soon]);
    Ok(())
}
