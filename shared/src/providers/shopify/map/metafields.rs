//! Metafields of products and their variants, kept raw: one record per product.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::{Codes, Draft, Line, Waiting, parse, root_id, text};
use crate::domain::record::{Child, Kind, Record, Resource};
use crate::domain::warning::Code;
use crate::ports::provider::{MapContext, SourceItem};
use crate::providers::shopify::gid::{Gid, GidKind};

#[derive(Deserialize)]
struct FeedLine {
    id: Gid,
    #[serde(rename = "__parentId")]
    parent: Option<Gid>,
    title: Option<String>,
    namespace: Option<String>,
    key: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    value: Option<String>,
}

/// What a line below a product holds.
pub(in crate::providers::shopify) enum MetafieldsChild {
    /// A variant, there only to be found by its metafields.
    Variant(u64),
    /// A metafield: its number and its values but for the owner.
    Metafield(u64, Vec<Value>),
    /// Something that the document did not ask for.
    Unknown,
}

/// The metafields of a product while their lines come in.
pub(in crate::providers::shopify) struct MetafieldsDraft {
    id: u64,
    label: String,
    variants: HashSet<u64>,
    metafields: Vec<(u64, Child)>,
    codes: Codes,
    waiting: Waiting<MetafieldsChild>,
}

impl Draft for MetafieldsDraft {
    type Child = MetafieldsChild;

    fn read(line: &[u8], _: &MapContext) -> Result<Line<Self, MetafieldsChild>, serde_json::Error> {
        let line: FeedLine = parse(line)?;
        let Some(parent) = line.parent else {
            return Ok(Line::Root(Self {
                id: root_id(line.id, GidKind::Product)?,
                label: line.title.unwrap_or_default(),
                variants: HashSet::new(),
                metafields: Vec::new(),
                codes: Codes::default(),
                waiting: Waiting::new(),
            }));
        };
        let child = match line.id.kind {
            GidKind::ProductVariant => MetafieldsChild::Variant(line.id.id),
            GidKind::Metafield => {
                let values = vec![
                    Value::Null,
                    text(line.namespace),
                    text(line.key),
                    text(line.type_name),
                    text(line.value),
                ];
                MetafieldsChild::Metafield(line.id.id, values)
            }
            _ => MetafieldsChild::Unknown,
        };
        Ok(Line::Child(parent, child))
    }

    fn add(&mut self, parent: Gid, child: MetafieldsChild) {
        if let Some((parent, child)) = self.place(parent, child) {
            self.waiting.push(parent, child);
        }
    }

    fn is_overrun(&self) -> bool {
        self.waiting.dropped > 0
    }

    fn finish(mut self) -> (SourceItem, u64) {
        let waiting = std::mem::take(&mut self.waiting.children);
        let mut orphans = self.waiting.dropped;
        for (parent, child) in waiting {
            orphans += u64::from(self.place(parent, child).is_some());
        }
        self.metafields.sort_by_key(|(id, _)| *id);
        self.codes.raise_if(!self.metafields.is_empty(), Resource::Metafields, Code::FldMetafieldUnmapped);
        let metafields = self.metafields.into_iter().map(|(_, metafield)| metafield).collect();
        let record = Record { kind: Kind::Metafields, values: Vec::new(), children: vec![metafields] };
        let item = SourceItem {
            external_id: self.id,
            label: self.label,
            records: vec![(Kind::Metafields, record)],
            codes: self.codes.sorted(),
            truncated: false,
        };
        (item, orphans)
    }
}

impl MetafieldsDraft {
    /// Takes a child, or gives it back where its parent is not there.
    fn place(&mut self, parent: Gid, child: MetafieldsChild) -> Option<(Gid, MetafieldsChild)> {
        let owner = match parent.kind {
            GidKind::Product if parent.id == self.id => format!("product:{}", parent.id),
            GidKind::ProductVariant if self.variants.contains(&parent.id) => format!("variant:{}", parent.id),
            _ => return Some((parent, child)),
        };
        match child {
            MetafieldsChild::Variant(id) => {
                self.variants.insert(id);
            }
            MetafieldsChild::Metafield(id, mut values) => {
                values[0] = Value::String(owner);
                self.metafields.push((id, Child { id: id.to_string(), values, missing_since: None }));
            }
            MetafieldsChild::Unknown => self.codes.raise(Resource::Metafields, Code::FldUnsupported),
        }
        None
    }
}
