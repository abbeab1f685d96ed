//! Every key of every table. A partition of a store's data begins with `S#{store}`; what is looked up before the store
//! is known (states, claims, leases) has prefixes of its own.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::ids::{InstallId, ProviderId, RunId, ShopDomain, ShopId, StoreId};
use crate::domain::lookalike::Mark;
use crate::domain::media::{ContentHash, MediaKey};
use crate::domain::notice::Subject;
use crate::domain::push::state::KeyHash;
use crate::domain::push::target::Stream;
use crate::domain::record::{Kind, RecordKey, Source};
use crate::domain::run::{ChunkId, Phase};
use crate::ports::push_store::Mention;
use crate::ports::runs::PageKey;
use crate::ports::webhooks::WebhookMessage;

/// Partition key and sort key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Partition.
    pub pk: String,
    /// Place in it.
    pub sk: String,
}

/// Name of the keys-only index of the catalogue by external id: `gpk`, `gsk`.
pub const EXTERNAL_INDEX: &str = "by_external";
/// Name of the keys-only index of the connectors table by when something is due: `gpk`, `gsk`.
pub const DUE_INDEX: &str = "by_due";
/// Name of the keys-only index of the runs table by when a run that is active began: `gpk`, `gsk`.
pub const ACTIVE_INDEX: &str = "by_start";
/// Number of partitions that active runs are spread over.
pub const ACTIVE_SHARDS: u8 = 4;
/// Number of partitions that what is due is spread over.
pub const DUE_SHARDS: u8 = 4;
/// Number of partitions that a kind of record is spread over, so that no partition limits bulk writes.
pub const SHARDS: u8 = 16;
/// What the sort keys of entries of history begin with.
pub const HISTORY_PREFIX: &str = "H#";
/// What the sort keys of run headers begin with.
pub const RUN_PREFIX: &str = "RUN#";

/// The partition of a store's connectors and their loose ends.
pub fn of_store(store: &StoreId) -> String {
    format!("S#{store}")
}

/// A store's connector to a provider.
pub fn connector(store: &StoreId, provider: ProviderId) -> Key {
    Key { pk: of_store(store), sk: format!("CONNECTOR#{provider}") }
}

/// What the sort keys of a connector's loose ends begin with.
pub fn loose_ends(provider: ProviderId) -> String {
    format!("LOOSE#{provider}#")
}

/// The loose end of an installation.
pub fn loose_end(store: &StoreId, provider: ProviderId, install: &InstallId) -> Key {
    Key { pk: of_store(store), sk: format!("{}{install}", loose_ends(provider)) }
}

/// The partition of one shard of what is due.
pub fn of_due(shard: u8) -> String {
    format!("DUE#{shard:02}")
}

/// The place of a connector, or of an installation's loose end, in the index of what is due.
pub fn due(store: &StoreId, provider: ProviderId, install: Option<&InstallId>, at: Timestamp) -> Key {
    let shard = Sha256::digest(store.as_str().as_bytes())[0] % DUE_SHARDS;
    let whose = install.map_or_else(|| format!("{store}#{provider}"), InstallId::to_string);
    Key { pk: of_due(shard), sk: format!("{:012}#{whose}", at.as_second()) }
}

/// What comes after everything that is due at a moment.
pub fn due_before(now: Timestamp) -> String {
    format!("{:012}", now.as_second() + 1)
}

/// The state of a connect attempt.
pub fn state(hash: &str) -> Key {
    Key { pk: format!("STATE#{hash}"), sk: "STATE".to_owned() }
}

/// The claim on a shop.
pub fn claim(provider: ProviderId, shop: &ShopDomain) -> Key {
    Key { pk: format!("CLAIM#{provider}#{shop}"), sk: "CLAIM".to_owned() }
}

/// The lease to refresh an installation's token.
pub fn lease(install: &InstallId) -> Key {
    Key { pk: format!("LEASE#{install}"), sk: "LEASE".to_owned() }
}

/// One entry of a connector's history, by its number.
pub fn history(store: &StoreId, provider: ProviderId, seq: u64) -> Key {
    Key { pk: of_connector(store, provider), sk: format!("{HISTORY_PREFIX}{seq:012}") }
}

