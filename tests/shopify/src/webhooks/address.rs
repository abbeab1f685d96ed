//! Where deliveries go. Subscriptions name public addresses; a map leads them to local ones, and nothing leaves the machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Which local address stands for which public origin.
#[derive(Clone, Debug, Default)]
pub struct Routes(BTreeMap<String, Url>);

/// Why an address cannot be a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The public side is no bare https origin.
    #[error("`{0}` is no https origin such as https://api.example")]
    Origin(String),
    /// The local side is no address on this machine.
    #[error("`{0}` is no http address on loopback")]
    Target(String),
}

impl Routes {
    /// Reads pairs of a public origin and a local address, which may end in a path that is put before the path called.
    ///
    /// # Errors
    /// When a side is not what it must be.
    pub fn parse(pairs: &BTreeMap<String, String>) -> Result<Self, RouteError> {
        let mut routes = BTreeMap::new();
        for (origin, target) in pairs {
            let wrong = || RouteError::Origin(origin.clone());
            let public = Url::parse(origin).map_err(|_| wrong())?;
            if public.scheme() != "https" || public.path() != "/" || public.query().is_some() {
                return Err(wrong());
            }
            let local = Url::parse(target).ok().filter(is_loopback);
            let local = local.ok_or_else(|| RouteError::Target(target.clone()))?;
            routes.insert(public.origin().ascii_serialization(), local);
        }
        Ok(Self(routes))
    }

    /// The pairs, for looking at.
    #[must_use]
    pub fn pairs(&self) -> BTreeMap<&str, &str> {
        self.0.iter().map(|(origin, target)| (origin.as_str(), target.as_str())).collect()
    }

    /// Where a delivery to this address really goes; none if it has no business on this machine.
    #[must_use]
    pub fn target(&self, uri: &str) -> Option<Url> {
        let public = Url::parse(uri).ok()?;
        let Some(local) = self.0.get(&public.origin().ascii_serialization()) else {
            return is_loopback(&public).then_some(public);
        };
        let mut target = local.clone();
        target.set_path(&format!("{}{}", local.path().trim_end_matches('/'), public.path()));
        target.set_query(public.query());
        Some(target)
    }
}

fn is_loopback(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    here && matches!(url.scheme(), "http" | "https")
}

/// Leads every name to this machine, whatever it is.
#[derive(Clone, Copy, Debug)]
pub struct OnlyHere;

impl Resolve for OnlyHere {
    fn resolve(&self, _: Name) -> Resolving {
        let here: Addrs = Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0))));
        Box::pin(std::future::ready(Ok(here)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(pairs: &[(&str, &str)]) -> Result<Routes, RouteError> {
        Routes::parse(&pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect())
    }

    #[test]
    fn leads_public_origins_below_a_local_path() {
        let routes =
            routes(&[("https://api.example", "http://127.0.0.1:4566/_aws/execute-api/abc/")]).unwrap();
        let target = |uri: &str| routes.target(uri).map(String::from);
        assert_eq!(
            target("https://api.example/webhooks/x?y=1").as_deref(),
            Some("http://127.0.0.1:4566/_aws/execute-api/abc/webhooks/x?y=1")
        );
        assert_eq!(target("https://127.0.0.1:99/x").as_deref(), Some("https://127.0.0.1:99/x"));
        for nowhere in [
            "https://api.example:8443/x",
            "https://other.example/",
            "http://api.example/",
            "arn:aws:events:x",
        ] {
            assert_eq!(target(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn nothing_but_loopback_is_a_target() {
        for target in
            ["http://192.168.0.1/", "https://example.com/", "http://localhost.example.com/", "file:///etc"]
        {
            let refused = routes(&[("https://api.example", target)]).unwrap_err();
            assert_eq!(refused, RouteError::Target(target.to_owned()));
        }
        assert!(routes(&[("http://api.example", "http://127.0.0.1:1")]).is_err());
        assert!(routes(&[("https://api.example/path", "http://127.0.0.1:1")]).is_err());
    }
}
