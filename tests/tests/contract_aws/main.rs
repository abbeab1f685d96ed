//! The contract suites on the real adapters, over the wire; `shared/tests/contract_fakes.rs` runs the same on the
//! fakes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use server::Server;
use shared::adapters::clients;
use shared::adapters::dynamodb::{
    DynamoBudgets, DynamoCatalog, DynamoConnectors, DynamoDestinationKeys, DynamoHistory, DynamoHooks,
    DynamoKeyStates, DynamoMappings, DynamoMediaLinks, DynamoPersonal, DynamoPushRuns, DynamoResults,
    DynamoRuns, keys,
};
use shared::adapters::push_queue::{self, SqsPushQueue};
use shared::adapters::s3::S3Inputs;
use shared::adapters::s3_media::S3Media;
use shared::adapters::secrets::SecretsVault;
use shared::adapters::sqs::{self, SqsRedelivery, SqsStepQueue};
use shared::adapters::system::SystemClock;
use shared::adapters::webhook_queue::{self, SqsWebhookQueue};
use shared::domain::ids::{RunId, ShopId, StoreId};
use shared::domain::media::{ContentHash, ObjectKey};
use shared::domain::notice::{Notice, Person, Subject};
use shared::ports::PortError;
use shared::ports::media::MediaObjects as _;
use shared::ports::push_store::{Inputs as _, PushMessage, PushQueue as _};
use shared::ports::queue::{Redelivery as _, StepMessage};
use shared::ports::webhooks::{Held, Owner, PersonalData as _, Task, WebhookMessage, WebhookQueue as _};
use shared::testkit::contract::samples::PROVIDER;
use shared::testkit::contract::{self, Checked};

#[tokio::test]
async fn runs() -> Checked {
    let server = Server::start().await;
    let table = server.table("runs", Some("by_start")).await;
    contract::runs::all(&DynamoRuns::new(server.dynamodb(), table, Arc::new(SystemClock))).await
}

#[tokio::test]
async fn catalog() -> Checked {
    let server = Server::start().await;
    let table = server.table("catalog", Some("by_external")).await;
    contract::catalog::all(&DynamoCatalog::new(server.dynamodb(), table)).await
}

#[tokio::test]
async fn connectors_and_history() -> Checked {
    let server = Server::start().await;
    let table = server.table("connectors", Some("by_due")).await;
    let connectors = DynamoConnectors::new(server.dynamodb(), table);
    contract::connectors::all(&connectors).await?;
    contract::loose::all(&connectors).await?;
    let table = server.table("history", None).await;
    contract::connectors::history(&DynamoHistory::new(server.dynamodb(), table)).await
}

#[tokio::test]
async fn mappings() -> Checked {
    let server = Server::start().await;
    let table = server.table("destinations", None).await;
    contract::mappings::all(&DynamoMappings::new(server.dynamodb(), table)).await
}

/// How many items hold this text.
async fn pieces_with(client: &aws_sdk_dynamodb::Client, table: &str, text: &[u8]) -> usize {
    let mut pages = client.scan().table_name(table).into_paginator().items().send();
    let mut found = 0;
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let bytes = item.get("b").and_then(|bytes| bytes.as_b().ok());
        found += usize::from(
            bytes.is_some_and(|bytes| bytes.as_ref().windows(text.len()).any(|part| part == text)),
        );
    }
    found
}

#[tokio::test]
async fn pushes() -> Checked {
    let server = Server::start().await;
    let table = server.table("push", None).await;
    let (client, clock) = (server.dynamodb(), Arc::new(SystemClock));
    let runs = DynamoPushRuns::new(client.clone(), table.clone());
    contract::push::runs(&runs).await?;
    let results = DynamoResults::new(client.clone(), table.clone(), clock.clone());
    contract::push::results(&results).await?;
    let (of_imports, catalog) =
        (server.table("runs", Some("by_start")).await, server.table("catalog", Some("by_external")).await);
    let personal = DynamoPersonal::new(client.clone(), of_imports, catalog, table.clone(), clock.clone());
    contract::push::erasures(&runs, &results, &personal).await?;
    assert_eq!(pieces_with(&client, &table, b"zzzz").await, 3, "another store's image alone");
    contract::push::states(&DynamoKeyStates::new(client.clone(), table.clone(), clock)).await?;
    contract::push::budgets(&DynamoBudgets::new(client.clone(), table.clone())).await?;
    contract::push::keys(&DynamoDestinationKeys::new(client, table)).await
}

