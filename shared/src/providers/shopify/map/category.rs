//! Collections with their members and, where they have rules, the rules as they came.
//!
//! Since 2026-07 a collection consists of sources; `ruleSet` is deprecated and may lose something. A collection is
//! smart as soon as any source picks products by conditions or takes them over from other collections.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::product::wire::Seo;
use super::{Codes, Count, Draft, Line, file_address, miscounted, parse, root_id, text};
use crate::domain::record::{Child, Kind, Record, Resource};
use crate::domain::warning::Code;
use crate::ports::provider::{MapContext, SourceItem};
use crate::providers::shopify::gid::{Gid, GidKind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeedLine {
    id: Gid,
    #[serde(rename = "__parentId")]
    parent: Option<Gid>,
    title: Option<String>,
    description_html: Option<String>,
    handle: Option<String>,
    sort_order: Option<String>,
    template_suffix: Option<String>,
    image: Option<Image>,
    seo: Option<Seo>,
    products_count: Option<Count>,
    sources: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    url: Option<String>,
    alt_text: Option<String>,
}

/// A collection while its lines come in.
pub(in crate::providers::shopify) struct CategoryDraft {
    id: u64,
    record: Record,
    products_count: Option<Count>,
    /// Numbers only: a collection may hold a million.
    members: Vec<u64>,
    orphans: u64,
    codes: Codes,
}

impl Draft for CategoryDraft {
    type Child = u64;

    fn read(line: &[u8], _: &MapContext) -> Result<Line<Self, u64>, serde_json::Error> {
        let line: FeedLine = parse(line)?;
        match line.parent {
            Some(parent) => Ok(Line::Child(parent, line.id.id)),
            None => Ok(Line::Root(Self::begin(line)?)),
        }
    }

    fn add(&mut self, parent: Gid, member: u64) {
        if parent.kind == GidKind::Collection && parent.id == self.id {
            self.members.push(member);
        } else {
            self.orphans += 1;
        }
    }

    fn is_overrun(&self) -> bool {
        self.orphans > 0
    }

    fn finish(mut self) -> (SourceItem, u64) {
        let truncated = miscounted(self.products_count.as_ref(), self.members.len());
        let mut seen = HashSet::with_capacity(self.members.len());
        let members = self
            .members
            .into_iter()
            .filter(|member| seen.insert(*member))
            .map(|member| Child { id: member.to_string(), values: Vec::new(), missing_since: None })
            .collect();
        self.record.children = vec![members];
        let label = self.record.values[0].as_str().unwrap_or_default().to_owned();
        let item = SourceItem {
            external_id: self.id,
            label,
            records: vec![(Kind::Category, self.record)],
            codes: self.codes.sorted(),
            truncated,
        };
        (item, self.orphans)
    }
}

impl CategoryDraft {
    fn begin(line: FeedLine) -> Result<Self, serde_json::Error> {
        let id = root_id(line.id, GidKind::Collection)?;
        let mut codes = Codes::default();
        let sources = line.sources.unwrap_or_default();
        let smart = sources.iter().any(picks_products);
        codes.raise_if(smart, Resource::Categories, Code::ColSmartFrozen);
        codes.raise_if(sources.iter().any(is_unknown), Resource::Categories, Code::FldUnsupported);
        let rules = if smart { canonical(Value::Array(sources)) } else { Value::Null };
        let (image_url, image_alt) = line.image.map_or((None, None), |image| (image.url, image.alt_text));
        let (seo_title, seo_description) = line.seo.map_or((None, None), |seo| (seo.title, seo.description));
        let record = Record {
            kind: Kind::Category,
            values: vec![
                text(line.title),
                text(line.description_html),
                text(line.handle),
                Value::String(if smart { "smart" } else { "manual" }.to_owned()),
                text(line.sort_order),
                rules,
                text(image_url.map(file_address)),
                text(image_alt),
                text(seo_title),
                text(seo_description),
                text(line.template_suffix),
            ],
            children: Vec::new(),
        };
        Ok(Self { id, record, products_count: line.products_count, members: Vec::new(), orphans: 0, codes })
    }
}

fn type_name(value: &Value) -> &str {
    value.get("__typename").and_then(Value::as_str).unwrap_or_default()
}

fn conditions<'a>(source: &'a Value, side: &str) -> impl Iterator<Item = &'a Value> {
    source.get(side).and_then(|side| side.get("conditions")).and_then(Value::as_array).into_iter().flatten()
}

/// Whether the members that a source contributes follow from a rule rather than from a person's choice.
fn picks_products(source: &Value) -> bool {
    match type_name(source) {
        "CollectionConditionsSource" => {
            conditions(source, "inclusion").next().is_some()
                || conditions(source, "exclusion").next().is_some()
        }
        _ => true,
    }
}

/// Whether a source, or a condition in it, is of a type that this version of the API does not name.
fn is_unknown(source: &Value) -> bool {
    let known = matches!(type_name(source), "CollectionConditionsSource" | "CollectionSubCollectionsSource");
    !known
        || conditions(source, "inclusion")
            .chain(conditions(source, "exclusion"))
            .any(|condition| type_name(condition).ends_with("ConditionUnknown"))
}

/// The same value with the keys of objects in order and without nulls, so that it always reads and hashes the same.
fn canonical(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.into_iter().map(canonical).collect()),
        Value::Object(object) => {
            let mut members: Vec<(String, Value)> =
                object.into_iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().map(|(key, value)| (key, canonical(value))).collect())
        }
        other => other,
    }
}
