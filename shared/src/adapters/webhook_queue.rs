//! The queue between receiving webhooks and acting on them in SQS, and the form of its messages.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sqs::{MalformedMessage, Queue, read, written};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, ShopId, StoreId};
use crate::domain::notice::{Notice, Person};
use crate::domain::run::Wanted;
use crate::ports::PortError;
use crate::ports::webhooks::{Owner, Task, WebhookMessage, WebhookQueue};

/// The form of the messages written.
const V: u64 = 1;

/// Fields are added as optional ones first and written a release later, as for steps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookMessageV1 {
    v: u64,
    id: String,
    provider: String,
    shop: ShopDomain,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerV1>,
    task: TaskV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnerV1 {
    store_id: String,
    install_id: InstallId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum TaskV1 {
    Uninstalled {},
    ScopesChanged {},
    ShopChanged {},
    FeedFinished { handle: String },
    CatalogueChanged { what: Wanted },
    DataRequested { shop_id: ShopId, request_id: Option<u64>, customer_id: Option<u64>, order_ids: Vec<u64> },
    EraseCustomer { shop_id: ShopId, customer_id: Option<u64>, order_ids: Vec<u64> },
    EraseShop { shop_id: ShopId },
    Subscribe {},
}

/// Reads the body of a message.
pub fn parse(body: &str) -> Result<WebhookMessage, MalformedMessage> {
    let message: WebhookMessageV1 = read(body, V)?;
    let owner = |owner: OwnerV1| -> Result<Owner, MalformedMessage> {
        let store = StoreId::from_stored(&owner.store_id).map_err(|_| MalformedMessage::Field("store_id"))?;
        Ok(Owner { store, install: owner.install_id })
    };
    Ok(WebhookMessage {
        id: message.id,
        provider: ProviderId::parse(&message.provider).map_err(|_| MalformedMessage::Field("provider"))?,
        shop: message.shop,
        at: message.at,
        owner: message.owner.map(owner).transpose()?,
        task: match message.task {
            TaskV1::Uninstalled {} => Task::Notice(Notice::Uninstalled),
            TaskV1::ScopesChanged {} => Task::Notice(Notice::ScopesChanged),
            TaskV1::ShopChanged {} => Task::Notice(Notice::ShopChanged),
            TaskV1::FeedFinished { handle } => Task::Notice(Notice::FeedFinished { handle }),
            TaskV1::CatalogueChanged { what } => Task::Notice(Notice::CatalogueChanged { what }),
            TaskV1::DataRequested { shop_id, request_id, customer_id, order_ids } => {
                let person = Person { customer: customer_id, orders: order_ids };
                Task::Notice(Notice::DataRequested { shop: shop_id, request: request_id, person })
            }
            TaskV1::EraseCustomer { shop_id, customer_id, order_ids } => {
                let person = Person { customer: customer_id, orders: order_ids };
                Task::Notice(Notice::EraseCustomer { shop: shop_id, person })
            }
            TaskV1::EraseShop { shop_id } => Task::Notice(Notice::EraseShop { shop: shop_id }),
            TaskV1::Subscribe {} => Task::Subscribe,
        },
    })
}

fn task(task: &Task) -> TaskV1 {
    let notice = match task {
        Task::Subscribe => return TaskV1::Subscribe {},
        Task::Notice(notice) => notice.clone(),
    };
    match notice {
        Notice::Uninstalled => TaskV1::Uninstalled {},
        Notice::ScopesChanged => TaskV1::ScopesChanged {},
        Notice::ShopChanged => TaskV1::ShopChanged {},
        Notice::FeedFinished { handle } => TaskV1::FeedFinished { handle },
        Notice::CatalogueChanged { what } => TaskV1::CatalogueChanged { what },
        Notice::DataRequested { shop, request, person } => TaskV1::DataRequested {
            shop_id: shop,
            request_id: request,
            customer_id: person.customer,
            order_ids: person.orders,
        },
        Notice::EraseCustomer { shop, person } => {
            TaskV1::EraseCustomer { shop_id: shop, customer_id: person.customer, order_ids: person.orders }
        }
        Notice::EraseShop { shop } => TaskV1::EraseShop { shop_id: shop },
    }
}

/// The body of a message.
pub fn body(message: &WebhookMessage) -> Result<String, PortError> {
    let record = WebhookMessageV1 {
        v: V,
        id: message.id.clone(),
        provider: message.provider.to_string(),
        shop: message.shop.clone(),
        at: message.at,
        owner: message
            .owner
            .as_ref()
            .map(|owner| OwnerV1 { store_id: owner.store.to_string(), install_id: owner.install.clone() }),
        task: task(&message.task),
    };
    written(&record)
}

/// The queue.
#[derive(Clone)]
pub struct SqsWebhookQueue(Queue);

impl SqsWebhookQueue {
    /// The queue of this address.
    pub fn new(client: Client, url: String) -> Self {
        Self(Queue::new(client, url))
    }
}

#[async_trait]
impl WebhookQueue for SqsWebhookQueue {
    async fn send(&self, message: &WebhookMessage) -> Result<(), PortError> {
        // What comes for the app as a whole has no store yet; its shop stands in.
        let group = message.owner.as_ref().map_or(message.shop.as_str(), |owner| owner.store.as_str());
        self.0.send(body(message)?, group, Duration::ZERO).await
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn message(task: Task, owned: bool) -> WebhookMessage {
        let owner =
            Owner { store: StoreId::for_test("s1").unwrap(), install: InstallId::new(Uuid::from_u128(1)) };
        WebhookMessage {
            id: "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043".to_owned(),
            provider: ProviderId::Shopify,
            shop: ShopDomain::accepted("acme.myshopify.com".to_owned()),
            at: Timestamp::UNIX_EPOCH,
            owner: owned.then_some(owner),
            task,
        }
    }

    #[test]
    fn every_message_reads_back_and_its_body_is_the_known_one() {
        let person = Person { customer: Some(7), orders: vec![8, 9] };
        let bodies: Vec<String> = [
            Notice::Uninstalled,
            Notice::ScopesChanged,
            Notice::ShopChanged,
            Notice::FeedFinished { handle: "gid://shopify/BulkOperation/1".to_owned() },
            Notice::CatalogueChanged { what: Wanted::Stock },
            Notice::DataRequested { shop: ShopId(1), request: Some(2), person: person.clone() },
            Notice::EraseCustomer { shop: ShopId(1), person: Person { customer: None, ..person } },
            Notice::EraseShop { shop: ShopId(1) },
        ]
        .into_iter()
        .map(|notice| message(Task::Notice(notice.clone()), !notice.is_for_the_app()))
        .chain([message(Task::Subscribe, true)])
        .map(|message| {
            let body = body(&message).unwrap();
            assert_eq!(parse(&body).as_ref(), Ok(&message));
            body
        })
        .collect();
        // Golden: messages of this form are on the queue while a release is rolled out.
        insta::assert_snapshot!(bodies.join("\n"));
    }

    #[test]
    fn what_is_not_a_message_is_refused_without_repeating_it() {
        use MalformedMessage as M;
        let good = body(&message(Task::Notice(Notice::Uninstalled), true)).unwrap();
        assert!(matches!(parse("sesame"), Err(M::Form { what: "syntax", .. })));
        assert_eq!(parse(&good.replace("\"v\":1", "\"v\":2")), Err(M::Version(2)));
        assert_eq!(parse(&good.replace("\"s1\"", "\"s 1\"")), Err(M::Field("store_id")));
        assert_eq!(parse(&good.replace("\"shopify\"", "\"sesame\"")), Err(M::Field("provider")));
        for odd in [
            good.replace("ins_0", "run_0"),
            good.replace("\"v\":1", "\"v\":1,\"more\":1"),
            good.replace("uninstalled", "sesame"),
            good.replace("{}", "{\"email\":\"sesame\"}"),
            good.replace("1970-01-01T00:00:00Z", "sesame"),
        ] {
            let error = parse(&odd).unwrap_err();
            assert!(matches!(error, M::Form { what: "data", .. }), "{odd}: {error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
        assert_eq!(parse(&" ".repeat(70_000)), Err(M::TooLong(70_000)));
    }
}