#[tokio::test]
async fn copies_of_media() -> Checked {
    let server = Server::start().await;
    let table = server.table("catalog", Some("by_external")).await;
    contract::media::links(&DynamoMediaLinks::new(server.dynamodb(), table)).await?;
    let client = clients::s3(&server.config);
    client.create_bucket().bucket("media").send().await?;
    let objects = S3Media::new(client.clone(), "media".to_owned());
    contract::media::objects(&objects).await?;
    let (store, key) = (contract::samples::store()?, object_key());
    objects.put(&store, &key, b"content".as_slice().into(), "image/png").await?;
    let got = client.get_object().bucket("media").key(key.path(&store)).send().await?;
    assert_eq!(got.content_type(), Some("image/png"));
    assert_eq!(got.body.collect().await?.to_vec(), b"content");
    objects.delete(&store, &key).await?;
    let left = client.list_objects_v2().bucket("media").send().await?;
    assert_eq!(left.contents().len(), 0);
    Ok(())
}

fn object_key() -> ObjectKey {
    ObjectKey { hash: ContentHash::of(b"content"), generation: 2 }
}

#[tokio::test]
async fn rows_of_pushes() -> Checked {
    let server = Server::start().await;
    let client = clients::s3(&server.config);
    client.create_bucket().bucket("inputs").send().await?;
    contract::push::inputs(&S3Inputs::new(client.clone(), "inputs".to_owned())).await?;
    let nowhere = S3Inputs::new(client, "nowhere".to_owned());
    let (store, run) = (contract::samples::store()?, RunId::new(uuid::Uuid::from_u128(1)));
    let error = nowhere.get(&store, &run, 0).await.unwrap_err();
    assert!(matches!(error, PortError::Malformed { .. }), "a mistake of ours and not an outage: {error:?}");
    Ok(())
}

#[tokio::test]
async fn a_step_of_a_push_comes_off_the_queue_as_it_was_put_there_and_not_before_its_time() -> Checked {
    let server = Server::start().await;
    let client = clients::sqs(&server.config);
    let made = client.create_queue().queue_name("push-steps").send().await?;
    let url = made.queue_url().unwrap_or_default().to_owned();
    let queue = SqsPushQueue::new(client.clone(), url.clone());
    let message = |seconds| -> Result<PushMessage, Box<dyn std::error::Error + Send + Sync>> {
        let run = RunId::new(contract::samples::uuid(seconds));
        Ok(PushMessage { store: contract::samples::store()?, provider: PROVIDER, run })
    };
    let (late, now) = (message(1)?, message(2)?);
    queue.send(&late, Duration::from_millis(3_500)).await?;
    queue.send(&now, Duration::ZERO).await?;
    let take = async |seconds| {
        let asked = client.receive_message().queue_url(&url).max_number_of_messages(10);
        let asked = asked.wait_time_seconds(seconds);
        let got = asked.message_system_attribute_names("MessageGroupId".into()).send().await.unwrap();
        let all = got.messages.unwrap_or_default().into_iter().map(|message| {
            let group = message.attributes().and_then(|all| all.get(&"MessageGroupId".into()).cloned());
            (push_queue::parse(message.body().unwrap_or_default()).unwrap(), group)
        });
        all.collect::<Vec<_>>()
    };
    let of = |message: &PushMessage| vec![(message.clone(), Some(message.store.to_string()))];
    assert_eq!(take(1).await, of(&now), "a store is a group, so that none waits for another");
    assert_eq!(take(10).await, of(&late));
    Ok(())
}

