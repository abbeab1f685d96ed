//! Shows what landed in a store.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoCatalog, DynamoMediaLinks};
use shared::adapters::system::SystemClock;
use shared::app::browse_catalog::BrowseCatalog;
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{catalog, metrics, trace};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Catalog::parse(environment)?;
    let tables = clients::dynamodb(&clients::sdk_config().await);
    let app = Arc::new(BrowseCatalog {
        catalog: Arc::new(DynamoCatalog::new(tables.clone(), config.catalog_table.clone())),
        links: Arc::new(DynamoMediaLinks::new(tables, config.catalog_table)),
    });
    let clock = Arc::new(SystemClock);
    let metrics = metrics::of_this_function(clock.clone());
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| catalog::catalog(app.clone(), call)).await
}
