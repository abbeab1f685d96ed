//! Reading a range of a feed's file, one top-level object at a time.
//!
//! A range owns the objects whose first line begins in it. It begins after the first newline at or after `start − 1`,
//! skips to the first root (a line without `__parentId`), and reads past its end to the next root. So every object
//! belongs to exactly one range, however the file is cut, and memory is bounded by the largest object.
//!
//! That only holds where children stand with their parents. A child whose parent is not in its object's lines is an
//! orphan: it is counted, never guessed at, and the file is then read by [`Joined`].

mod download;
mod joined;
mod lines;

use async_trait::async_trait;

pub(super) use download::Download;
pub(super) use joined::Joined;
use lines::Lines;

use super::client::place;
use super::map::{Draft, Line};
use crate::ports::provider::{MapContext, ProviderError, RangeReader, RangeTally, SourceItem};

/// Bytes of a file, in order.
pub(super) trait ByteSource: Send {
    /// The next bytes, never none of them; `None` at the end of the file. A file that ends early is an error.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<bytes::Bytes>, ProviderError>> + Send;
}

/// Reads the objects that begin in a range.
pub(super) struct Ranged<D: Draft, S> {
    lines: Lines<S>,
    /// Objects that begin here or later belong to the next range.
    end: u64,
    /// Whether the range begins with the file.
    first: bool,
    context: MapContext,
    /// The object whose lines are coming in, with their number so far.
    current: Option<(D, u64)>,
    done: bool,
    tally: RangeTally,
}

impl<D: Draft, S: ByteSource> Ranged<D, S> {
    /// `source` must begin at [`Ranged::source_start`].
    pub(super) fn new(source: S, range: std::ops::Range<u64>, context: MapContext) -> Self {
        Self {
            lines: Lines::new(source, Self::source_start(range.start), range.start > 0),
            end: range.end,
            first: range.start == 0,
            context,
            current: None,
            done: range.is_empty(),
            tally: RangeTally::default(),
        }
    }

    /// Where the bytes of a range begin: one earlier, so that a newline just before it is seen.
    pub(super) fn source_start(start: u64) -> u64 {
        start.saturating_sub(1)
    }

    /// Reads on to the end of the current object; `None` where the range holds no other.
    async fn advance(&mut self) -> Result<Option<SourceItem>, ProviderError> {
        loop {
            let Some((offset, line)) = self.lines.next().await? else {
                (self.done, self.tally.next) = (true, self.end);
                return Ok(self.complete());
            };
            // Before the first object of the range, a line at its end or later leaves nothing to find.
            if self.current.is_none() && offset >= self.end {
                self.done = true;
                return Ok(None);
            }
            match D::read(line, &self.context).map_err(|error| malformed_line(offset, &error))? {
                Line::Root(_) if offset >= self.end => {
                    (self.done, self.tally.next) = (true, self.end);
                    return Ok(self.complete());
                }
                Line::Root(draft) => {
                    self.tally.next = offset;
                    let finished = self.complete();
                    self.current = Some((draft, 1));
                    if finished.is_some() {
                        return Ok(finished);
                    }
                }
                Line::Child(parent, child) => match &mut self.current {
                    Some((draft, lines)) => {
                        draft.add(parent, child);
                        *lines += 1;
                    }
                    // No object of an earlier range can own what stands before the first of the file.
                    None if self.first => {
                        self.tally.lines += 1;
                        self.tally.orphans += 1;
                    }
                    None => {}
                },
            }
            // In a file without grouping all the rest may be children. What was found proves it; no need to read on.
            let proved =
                self.tally.orphans > 0 || self.current.as_ref().is_some_and(|(draft, _)| draft.is_overrun());
            if proved && offset >= self.end {
                (self.done, self.tally.next) = (true, self.end);
                return Ok(self.complete());
            }
        }
    }

    fn complete(&mut self) -> Option<SourceItem> {
        let (draft, lines) = self.current.take()?;
        let (item, orphans) = draft.finish();
        self.tally.lines += lines;
        self.tally.roots += 1;
        self.tally.orphans += orphans;
        Some(item)
    }
}

/// A line that cannot be read: where it begins and what is wrong with it, never what it says.
fn malformed_line(offset: u64, error: &serde_json::Error) -> ProviderError {
    ProviderError::Malformed { why: format!("the line at byte {offset} of the result: {}", place(error)) }
}

#[async_trait]
impl<D: Draft, S: ByteSource> RangeReader for Ranged<D, S> {
    async fn next(&mut self) -> Result<Option<SourceItem>, ProviderError> {
        let item = if self.done { None } else { self.advance().await? };
        self.tally.bytes = self.lines.bytes();
        Ok(item)
    }

    fn tally(&self) -> RangeTally {
        self.tally
    }
}

#[cfg(test)]
mod tests;