#[tokio::test]
async fn hooks() -> Checked {
    let server = Server::start().await;
    let table = server.table("connectors", None).await;
    contract::hooks::all(&DynamoHooks::new(server.dynamodb(), table)).await
}

struct Received {
    client: aws_sdk_sqs::Client,
    url: String,
}

#[async_trait::async_trait]
impl contract::queue::Receiver for Received {
    async fn take(&self) -> Result<Vec<StepMessage>, PortError> {
        let odd = |why: String| PortError::Malformed { what: "message", why };
        let got = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .send()
            .await
            .map_err(|error| odd(error.to_string()))?;
        let mut messages = Vec::new();
        for message in got.messages.unwrap_or_default() {
            messages.push(
                sqs::parse(message.body().unwrap_or_default()).map_err(|error| odd(error.to_string()))?,
            );
            let handle = message.receipt_handle().unwrap_or_default();
            let deleted =
                self.client.delete_message().queue_url(&self.url).receipt_handle(handle).send().await;
            deleted.map_err(|error| odd(error.to_string()))?;
        }
        Ok(messages)
    }
}

#[tokio::test]
async fn queue() -> Checked {
    let server = Server::start().await;
    let client = clients::sqs(&server.config);
    let made = client.create_queue().queue_name("import-steps").send().await?;
    let url = made.queue_url().unwrap_or_default().to_owned();
    let queue = SqsStepQueue::new(client.clone(), url.clone());
    contract::queue::all(&queue, &Received { client, url }).await
}

#[tokio::test]
async fn a_message_in_hand_comes_again_when_it_was_put_off_to_and_not_before() -> Checked {
    let server = Server::start().await;
    let client = clients::sqs(&server.config);
    // Untouched, it would come again after ten minutes.
    let made = client.create_queue().queue_name("import-steps");
    let made = made.attributes("VisibilityTimeout".into(), "600").send().await?;
    let url = made.queue_url().unwrap_or_default().to_owned();
    let redelivery = SqsRedelivery::new(client.clone(), url.clone());
    client.send_message().queue_url(&url).message_body("step").send().await?;
    let receive = async |seconds| {
        let asked = client.receive_message().queue_url(&url).wait_time_seconds(seconds);
        let got = asked.send().await.unwrap().messages.unwrap_or_default();
        got.first().and_then(|message| message.receipt_handle()).map(str::to_owned)
    };
    let handle = receive(1).await.ok_or("nothing came")?;
    redelivery.put_off(&handle, Duration::from_millis(900)).await?;
    let handle = receive(4).await.ok_or("it did not come again")?;
    redelivery.put_off(&handle, Duration::from_secs(900)).await?;
    assert_eq!(receive(2).await, None);
    assert!(redelivery.put_off("no handle of this queue", Duration::from_secs(1)).await.is_err());
    Ok(())
}

