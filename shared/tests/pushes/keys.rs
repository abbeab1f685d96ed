//! Keys of data tools: made, shown once, taken back, and what someone learns who has none.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use shared::app::audit::Actor;
use shared::app::error::{AppError, ErrorKind};
use shared::app::push::keys::{MOST_KEYS, MadeKey, NewKey, ToolKeys};
use shared::domain::connection::HistoryAction;
use shared::domain::ids::StoreId;
use shared::domain::push::key::Tool;
use shared::domain::push::target::Stream;
use shared::ports::push_store::DestinationKeys as _;
use shared::ports::time::Clock as _;
use shared::testkit::canaries;
use shared::testkit::clock::SeededRandom;
use shared::testkit::faults::Fault;

use super::world::{PROVIDER, World};

impl World {
    pub fn tool_keys(&self) -> ToolKeys {
        ToolKeys {
            keys: Arc::new(self.kept.clone()),
            history: self.connectors.clone(),
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(SeededRandom::new(self.faults.made() as u64)),
        }
    }

    pub async fn make_key(&self, new: NewKey<'_>) -> Result<MadeKey, AppError> {
        let made = self.tool_keys().make(self.actor(), PROVIDER, new).await?;
        canaries::secret("key of a data tool", made.key.expose_secret());
        Ok(made)
    }

    pub async fn key(&self, stream: Stream, tool: Tool) -> (String, String) {
        let new = NewKey { stream, tool, name: "nightly", expires_at: None };
        let made = self.make_key(new).await.unwrap();
        (made.shown.id, made.key.expose_secret().to_owned())
    }
}

fn new(name: &str) -> NewKey<'_> {
    NewKey { stream: Stream::Products, tool: Tool::Multiwoven, name, expires_at: None }
}

#[tokio::test]
async fn a_key_is_told_once_and_kept_as_a_hash() {
    let world = World::new().await;
    let made = world.make_key(new(" CRM, nightly ")).await.unwrap();
    let text = made.key.expose_secret();
    let kept = world.kept.find(&made.shown.id).await.unwrap().unwrap();
    assert_eq!((kept.name.as_str(), kept.created_by.as_str()), ("CRM, nightly", "user-1"));
    assert_eq!((&kept.store, kept.stream, kept.hash.len()), (&world.store, Stream::Products, 64));
    let everywhere = format!("{kept:?} {:?} {}", world.kept.waiting(), world.connectors.dump());
    assert!(!everywhere.contains(&text[4..]), "the key stands in no store");

    let keys = world.tool_keys();
    assert_eq!(keys.open(&kept.id, "products", Some(text)).await.unwrap().store, world.store);
    let listed = keys.list(&world.store, PROVIDER).await.unwrap();
    assert_eq!(listed.len(), 1);
    let shown = serde_json::to_string(&listed).unwrap();
    assert!(!shown.contains(&kept.hash) && !shown.contains(&text[4..]), "{shown}");
    assert_eq!(listed[0].path, format!("/destinations/{}/products", kept.id));
    assert!(listed[0].live && listed[0].last_used_at.is_some());
}

#[tokio::test]
async fn whoever_has_no_key_is_told_the_same_after_the_same_work() {
    let world = World::new().await;
    let keys = world.tool_keys();
    let (id, key) = world.key(Stream::Products, Tool::Multiwoven).await;
    let (other_id, other) = world.key(Stream::Products, Tool::Multiwoven).await;
    let (revoked_id, revoked) = world.key(Stream::Products, Tool::Multiwoven).await;
    keys.revoke(world.actor(), PROVIDER, &revoked_id).await.unwrap();
    let end = world.clock.now() + Duration::from_secs(60);
    let short = world.make_key(NewKey { expires_at: Some(end), ..new("short") }).await.unwrap();
    let (short_id, short) = (short.shown.id, short.key.expose_secret().to_owned());
    assert!(keys.open(&short_id, "products", Some(&short)).await.is_ok());
    world.clock.advance(Duration::from_secs(60));

    // Whoever is let in later has used a key before, so that its use is noted.
    assert!(keys.open(&id, "products", Some(&key)).await.is_ok());
    let mut answers = Vec::new();
    for (what, id, stream, key) in [
        ("an id that nobody has", "dst_00000000000000000000000000000000", "products", &key),
        ("no id", "", "products", &key),
        ("the key of another destination", id.as_str(), "products", &other),
        ("another destination", &other_id, "products", &key),
        ("a key that was taken back", &revoked_id, "products", &revoked),
        ("a key that has expired", &short_id, "products", &short),
        ("another stream", &id, "customers", &key),
        ("a stream that is none", &id, "nothing", &key),
    ] {
        let before = world.faults.made();
        let refused = keys.open(id, stream, Some(key)).await.unwrap_err();
        let calls = world.faults.calls()[before..].to_vec();
        answers.push((what, refused.kind, refused.code, refused.detail.clone(), refused.cause(), calls));
    }
    for answer in &answers {
        assert_eq!((answer.1, answer.2), (ErrorKind::Unauthenticated, "invalid_key"), "{}", answer.0);
        assert_eq!((&answer.3, &answer.4), (&answers[0].3, &None), "{}", answer.0);
        assert_eq!(answer.5, ["keys.find"], "{}", answer.0);
    }
    // What is no key at all is answered alike, and nothing is looked up for it.
    let before = world.faults.made();
    let cut = &key[..key.len() - 1];
    for text in [None, Some(""), Some("mck_"), Some(cut), Some("Bearer x"), Some(&*key.to_uppercase())] {
        let refused = keys.open(&id, "products", text).await.unwrap_err();
        assert_eq!((refused.code, &refused.detail), ("invalid_key", &answers[0].3), "{text:?}");
    }
    assert_eq!(world.faults.made(), before);
}