/// The mark that an entry of this id is in a connector's history.
pub fn history_mark(store: &StoreId, provider: ProviderId, id: &str) -> Key {
    Key { pk: of_connector(store, provider), sk: format!("ID#{id}") }
}

/// The address at which a shop reaches us, by the hash of its key.
pub fn hook(key_hash: &str) -> Key {
    Key { pk: format!("HOOK#{key_hash}"), sk: "HOOK".to_owned() }
}

/// The partition of an installation's addresses.
pub fn of_install(install: &InstallId) -> String {
    format!("HOOKS#{install}")
}

/// One of an installation's addresses.
pub fn hook_of(install: &InstallId, key_hash: &str) -> Key {
    Key { pk: of_install(install), sk: key_hash.to_owned() }
}

/// That a message was dealt with. Its id comes from outside, so only a hash over it and its owner is stored: no shop
/// can make another's message look old.
pub fn done(message: &WebhookMessage) -> Key {
    let owner = message.owner.as_ref().map_or(message.shop.as_str(), |owner| owner.install.as_str());
    let hash = Sha256::digest(format!("{}\n{owner}\n{}", message.provider, message.id).as_bytes());
    Key { pk: format!("DONE#{}", hex::encode(hash)), sk: "DONE".to_owned() }
}

/// What a store's shop has told us.
pub fn signals(store: &StoreId, provider: ProviderId, shop: ShopId) -> Key {
    Key { pk: format!("S#{store}"), sk: format!("SIGNALS#{provider}#{shop}") }
}

/// The partition of the stores that were connected to a shop.
pub fn of_shop(provider: ProviderId, shop: ShopId) -> String {
    format!("SHOP#{provider}#{shop}")
}

/// A store that was connected to a shop.
pub fn shop_store(provider: ProviderId, shop: ShopId, store: &StoreId) -> Key {
    Key { pk: of_shop(provider, shop), sk: format!("S#{store}") }
}

/// The partition of what a table holds about a customer of a shop, or about one of its orders. Whoever stores
/// anything about a person stores it here, or it is never found when that person asks.
pub fn of_person(store: &StoreId, provider: ProviderId, shop: ShopId, subject: Subject) -> String {
    let (who, number) = match subject {
        Subject::Customer(number) => ("customer", number),
        Subject::Order(number) => ("order", number),
    };
    format!("S#{store}#{provider}#{shop}#{who}#{number}")
}

/// That the image of a row of a push is about a person.
pub fn mention(store: &StoreId, provider: ProviderId, shop: ShopId, mention: &Mention) -> Key {
    let Mention { subject, run, page, seq } = mention;
    Key { pk: of_person(store, provider, shop, *subject), sk: format!("IMAGE#{run}#{page:010}#{seq:020}") }
}

/// The partition of a connector's history; of its runs and of its mappings in tables of their own.
pub fn of_connector(store: &StoreId, provider: ProviderId) -> String {
    format!("S#{store}#{provider}")
}

/// What the sort keys of the revisions of a stream's mapping begin with.
pub fn mappings(stream: Stream) -> String {
    format!("MAPPING#{}#", stream.as_str())
}

/// A revision of a stream's mapping.
pub fn mapping(store: &StoreId, provider: ProviderId, stream: Stream, revision: u32) -> Key {
    Key { pk: of_connector(store, provider), sk: format!("{}{revision:010}", mappings(stream)) }
}

/// The header of a run.
pub fn run(store: &StoreId, provider: ProviderId, run: &RunId) -> Key {
    Key { pk: of_connector(store, provider), sk: format!("{RUN_PREFIX}{run}") }
}

/// The lock that the running run holds.
pub fn lock(store: &StoreId, provider: ProviderId) -> Key {
    Key { pk: of_connector(store, provider), sk: "ACTIVE".to_owned() }
}

/// The partition of one shard of the runs that are active.
pub fn of_active(shard: u8) -> String {
    format!("ACTIVE#{shard:02}")
}

/// The place of a run in the index of those that are active.
pub fn active(store: &StoreId, run: &RunId, began: Timestamp) -> Key {
    let shard = Sha256::digest(store.as_str().as_bytes())[0] % ACTIVE_SHARDS;
    Key { pk: of_active(shard), sk: format!("{:012}#{run}", began.as_second()) }
}

