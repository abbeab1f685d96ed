//! The steps of one message, one for each call that the code makes.

use super::{CHUNKS, Design, Phase, State};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Message {
    Chunk(u8),
    /// Find the chunks.
    Collect,
    Verify,
}

/// Where a worker is: the call that it makes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum At {
    #[default]
    Idle,
    /// Load the header.
    Load,
    /// Look for the own receipt.
    OwnReceipt,
    Effects,
    PutReceipt,
    /// Only where the counter is raised apart.
    Count,
    /// Only where chunks are handed out before they are sealed.
    SendAll,
    Seal,
    /// Only where one looks before the own receipt.
    Others,
    /// Load the header to move the run on.
    Advance,
    /// Read all receipts.
    Receipts,
    /// All are there: write the header.
    Move,
    HandOut,
    /// Write into the header that it was handed out.
    Note,
    /// Write into the header that the run is complete.
    Complete,
}

/// What a worker knows of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Known {
    #[default]
    Nothing,
    Fresh,
    Stale,
}

/// One worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Worker {
    pub at: At,
    pub message: Option<Message>,
    pub known: Known,
    /// Whether the header that it read said that all is handed out.
    handed_off: bool,
    /// The chunks to hand out.
    open: u8,
    /// Whether it hands out the last step.
    verify: bool,
    /// Whether it found all others done.
    last: bool,
}

impl Worker {
    /// One that has just received a message.
    pub fn with(message: Message) -> Self {
        Self { at: At::Load, message: Some(message), ..Self::default() }
    }

    /// Whether a chunk is its own, or one to hand out.
    pub fn about(&self, index: u8) -> (bool, bool) {
        (self.message == Some(Message::Chunk(index)), self.open & (1 << index) != 0)
    }

    pub fn knows(&self, index: u8) -> bool {
        let (own, open) = self.about(index);
        own || open
    }

    /// Calls the chunks that it knows by other numbers.
    pub fn rename(&mut self, renamed: impl Fn(u8) -> u8) {
        if let Some(Message::Chunk(index)) = &mut self.message {
            *index = renamed(*index);
        }
        let open = self.open;
        self.open =
            (0..8).filter(|index| open & (1 << index) != 0).fold(0, |open, index| open | 1 << renamed(index));
    }

    /// The messages that it is about to send.
    pub fn to_send(self) -> impl Iterator<Item = Message> {
        let chunks = (0..8).filter(move |index| self.open & (1 << index) != 0).map(Message::Chunk);
        chunks.chain(self.verify.then_some(Message::Verify))
    }
}

