//! The contract suites on the fakes; `tests/tests/contract_aws.rs` runs the same on the real adapters.

use shared::ports::PortError;
use shared::ports::provider::AppSecret;
use shared::ports::queue::StepMessage;
use shared::testkit::catalog::FakeCatalog;
use shared::testkit::clock::ManualClock;
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::contract::{self, Checked};
use shared::testkit::destination::FakeMappings;
use shared::testkit::faults::Faults;
use shared::testkit::hooks::{FakeHooks, FakePersonal};
use shared::testkit::media::FakeMedia;
use shared::testkit::push_store::FakePushStore;
use shared::testkit::queue::FakeQueue;
use shared::testkit::runs::FakeRuns;

struct Popped(FakeQueue);

#[async_trait::async_trait]
impl contract::queue::Receiver for Popped {
    async fn take(&self) -> Result<Vec<StepMessage>, PortError> {
        Ok(std::iter::from_fn(|| self.0.pop()).map(|waiting| waiting.message).collect())
    }
}

#[tokio::test]
async fn runs() -> Checked {
    contract::runs::all(&FakeRuns::new(Faults::default())).await
}

#[tokio::test]
async fn catalog() -> Checked {
    contract::catalog::all(&FakeCatalog::new(Faults::default())).await
}

#[tokio::test]
async fn links_of_media() -> Checked {
    let fake = FakeMedia::new(Faults::default());
    contract::media::links(&fake).await?;
    contract::media::objects(&fake).await
}

#[tokio::test]
async fn queue() -> Checked {
    let queue = FakeQueue::new(ManualClock::default(), Faults::default());
    contract::queue::all(&queue, &Popped(queue.clone())).await
}

#[tokio::test]
async fn connectors_and_history() -> Checked {
    let fake = FakeConnectors::new(Faults::default());
    contract::connectors::all(&fake).await?;
    contract::loose::all(&fake).await?;
    contract::connectors::history(&fake).await
}

#[tokio::test]
async fn mappings() -> Checked {
    contract::mappings::all(&FakeMappings::new(Faults::default())).await
}

#[tokio::test]
async fn pushes() -> Checked {
    let fake = FakePushStore::new(ManualClock::default(), Faults::default());
    contract::push::runs(&fake).await?;
    contract::push::inputs(&fake).await?;
    contract::push::results(&fake).await?;
    let personal = FakePersonal::beside(fake.clone(), Faults::default());
    contract::push::erasures(&fake, &fake, &personal).await?;
    contract::push::states(&fake).await?;
    contract::push::budgets(&fake).await?;
    contract::push::keys(&fake).await
}

#[tokio::test]
async fn hooks() -> Checked {
    contract::hooks::all(&FakeHooks::new(Faults::default())).await
}

#[tokio::test]
async fn vault() -> Checked {
    let app = AppSecret {
        client_id: "app-id".to_owned(),
        current: "app-current".into(),
        previous: Some("app-previous".into()),
    };
    contract::vault::all(&FakeVault::new(app, Faults::default())).await
}
