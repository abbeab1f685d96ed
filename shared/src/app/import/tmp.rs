//! tmp
use crate::app::error::AppError;
use crate::domain::connection::Connector;
use crate::domain::ids::{ProviderId, StoreId};
use crate::ports::provider::ShopAccess;
/// tmp
pub struct Access {}
impl Access {
    /// tmp
    pub async fn shop_access(&self, _s: &StoreId, _p: ProviderId) -> Result<(Connector, ShopAccess), AppError> {
        Err(AppError::not_found())
    }
}