impl State {
    /// Makes the call that a worker is at.
    pub fn step(&mut self, design: Design, index: usize) {
        let mut worker = self.workers[index];
        let all = (1_u8 << CHUNKS) - 1;
        worker.at = match worker.at {
            At::Idle => At::Idle,
            At::Load => self.load(design, &mut worker),
            At::OwnReceipt => match worker.message {
                Some(Message::Chunk(own)) if self.chunks[usize::from(own)].receipt => match design {
                    Design::DuplicatesDropped => At::Idle,
                    _ => At::Advance,
                },
                _ if design == Design::ReceiptFirst => At::PutReceipt,
                _ => At::Effects,
            },
            At::Effects => {
                if let Some(Message::Chunk(own)) = worker.message {
                    self.chunks[usize::from(own)].effects = true;
                }
                match design {
                    Design::ReceiptFirst => At::Advance,
                    Design::LookBeforeReceipt => At::Others,
                    _ => At::PutReceipt,
                }
            }
            At::Others => {
                let others = (0_u8..)
                    .zip(&self.chunks)
                    .filter(|(chunk, _)| worker.message != Some(Message::Chunk(*chunk)));
                worker.last =
                    self.phase == Phase::Applying && others.into_iter().all(|(_, chunk)| chunk.receipt);
                At::PutReceipt
            }
            At::PutReceipt => {
                if let Some(Message::Chunk(own)) = worker.message {
                    let chunk = &mut self.chunks[usize::from(own)];
                    self.counter += u8::from(design == Design::CountedTogether && !chunk.receipt);
                    chunk.receipt = true;
                }
                match design {
                    Design::ReceiptFirst => At::Effects,
                    Design::CountedApart => At::Count,
                    Design::LookBeforeReceipt if worker.last => At::Complete,
                    Design::LookBeforeReceipt => At::Idle,
                    _ => At::Advance,
                }
            }
            At::Count => {
                self.counter += 1;
                At::Advance
            }
            At::SendAll => {
                worker.open = all;
                self.send(&worker);
                worker.open = 0;
                At::Seal
            }
            At::Seal if self.phase == Phase::Collecting => {
                self.phase = Phase::Applying;
                self.changed();
                if design == Design::SealWithoutLook { At::Idle } else { At::Advance }
            }
            At::Seal => At::Advance,
            At::Advance => self.advance(design, &mut worker),
            At::Receipts => self.receipts(design, &mut worker),
            At::Move if self.may_write(design, worker) => {
                (self.phase, self.handed_off) = (Phase::Verifying, false);
                self.changed();
                At::Advance
            }
            At::Move => At::Advance,
            At::HandOut => {
                self.send(&worker);
                if design == Design::NotedBeforeSent { At::Idle } else { At::Note }
            }
            At::Note => {
                let noted = self.may_write(design, worker);
                if noted {
                    self.handed_off = true;
                    self.changed();
                }
                match design {
                    Design::NotedBeforeSent if noted => At::HandOut,
                    Design::NotedBeforeSent => At::Advance,
                    // Someone else moved it on; that is theirs to hand over.
                    _ => At::Idle,
                }
            }
            At::Complete
                if self.may_write(design, worker) || design.streams() && self.phase == Phase::Applying =>
            {
                self.phase = Phase::Complete;
                self.completed += 1;
                self.changed();
                At::Idle
            }
            At::Complete if design.streams() => At::Idle,
            At::Complete => At::Load,
        };
        // What is no longer needed must not tell states apart.
        if !matches!(worker.at, At::HandOut | At::Note) {
            (worker.open, worker.verify) = (0, false);
        }
        if !matches!(worker.at, At::HandOut | At::Note | At::Move | At::Receipts | At::Complete) {
            worker.known = Known::Nothing;
        }
        worker.handed_off &= worker.at == At::Receipts;
        if worker.at == At::Idle {
            worker = Worker::default();
        }
        self.workers[index] = worker;
    }

    fn may_write(&self, design: Design, worker: Worker) -> bool {
        worker.known == Known::Fresh || design == Design::Unconditional
    }

    fn send(&mut self, worker: &Worker) {
        for message in worker.to_send() {
            *self.queued(message) += 1;
        }
    }

    fn load(&self, design: Design, worker: &mut Worker) -> At {
        match worker.message {
            _ if self.phase == Phase::Complete => At::Idle,
            Some(Message::Collect) if self.phase != Phase::Collecting => At::Advance,
            Some(Message::Collect) if design.streams() => At::SendAll,
            Some(Message::Collect) => At::Seal,
            Some(Message::Chunk(_)) if self.phase == Phase::Verifying => At::Advance,
            Some(Message::Chunk(_)) => At::OwnReceipt,
            Some(Message::Verify) if self.phase == Phase::Verifying => {
                worker.known = Known::Fresh;
                At::Complete
            }
            _ => At::Advance,
        }
    }

    fn advance(&self, design: Design, worker: &mut Worker) -> At {
        worker.known = Known::Fresh;
        match self.phase {
            Phase::Applying => {
                worker.handed_off = self.handed_off;
                At::Receipts
            }
            Phase::Verifying if !self.handed_off => {
                worker.verify = true;
                if design == Design::NotedBeforeSent { At::Note } else { At::HandOut }
            }
            _ => At::Idle,
        }
    }

    fn receipts(&self, design: Design, worker: &mut Worker) -> At {
        let open = (0_u8..).zip(&self.chunks).filter(|(_, chunk)| !chunk.receipt);
        let open = open.fold(0, |open, (index, _)| open | 1 << index);
        let done = if design.counts() { usize::from(self.counter) >= CHUNKS } else { open == 0 };
        match (done, design.streams()) {
            (true, true) => At::Complete,
            (true, false) => At::Move,
            (false, true) => At::Idle,
            (false, false) if worker.handed_off => At::Idle,
            (false, false) => {
                worker.open = open;
                if design == Design::NotedBeforeSent { At::Note } else { At::HandOut }
            }
        }
    }
}
