//! Tenants, runs and records to check rules with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::adapters::system::SystemRandom;
use crate::domain::changes::Changes;
use crate::domain::connection::{Connector, Installation, LooseEnd, Method, PendingConnect};
use crate::domain::decision::{Decision, Decisions, ExternalId};
use crate::domain::drift::StockSides;
use crate::domain::ids::{InstallId, InvalidId, ProviderId, RunId, ShopDomain, ShopId, StoreId};
use crate::domain::media::{CopyTally, Copying, CopyingState};
use crate::domain::options::{MassMissing, NegativeStock, OnMissing, RunOptions};
use crate::domain::plan::{CodeCounts, Counts, Outcome};
use crate::domain::record::{
    Child, Kind, MAPPER_VERSION, Record, RecordKey, Resource, Source, Standing, StoredRecord,
};
use crate::domain::run::{ChunkId, Cost, Feed, PageSpan, Phase, Receipt, Run, RunKind, RunState, Wanted};
use crate::domain::scopes::Scopes;
use crate::domain::warning::Code;
use crate::ports::time::Random as _;

/// The provider of all samples.
pub const PROVIDER: ProviderId = ProviderId::Shopify;

/// A moment, in seconds after some other.
pub fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

/// A uuid that nobody else has; sorts by `seconds`.
pub fn uuid(seconds: u64) -> Uuid {
    SystemRandom.uuid(at(seconds))
}

/// A tenant that nobody else has.
pub fn store() -> Result<StoreId, InvalidId> {
    StoreId::for_test(&format!("t-{}", uuid(0).simple()))
}

/// A shop that nobody else has.
pub fn shop() -> ShopDomain {
    ShopDomain::accepted(format!("shop-{}.myshopify.com", uuid(0).simple()))
}

/// An installation that nobody else has.
pub fn install() -> InstallId {
    InstallId::new(uuid(0))
}

/// Where sample records come from.
pub const SOURCE: Source = Source { provider: PROVIDER, shop_id: ShopId(4_242) };

/// A run that is queued.
pub fn run(store: &StoreId, seconds: u64) -> Run {
    Run {
        store: store.clone(),
        provider: PROVIDER,
        id: RunId::new(uuid(seconds)),
        revision: 1,
        kind: RunKind::Import,
        state: RunState::Queued,
        of_run: None,
        from_preview: None,
        undone_by: None,
        asked: Some(u64::MAX),
        source: SOURCE,
        shop_domain: shop(),
        install: install(),
        currency: Some("EUR".to_owned()),
        wanted: BTreeSet::from(Wanted::ALL),
        blocked: BTreeMap::from([(Wanted::Stock, Scopes::parse("read_inventory,read_locations"))]),
        options: RunOptions {
            limit: Some(3),
            on_missing: OnMissing::Archive,
            inactive_locations: true,
            negative_stock: NegativeStock::Clamp,
            copy_media: true,
        },
        mass_missing: Some(MassMissing::Leave),
        decisions: {
            let mut decisions = Decisions::default();
            decisions.add(Decision::CreateWarehouse { external_id: ExternalId(7) });
            decisions
        },
        requested_by: "someone".to_owned(),
        created_at: at(seconds),
        updated_at: at(seconds),
        finished_at: None,
        cancel_requested: false,
        feeds: BTreeMap::new(),
        generation: 0,
        stage: 0,
        handed_off: false,
        poll_hop: 0,
        woken_at: None,
        state_since: at(seconds),
        announced: BTreeMap::from([(Resource::Products, 7)]),
        counts: Counts::default(),
        not_applied: Counts([(Resource::Media, [(Outcome::Created, 2)].into())].into()),
        warnings: CodeCounts::new(),
        cost: Cost { catalogue_writes: 1, write_units: 2, read_units: 3.5 },
        drift: None,
        failure: None,
        copying: Some(copying()),
    }
}

/// Copying that is under way.
pub fn copying() -> Copying {
    let codes = CodeCounts::from([(Code::MedFetchFailed, 1)]);
    Copying {
        state: CopyingState::Retrying,
        hop: 3,
        cursor: Some("here".to_owned()),
        done: 4,
        again: vec!["51".to_owned()],
        tally: CopyTally { files: 3, copied: 1, kept: 1, bytes: 9, codes },
    }
}