/// What comes after a place in the index of active runs, and before the next; before all of them where there is none.
pub fn active_after(place: Option<&str>) -> String {
    place.map_or_else(|| "0".to_owned(), |place| format!("{place}!"))
}

/// What comes after every run that began before a moment.
pub fn started_before(moment: Timestamp) -> String {
    format!("{:012}", moment.as_second())
}

/// What an idempotency key began. Keys come from callers, so only their hash is stored.
pub fn idempotency(store: &StoreId, provider: ProviderId, key: &str) -> Key {
    let hash = hex::encode(Sha256::digest(key.as_bytes()));
    Key { pk: of_connector(store, provider), sk: format!("IDEM#{hash}") }
}

/// The partition of a run's receipts.
pub fn of_run(store: &StoreId, run: &RunId) -> String {
    format!("S#{store}#{run}")
}

/// What the sort keys of the receipts of a phase and generation begin with.
pub fn receipts(phase: Phase, generation: u32) -> String {
    format!("RECEIPT#{}#{generation:06}#", phase.as_str())
}

/// A receipt.
pub fn receipt(store: &StoreId, run: &RunId, phase: Phase, generation: u32, chunk: ChunkId) -> Key {
    Key { pk: of_run(store, run), sk: format!("{}{chunk}", receipts(phase, generation)) }
}

/// What the sort keys of the pieces of the lines of a page of a push begin with.
pub fn lines(page: u32) -> String {
    format!("LINES#{page:010}#")
}

/// A piece of the lines of a page of a push.
pub fn lines_piece(store: &StoreId, run: &RunId, page: u32, piece: usize) -> Key {
    Key { pk: of_run(store, run), sk: format!("{}{piece:04}", lines(page)) }
}

/// What the sort keys of the images of a page of a push begin with.
pub fn images(page: u32) -> String {
    format!("IMAGES#{page:010}#")
}

/// A piece of a part of the images of a page of a push.
pub fn images_piece(store: &StoreId, run: &RunId, page: u32, part: u32, piece: usize) -> Key {
    Key { pk: of_run(store, run), sk: self::piece(&format!("{}{part:010}", images(page)), piece) }
}

/// The sort key of a piece of a whole.
pub fn piece(whole: &str, piece: usize) -> String {
    format!("{whole}#{piece:04}")
}

/// What is known of a key that rows were written under. Each has a partition of its own: a page of rows asks for
/// hundreds at once.
pub fn key_state(store: &StoreId, provider: ProviderId, key: &KeyHash) -> Key {
    Key { pk: format!("S#{store}#{provider}#KEY#{}", key.as_str()), sk: "KEY".to_owned() }
}

/// The budget of a store's shop.
pub fn budget(store: &StoreId, provider: ProviderId) -> Key {
    Key { pk: of_connector(store, provider), sk: "BUDGET".to_owned() }
}

/// What the sort keys of the names of a store's destinations begin with.
pub const DESTINATION_PREFIX: &str = "DESTINATION#";

/// The key of a destination.
pub fn destination(id: &str) -> Key {
    Key { pk: format!("{DESTINATION_PREFIX}{id}"), sk: "DESTINATION".to_owned() }
}

/// The name of a destination among those of its store.
pub fn destination_of(store: &StoreId, provider: ProviderId, id: &str) -> Key {
    Key { pk: of_connector(store, provider), sk: format!("{DESTINATION_PREFIX}{id}") }
}

/// A page of a run.
pub fn page(store: &StoreId, key: &PageKey) -> Key {
    Key {
        pk: format!("S#{store}#{}#{}", key.run, key.chunk),
        sk: format!("{}#{:06}#{:06}", key.kind.as_str(), key.generation, key.number),
    }
}

/// The shard of a record. The first digit of its id, so that shard order is the order of ids.
pub fn shard(id: Uuid) -> u8 {
    id.as_bytes()[0] >> 4
}

/// The partition of one shard of a kind of record.
pub fn of_kind(store: &StoreId, kind: Kind, shard: u8) -> String {
    format!("S#{store}#{}#{shard:02}", kind.as_str())
}

/// A record.
pub fn record(store: &StoreId, kind: Kind, id: Uuid) -> Key {
    Key { pk: of_kind(store, kind, shard(id)), sk: id.simple().to_string() }
}

