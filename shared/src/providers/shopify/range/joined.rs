//! Reading a whole file whose children do not stand with their parents.

use std::ops::Range;

use async_trait::async_trait;
use serde::Deserialize;

use super::lines::Lines;
use super::{ByteSource, malformed_line};
use crate::ports::provider::{
    MAX_JOINED_BYTES, MapContext, ProviderError, RangeReader, RangeTally, SourceItem,
};
use crate::providers::shopify::gid::Gid;
use crate::providers::shopify::map::{Draft, Line};

/// A line in the text of the file.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Where it begins in the text that is kept.
    begin: usize,
    length: usize,
    /// Where it begins in the file, for messages.
    offset: u64,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.begin..self.begin + self.length
    }
}

#[derive(Deserialize)]
struct Head {
    id: Gid,
    #[serde(rename = "__parentId")]
    parent: Option<Gid>,
}

/// The file in memory with its children by parent.
#[derive(Default)]
struct Index {
    text: Vec<u8>,
    roots: Vec<(Gid, Span)>,
    /// Parent, child and line, sorted by parent; children of one parent in the order of the file.
    children: Vec<(Gid, Gid, Span)>,
    /// Children that belong to a root given out.
    joined: u64,
    next: usize,
}

/// Reads a whole file into memory and joins children to their parents wherever they stand.
pub(crate) struct Joined<D, S> {
    source: Option<S>,
    context: MapContext,
    index: Index,
    tally: RangeTally,
    draft: std::marker::PhantomData<fn() -> D>,
}

impl<D: Draft, S: ByteSource> Joined<D, S> {
    /// `source` must begin at the file's first byte.
    pub(crate) fn new(source: S, context: MapContext) -> Self {
        Self {
            source: Some(source),
            context,
            index: Index::default(),
            tally: RangeTally::default(),
            draft: std::marker::PhantomData,
        }
    }

    async fn load(&mut self, source: S) -> Result<(), ProviderError> {
        let mut lines = Lines::new(source, 0, false);
        let index = &mut self.index;
        while let Some((offset, line)) = lines.next().await? {
            let head: Head = serde_json::from_slice(line).map_err(|error| malformed_line(offset, &error))?;
            let span = Span { begin: index.text.len(), length: line.len(), offset };
            if index.text.len() as u64 + line.len() as u64 > MAX_JOINED_BYTES {
                return Err(ProviderError::Malformed { why: "a file too large to be joined".to_owned() });
            }
            index.text.extend_from_slice(line);
            match head.parent {
                None => index.roots.push((head.id, span)),
                Some(parent) => index.children.push((parent, head.id, span)),
            }
        }
        // Stable, so that children keep their order.
        index.children.sort_by_key(|(parent, _, _)| *parent);
        self.tally.bytes = lines.bytes();
        Ok(())
    }

    fn read(&self, span: Span) -> Result<Line<D, D::Child>, ProviderError> {
        D::read(&self.index.text[span.range()], &self.context)
            .map_err(|error| malformed_line(span.offset, &error))
    }

    /// Adds the children of a parent, and theirs.
    fn gather(&self, parent: Gid, draft: &mut D, depth: u32) -> Result<u64, ProviderError> {
        let children = &self.index.children;
        let from = children.partition_point(|(of, _, _)| *of < parent);
        let mut gathered = 0;
        for (_, id, span) in children[from..].iter().take_while(|(of, _, _)| *of == parent) {
            if let Line::Child(parent, child) = self.read(*span)? {
                draft.add(parent, child);
                gathered += 1;
            }
            // Bulk queries nest two levels deep; an id that is its own ancestor must not lead in circles.
            if depth < 2 {
                gathered += self.gather(*id, draft, depth + 1)?;
            }
        }
        Ok(gathered)
    }
}

#[async_trait]
impl<D: Draft, S: ByteSource> RangeReader for Joined<D, S> {
    async fn next(&mut self) -> Result<Option<SourceItem>, ProviderError> {
        if let Some(source) = self.source.take() {
            self.load(source).await?;
        }
        let Some((id, span)) = self.index.roots.get(self.index.next).copied() else {
            // What no root has taken has no parent anywhere in the file.
            let orphans = (self.index.children.len() as u64).saturating_sub(self.index.joined);
            self.tally.lines += orphans;
            self.tally.orphans += orphans;
            self.index.joined += orphans;
            return Ok(None);
        };
        self.index.next += 1;
        let Line::Root(mut draft) = self.read(span)? else {
            return Err(ProviderError::Malformed {
                why: format!("the line at byte {} is no root", span.offset),
            });
        };
        let gathered = self.gather(id, &mut draft, 1)?;
        self.index.joined += gathered;
        let (item, orphans) = draft.finish();
        self.tally.lines += 1 + gathered;
        self.tally.roots += 1;
        self.tally.orphans += orphans;
        Ok(Some(item))
    }

    fn tally(&self) -> RangeTally {
        self.tally
    }
}