/// A receipt for a chunk.
pub fn receipt(phase: Phase, generation: u32, index: u32) -> Receipt {
    let mut counts = Counts::default();
    counts.add(Resource::Products, Outcome::Created, 3);
    Receipt {
        phase,
        generation,
        chunk: ChunkId { feed: Feed::Products, index },
        lines: 9,
        roots: 3,
        orphans: 0,
        whole: true,
        skipped: false,
        counts,
        warnings: CodeCounts::new(),
        cost: Cost { read_units: 0.5, ..Cost::default() },
        pages: vec![PageSpan { first: 1, last: 5, entries: 3, number: Some(7) }],
        result_pages: 0,
        journal_pages: 1,
        stock: StockSides::default(),
        changes: Changes::default(),
    }
}

/// The key of a sample record.
pub fn key(kind: Kind, external_id: u64) -> RecordKey {
    RecordKey { source: SOURCE, kind, external_id }
}

/// So many letters of two bytes each that cannot be deflated much.
fn noise(seed: usize, letters: usize) -> String {
    let letter = |at: usize| 0x100 + (xxh3_64_with_seed(&at.to_le_bytes(), seed as u64) & 0x3ff) as u32;
    (0..letters).filter_map(|at| char::from_u32(letter(at))).collect()
}

/// A record whose children's values are this long in all, about.
pub fn record(key: RecordKey, version: u64, title: &str, bytes: usize) -> StoredRecord {
    let shape = key.kind.shape();
    let mut record = Record::empty(key.kind);
    if let Some(first) = record.values.first_mut() {
        *first = Value::from(title);
    }
    if let (Some(list), Some(children)) = (shape.children.first(), record.children.first_mut()) {
        let mut left = bytes;
        while left > 0 {
            let mut values = vec![Value::Null; list.fields.len()];
            if let Some(last) = values.last_mut() {
                *last = Value::from(noise(children.len(), left.min(400) / 2));
            }
            children.push(Child { id: children.len().to_string(), values, missing_since: None });
            left = left.saturating_sub(400);
        }
    }
    let (digest, base) = record.fingerprint();
    StoredRecord {
        key,
        version,
        written_run: RunId::new(uuid(version)),
        standing: Standing::Active,
        digest,
        base,
        mapper: MAPPER_VERSION,
        record,
        local: None,
    }
}

/// A connector that is live at this shop.
pub fn connector(store: &StoreId, shop: &ShopDomain, install: &InstallId) -> Connector {
    let mut connector = Connector::new(store.clone(), PROVIDER, at(0));
    let installation = Installation {
        id: install.clone(),
        shop: shop.clone(),
        shop_id: SOURCE.shop_id,
        shop_name: "Café".to_owned(),
        primary_domain: "cafe.example".to_owned(),
        currency: "EUR".to_owned(),
        plan: "Basic".to_owned(),
        scopes: Scopes::parse("read_products,read_inventory"),
        connected_at: at(1),
        method: Method::Oauth,
    };
    connector.take_installation(installation, at(1));
    connector
}

/// A loose end of an installation, due at a second.
pub fn loose_end(store: &StoreId, shop: &ShopDomain, install: &InstallId, due: u64) -> LooseEnd {
    LooseEnd {
        store: store.clone(),
        provider: PROVIDER,
        install: install.clone(),
        shop: shop.clone(),
        remove_app: true,
        entry: None,
        due: at(due),
    }
}

/// An attempt to connect that ends at second 600.
pub fn pending(store: &StoreId, shop: &ShopDomain) -> PendingConnect {
    PendingConnect {
        state_hash: uuid(0).simple().to_string(),
        cookie_hash: uuid(0).simple().to_string(),
        store: store.clone(),
        provider: PROVIDER,
        shop: shop.clone(),
        subject: "someone".to_owned(),
        created_at: at(0),
        expires_at: at(600),
    }
}