#[tokio::test]
async fn a_key_is_of_its_store_alone() {
    let world = World::new().await;
    let keys = world.tool_keys();
    let (id, key) = world.key(Stream::Products, Tool::Multiwoven).await;
    let stranger = StoreId::for_test("other").unwrap();
    let actor = Actor { store: &stranger, subject: "user-2", origin: None };
    assert_eq!(keys.list(&stranger, PROVIDER).await.unwrap(), []);
    for unknown in [id.as_str(), "dst_0", ""] {
        let refused = keys.revoke(actor, PROVIDER, unknown).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (ErrorKind::NotFound, "not_found"), "{unknown}");
    }
    assert_eq!(keys.open(&id, "products", Some(&key)).await.unwrap().store, world.store);
    assert!(world.connectors.entries(&stranger).is_empty(), "and nothing is put down about it");
}

#[tokio::test]
async fn the_history_tells_of_every_key_once_whatever_is_lost() {
    let story = async |fault: Option<(usize, Fault)>| {
        let world = World::new().await;
        let keys = world.tool_keys();
        let first = world.faults.made();
        if let Some((call, fault)) = fault {
            world.faults.at(first + call, fault);
        }
        // A merchant who asks again until there is an answer.
        let made = loop {
            match world.make_key(new("nightly")).await {
                Ok(made) => break made,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        };
        while let Err(error) = keys.revoke(world.actor(), PROVIDER, &made.shown.id).await {
            assert!(error.is_transient(), "{error:?}");
        }
        world.clock.advance(Duration::from_secs(5));
        keys.revoke(world.actor(), PROVIDER, &made.shown.id).await.unwrap();
        let listed = keys.list(&world.store, PROVIDER).await.unwrap();
        let told = world.connectors.entries(&world.store);
        for key in &listed {
            let of = |action| {
                let about = |entry: &&_| -> bool {
                    let entry: &shared::domain::connection::HistoryEntry = entry;
                    entry.action == action && entry.detail == Some(format!("{} products", key.id))
                };
                told.iter().filter(about).count()
            };
            assert_eq!(of(HistoryAction::KeyMade), 1, "{fault:?}");
            assert_eq!(of(HistoryAction::KeyRevoked), usize::from(key.revoked_at.is_some()), "{fault:?}");
        }
        let revoked = listed.iter().find(|key| key.id == made.shown.id).unwrap();
        assert!(!revoked.live, "{fault:?}");
        assert!(told.iter().all(|entry| entry.actor == "user-1"));
        world.faults.made() - first
    };
    let calls = story(None).await;
    for call in 0..calls {
        for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Throttle] {
            if call < 6 {
                story(Some((call, fault))).await;
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused() {
    let world = World::new().await;
    let long = "x".repeat(101);
    for name in ["", "  ", "two\nlines", &long] {
        let refused = world.make_key(new(name)).await.map(|_| ()).unwrap_err();
        assert_eq!((refused.kind, refused.code), (ErrorKind::Invalid, "invalid_name"), "{name}");
    }
    let now = world.clock.now();
    let past = NewKey { expires_at: Some(now), ..new("past") };
    assert_eq!(world.make_key(past).await.map(|_| ()).unwrap_err().code, "invalid_expiry");
    assert_eq!(world.tool_keys().list(&world.store, PROVIDER).await.unwrap(), []);

    let mut last = String::new();
    for number in 0..MOST_KEYS {
        last = world.make_key(new(&format!("key {number}"))).await.unwrap().shown.id;
    }
    let refused = world.make_key(new("one more")).await.map(|_| ()).unwrap_err();
    assert_eq!((refused.kind, refused.code), (ErrorKind::Conflict, "too_many_keys"));
    world.tool_keys().revoke(world.actor(), PROVIDER, &last).await.unwrap();
    assert!(world.make_key(new("one more")).await.is_ok(), "one that opens nothing takes no place");
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_and_costs_nobody_his_rows() {
    let world = World::new().await;
    let keys = world.tool_keys();
    let (id, key) = world.key(Stream::Products, Tool::Other).await;
    let used = async || world.kept.find(&id).await.unwrap().unwrap().last_used_at;
    assert_eq!(used().await, None);
    // The look-up, then the note.
    world.faults.at(world.faults.made() + 1, Fault::FailBefore);
    assert!(keys.open(&id, "products", Some(&key)).await.is_ok());
    assert_eq!(used().await, None);
    let first = world.clock.now();
    keys.open(&id, "products", Some(&key)).await.unwrap();
    world.clock.advance(Duration::from_secs(299));
    keys.open(&id, "products", Some(&key)).await.unwrap();
    assert_eq!((used().await, world.faults.count("keys.used")), (Some(first), 2));
    world.clock.advance(Duration::from_secs(1));
    keys.open(&id, "products", Some(&key)).await.unwrap();
    assert_eq!(used().await, Some(first + Duration::from_secs(300)));
    assert!(keys.open(&id, "products", None).await.is_err());
}