/// The partition of one shard of the marks of records made here.
pub fn of_marks(store: &StoreId, provider: ProviderId, kind: Kind, mark: Mark) -> String {
    format!("S#{store}#{provider}#{}#MARK#{:02}", kind.as_str(), mark % u64::from(SHARDS))
}

/// What the sort keys of the records that bear a mark begin with.
pub fn marked(mark: Mark) -> String {
    format!("{mark:016x}#")
}

/// A mark of a record made here.
pub fn mark(store: &StoreId, local: &RecordKey, mark: Mark) -> Key {
    Key {
        pk: of_marks(store, local.source.provider, local.kind, mark),
        sk: format!("{}{}", marked(mark), external(local.external_id)),
    }
}

/// The number of the record that a sort key of a mark names.
pub fn number_marked(sk: &str) -> Option<u64> {
    sk.split_once('#')?.1.parse().ok()
}

/// The partition of the pages of a record that is too large for one item.
pub fn of_pages(store: &StoreId, id: Uuid) -> String {
    format!("S#{store}#PAGE#{}", id.simple())
}

/// What the sort keys of the pages of one generation begin with.
pub fn pages_of(generation: &str) -> String {
    format!("{generation}#")
}

/// A page of a record.
pub fn record_page(store: &StoreId, id: Uuid, generation: &str, number: usize) -> Key {
    Key { pk: of_pages(store, id), sk: format!("{}{number:04}", pages_of(generation)) }
}

/// Whether records of a kind stand in the index. Stock and metafields carry their product's id and are found by it.
pub fn indexed(kind: Kind) -> bool {
    matches!(kind, Kind::Warehouse | Kind::Product | Kind::Category)
}

/// The kind whose index holds the external ids of a kind.
pub fn indexed_as(kind: Kind) -> Kind {
    if indexed(kind) { kind } else { Kind::Product }
}

/// The partition of one shard of the index.
pub fn of_external(store: &StoreId, source: Source, kind: Kind, shard: u8) -> String {
    format!("S#{store}#{}#{}#{}#{shard:02}", source.provider, source.shop_id, kind.as_str())
}

/// The place of an external id in its partition of the index.
pub fn external(id: u64) -> String {
    format!("{id:020}")
}

/// The key of a record in the index; none where its kind is not indexed.
pub fn index(store: &StoreId, key: &RecordKey) -> Option<Key> {
    indexed(key.kind).then(|| Key {
        pk: of_external(store, key.source, key.kind, shard(key.internal_id(store))),
        sk: external(key.external_id),
    })
}

/// What links a medium to its copy.
pub fn media(store: &StoreId, key: &MediaKey) -> Key {
    let Source { provider, shop_id } = key.source;
    Key { pk: format!("S#{store}#MEDIA#{provider}#{shop_id}#{}", key.id), sk: "LINK".to_owned() }
}

/// What is known of a content of a store's.
pub fn object(store: &StoreId, hash: &ContentHash) -> Key {
    Key { pk: format!("S#{store}#OBJECT#{}", hash.as_str()), sk: "OBJECT".to_owned() }
}

/// The partition of the index with the media of a shop that are to be tried again.
pub fn of_to_try(store: &StoreId, source: Source) -> String {
    format!("S#{store}#TOTRY#{}#{}", source.provider, source.shop_id)
}

/// The place of a medium among those that are to be tried again.
pub fn to_try(store: &StoreId, key: &MediaKey, at: Timestamp) -> Key {
    Key { pk: of_to_try(store, key.source), sk: format!("{:012}#{}", at.as_second(), key.id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_of_a_store_begins_with_it_and_shards_keep_the_order_of_ids() {
        let store = StoreId::for_test("s1").unwrap();
        let source = Source { provider: ProviderId::Shopify, shop_id: ShopId(7) };
        let mut last = None;
        let mut ids: Vec<Uuid> = (0..200)
            .map(|n| RecordKey { source, kind: Kind::Product, external_id: n }.internal_id(&store))
            .collect();
        ids.sort();
        for id in ids {
            let key = record(&store, Kind::Product, id);
            assert!(key.pk.starts_with("S#s1#product#"), "{key:?}");
            assert!(last < Some((shard(id), id)));
            last = Some((shard(id), id));
        }
        assert_eq!(last.map(|(shard, _)| shard), Some(SHARDS - 1));
    }
}
