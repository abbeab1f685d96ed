//! The contract suites on the real adapters, over the wire; `shared/tests/contract_fakes.rs` runs the same on the
//! fakes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod server;

use std::sync::Arc;

use server::Server;
use shared::adapters::clients;
use shared::adapters::dynamodb::{
    DynamoCatalog, DynamoConnectors, DynamoHistory, DynamoHooks, DynamoMappings, DynamoRuns,
};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::sqs::{self, SqsStepQueue};
use shared::adapters::system::SystemClock;
use shared::ports::PortError;
use shared::ports::queue::StepMessage;
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
