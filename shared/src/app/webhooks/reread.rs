//! The shop changed what it grants us or what it says of itself: asked again, and the connector says what it says now.
//! In whatever order such messages come, the last one to be acted on reads the newest.

use super::super::care::Because;
use super::super::error::AppError;
use super::WebhookStep;
use crate::ports::webhooks::{Owner, WebhookMessage};

impl WebhookStep {
    pub(super) async fn reread(&self, message: &WebhookMessage, owner: &Owner) -> Result<(), AppError> {
        let because = Because::Told(message);
        match self.access.look_after(&owner.store, message.provider, &owner.install, because).await {
            // The connector says so; nothing can be read again.
            Err(error) if error.code == "needs_reauthorization" => Ok(()),
            // A closed shop has nothing new to say; one that is not connected any more has nothing to say.
            Err(error) if matches!(error.code, "shop_unavailable" | "not_connected") => Ok(()),
            looked => looked,
        }
    }
}
