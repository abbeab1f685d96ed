//! Shopify as what rows are written to.

use async_trait::async_trait;
use uuid::Uuid;

use super::super::Shopify;
use super::super::gid::Gid;
use super::plan::{Plan, map};
use super::{customers, orders, products, take_back};
use crate::domain::notice::Subject;
use crate::domain::push::code::Code;
use crate::domain::push::document::{LevelOptions, QuantityName};
use crate::domain::push::ledger::RowError;
use crate::domain::push::levels::{Batch, Complaint, Live, SetLevel};
use crate::domain::push::mapping::Wanted;
use crate::domain::push::target::Stream;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{
    Budget, Change, FieldChange, Found, LiveRecord, RowWriter, Sought, TakenBack, Writing, Written,
};

#[async_trait]
impl RowWriter for Shopify {
    async fn find(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        sought: &[Sought<'_>],
    ) -> Result<Vec<Found>, ProviderError> {
        self.find_records(access, budget, stream, sought).await
    }

    async fn lookup(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        keys: &[(Wanted, String)],
    ) -> Result<Vec<Vec<String>>, ProviderError> {
        self.ids(access, budget, keys).await
    }

    fn plan(&self, change: &Change<'_>) -> Result<Writing, Vec<RowError>> {
        let input = map(change.input);
        let mut plan = Plan::new(change.how);
        match (change.stream, change.live) {
            (Stream::Products, None) => products::create(&mut plan, input, change.identifiers),
            (Stream::Products, Some(live)) => products::update(&mut plan, input, live),
            (Stream::ProductVariants, Some(live)) => products::update_variant(&mut plan, input, live),
            (Stream::Customers, None) => customers::create(&mut plan, input, change.identifiers),
            (Stream::Customers, Some(live)) => customers::update(&mut plan, input, live),
            (Stream::Orders, None) => {
                orders::create(&mut plan, input, change.identifiers, &change.how.options);
            }
            (Stream::Orders, Some(live)) => orders::update(&mut plan, input, live),
            (Stream::ProductVariants, None) => {
                plan.refuse(Code::NotFound, "match", "the shop has no variant with this key");
            }
            (Stream::InventoryLevels, _) => {
                plan.refuse(Code::Bug, "", "stock is set by quantities, not by records");
            }
        }
        plan.done()
    }

    async fn write(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        writing: &Writing,
    ) -> Result<Written, ProviderError> {
        self.carry_out_all(access, budget, writing).await
    }

    fn take_back(&self, stream: Stream, created: bool, diff: &[FieldChange], live: &LiveRecord) -> TakenBack {
        take_back::take_back(stream, created, diff, live)
    }

    fn subject(&self, stream: Stream, id: &str) -> Option<Subject> {
        let number = Gid::parse(id)?.id;
        match stream {
            Stream::Customers => Some(Subject::Customer(number)),
            Stream::Orders => Some(Subject::Order(number)),
            Stream::Products | Stream::ProductVariants | Stream::InventoryLevels => None,
        }
    }

    async fn levels(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        items: &[(Wanted, String)],
        locations: &[(Wanted, String)],
        quantity: QuantityName,
    ) -> Result<Live, ProviderError> {
        self.live_levels(access, budget, items, locations, quantity).await
    }

    async fn set_levels(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        batch: &Batch,
        key: Uuid,
        quantity: QuantityName,
        options: &LevelOptions,
    ) -> Result<(Vec<Complaint>, Written), ProviderError> {
        self.set(access, budget, batch, key, quantity, options).await
    }

    async fn activate(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        level: &SetLevel,
        key: Uuid,
        quantity: QuantityName,
    ) -> Result<Written, ProviderError> {
        self.stock(access, budget, level, key, quantity).await
    }
}
