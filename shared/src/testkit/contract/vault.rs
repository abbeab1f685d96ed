//! Rules of `TokenVault`.

use futures::future::join_all;
use secrecy::ExposeSecret as _;

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::ports::PortError;
use crate::ports::vault::{ClientCredentials, StoredToken, TokenVault};

/// Checks every rule. The vault must hold our app's secret with `app-id`, `app-current` and `app-previous`.
pub async fn all(vault: &dyn TokenVault) -> Checked {
    rules!(
        the_apps_own_secret_can_be_read,
        a_token_reads_back_as_stored_and_is_created_once,
        of_many_replacements_of_one_version_one_wins,
        a_deleted_token_cannot_be_read_or_replaced;
        (vault)
    )
}

fn token(name: &str) -> StoredToken {
    StoredToken {
        access_token: format!("access {name}").into(),
        refresh_token: Some(format!("refresh {name}").into()),
        expires_at: Some(at(3_600)),
        refresh_expires_at: Some(at(7_776_000)),
        client: None,
        version: String::new(),
    }
}

/// What can be compared of a token.
fn shown(token: &StoredToken) -> (String, Option<String>, Option<jiff::Timestamp>, Option<jiff::Timestamp>) {
    let refresh = token.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());
    (token.access_token.expose_secret().to_owned(), refresh, token.expires_at, token.refresh_expires_at)
}

fn is_conflict<T>(result: &Result<T, PortError>) -> bool {
    matches!(result, Err(PortError::Conflict))
}

async fn the_apps_own_secret_can_be_read(vault: &dyn TokenVault) -> Checked {
    for _ in 0..2 {
        let app = vault.app_secret(PROVIDER).await?;
        assert_eq!(app.client_id, "app-id");
        assert_eq!(app.current.expose_secret(), "app-current");
        assert_eq!(app.previous.as_ref().map(|previous| previous.expose_secret()), Some("app-previous"));
    }
    Ok(())
}

async fn a_token_reads_back_as_stored_and_is_created_once(vault: &dyn TokenVault) -> Checked {
    let install = samples::install();
    assert!(vault.current(&install).await?.is_none());
    vault.create(&install, &token("one")).await?;
    assert!(is_conflict(&vault.create(&install, &token("two")).await));
    let stored = vault.current(&install).await?.ok_or("no token")?;
    assert_eq!(shown(&stored), shown(&token("one")));
    assert!(!stored.version.is_empty());
    let lasting = samples::install();
    let plain = StoredToken { refresh_token: None, expires_at: None, refresh_expires_at: None, ..token("p") };
    vault.create(&lasting, &plain).await?;
    assert_eq!(vault.current(&lasting).await?.as_ref().map(shown), Some(shown(&plain)));
    let custom = samples::install();
    let client = ClientCredentials { id: "app".to_owned().into(), secret: "hush".to_owned().into() };
    vault.create(&custom, &StoredToken { client: Some(client), ..plain }).await?;
    let client = vault.current(&custom).await?.and_then(|token| token.client).ok_or("no client")?;
    assert_eq!((client.id.expose_secret(), client.secret.expose_secret()), ("app", "hush"));
    Ok(())
}

async fn of_many_replacements_of_one_version_one_wins(vault: &dyn TokenVault) -> Checked {
    let install = samples::install();
    vault.create(&install, &token("first")).await?;
    assert!(vault.previous(&install).await?.is_none());
    let first = vault.current(&install).await?.ok_or("no token")?;
    let next: Vec<_> = (0..4).map(|n| token(&n.to_string())).collect();
    let replaced = join_all(next.iter().map(|next| vault.replace(&install, &first.version, next))).await;
    let won = replaced.iter().position(Result::is_ok).ok_or("none won")?;
    assert_eq!(replaced.iter().filter(|replaced| is_conflict(replaced)).count(), 3, "{replaced:?}");
    let stored = vault.current(&install).await?.ok_or("no token")?;
    assert_eq!(shown(&stored), shown(&next[won]));
    let before = vault.previous(&install).await?.ok_or("the one before is not kept")?;
    assert_eq!(shown(&before), shown(&first));
    assert_ne!(stored.version, first.version);
    assert!(is_conflict(&vault.replace(&install, &first.version, &token("late")).await));
    vault.replace(&install, &stored.version, &token("last")).await?;
    assert_eq!(vault.current(&install).await?.as_ref().map(shown), Some(shown(&token("last"))));
    let nobody = vault.replace(&samples::install(), "no version", &token("x")).await;
    assert!(is_conflict(&nobody), "{nobody:?}");
    Ok(())
}

async fn a_deleted_token_cannot_be_read_or_replaced(vault: &dyn TokenVault) -> Checked {
    let install = samples::install();
    vault.delete(&install).await?;
    vault.create(&install, &token("one")).await?;
    let stored = vault.current(&install).await?.ok_or("no token")?;
    vault.replace(&install, &stored.version, &token("two")).await?;
    vault.delete(&install).await?;
    assert!(vault.current(&install).await?.is_none());
    let late = vault.replace(&install, &stored.version, &token("late")).await;
    assert!(is_conflict(&late), "{late:?}");
    vault.delete(&install).await?;
    assert!(vault.current(&install).await?.is_none());
    Ok(())
}