#[tokio::test]
async fn what_a_shop_tells_comes_off_the_queue_as_it_was_put_there() -> Checked {
    let server = Server::start().await;
    let client = clients::sqs(&server.config);
    let made = client.create_queue().queue_name("webhooks").send().await?;
    let url = made.queue_url().unwrap_or_default().to_owned();
    let queue = SqsWebhookQueue::new(client.clone(), url.clone());
    let owner = Owner { store: contract::samples::store()?, install: contract::samples::install() };
    let message = |id: &str, owner: Option<&Owner>, task| WebhookMessage {
        id: id.to_owned(),
        provider: PROVIDER,
        shop: contract::samples::shop(),
        at: contract::samples::at(3),
        owner: owner.cloned(),
        task,
    };
    let person = Person { customer: Some(7), orders: vec![9] };
    let erase = Notice::EraseCustomer { shop: ShopId(1), person };
    let sent = [
        message("one", Some(&owner), Task::Notice(Notice::Uninstalled)),
        message("two", Some(&owner), Task::Subscribe),
        message("three", None, Task::Notice(erase)),
    ];
    for message in &sent {
        queue.send(message).await?;
    }
    let mut came = Vec::new();
    while came.len() < sent.len() {
        let asked = client.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(1);
        let got = asked.message_system_attribute_names("MessageGroupId".into()).send().await?;
        for message in got.messages.unwrap_or_default() {
            let group = message.attributes().and_then(|all| all.get(&"MessageGroupId".into()).cloned());
            came.push((webhook_queue::parse(message.body().unwrap_or_default())?, group));
        }
    }
    came.sort_by_key(|(message, _)| sent.iter().position(|sent| sent.id == message.id));
    let groups = [owner.store.as_str(), owner.store.as_str(), sent[2].shop.as_str()];
    for ((came, group), (sent, expected)) in came.iter().zip(sent.iter().zip(groups)) {
        assert_eq!(
            (came, group.as_deref()),
            (sent, Some(expected)),
            "a store is a group, so that none waits for another"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_is_kept_about_a_person_is_found_and_erased_and_nobody_elses() -> Checked {
    let server = Server::start().await;
    let (runs, catalog) =
        (server.table("runs", Some("by_start")).await, server.table("catalog", Some("by_external")).await);
    let push = server.table("push", None).await;
    let clock = Arc::new(SystemClock);
    let personal = DynamoPersonal::new(server.dynamodb(), runs.clone(), catalog.clone(), push.clone(), clock);
    let (store, other, shop) = (contract::samples::store()?, contract::samples::store()?, ShopId(1));
    let keep = async |table: &str, store: &StoreId, shop: ShopId, subject, items: u32| {
        let text = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
        for nth in 0..items {
            let pk = keys::of_person(store, PROVIDER, shop, subject);
            let put = server.dynamodb().put_item().table_name(table).item("pk", text(pk));
            put.item("sk", text(format!("ITEM#{nth}")))
                .item("v", aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned()))
                .send()
                .await
                .unwrap();
        }
    };
    keep(&runs, &store, shop, Subject::Customer(7), 30).await;
    keep(&catalog, &store, shop, Subject::Order(9), 2).await;
    let strangers = [(&store, shop, 8), (&other, shop, 7), (&store, ShopId(2), 7)];
    for (store, shop, number) in strangers {
        keep(&runs, store, shop, Subject::Customer(number), 1).await;
    }
    let person = Person { customer: Some(7), orders: vec![9, 10] };
    let found = |runs, catalog| {
        let held = |(table, items)| Held { table, items };
        [("runs", runs), ("catalog", catalog), ("push", 0)].map(held).to_vec()
    };
    assert_eq!(personal.held(&store, PROVIDER, shop, &person).await?, found(30, 2));
    assert_eq!(personal.erase(&store, PROVIDER, shop, &person).await?, found(30, 2));
    assert_eq!(personal.erase(&store, PROVIDER, shop, &person).await?, found(0, 0), "asked again");
    for (store, shop, number) in strangers {
        let person = Person { customer: Some(number), orders: Vec::new() };
        assert_eq!(personal.held(store, PROVIDER, shop, &person).await?, found(1, 0), "{number}");
    }
    Ok(())
}

#[tokio::test]
async fn vault() -> Checked {
    let server = Server::start().await;
    let client = clients::secrets(&server.config);
    let value = r#"{"client_id":"app-id","current":"app-current","previous":"app-previous"}"#;
    client.create_secret().name("app").secret_string(value).send().await?;
    let vault = SecretsVault::new(client, "install/".to_owned(), "app".to_owned(), Arc::new(SystemClock));
    contract::vault::all(&vault).await
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_mistake_of_ours_and_not_an_outage() {
    use shared::ports::runs::RunStore as _;
    let server = Server::start().await;
    let runs = DynamoRuns::new(server.dynamodb(), "nowhere".to_owned(), Arc::new(SystemClock));
    let run = contract::samples::run(&contract::samples::store().unwrap(), 0);
    let error = runs.begin(&run, None).await.unwrap_err();
    assert!(matches!(error, PortError::Malformed { .. }), "{error:?}");
}
