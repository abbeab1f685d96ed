//! The shop as a step reaches it. A token may end between two calls of one step, so every call goes through here.

use super::{ImportStep, StepError};
use crate::app::access::Access;
use crate::domain::connection::Connector;
use crate::domain::run::Run;
use crate::domain::scopes::Scopes;
use crate::domain::warning::Code;
use crate::ports::provider::{ProviderError, ShopAccess};

/// A shop and the token that works for it now.
pub(super) struct Shop<'a> {
    pub through: &'a Access,
    pub connector: Connector,
    pub access: ShopAccess,
}

impl Shop<'_> {
    /// What the shop grants.
    pub fn granted(&self) -> Scopes {
        self.connector.installation.as_ref().map(|used| used.scopes.clone()).unwrap_or_default()
    }

    /// Makes a call; once more with the next token, where the shop rejects this one.
    pub async fn ask<T>(
        &mut self,
        call: impl AsyncFn(&ShopAccess) -> Result<T, ProviderError>,
    ) -> Result<T, StepError> {
        self.through.ask(&self.connector, &mut self.access, call).await
    }
}

impl ImportStep {
    /// The run's shop; breaks off where the store has been connected anew since the run began.
    pub(super) async fn shop(&self, run: &mut Run) -> Result<Shop<'_>, StepError> {
        let (connector, access) = self.access.shop_access(&run.store, run.provider).await?;
        let Some(installation) = connector.installation.as_ref().filter(|used| used.id == run.install) else {
            return Err(StepError::fail(
                Code::ConnShopChanged,
                "The store was disconnected or connected anew while the run was going on.",
            ));
        };
        run.currency = Some(installation.currency.clone());
        Ok(Shop { through: &self.access, connector, access })
    }
}
