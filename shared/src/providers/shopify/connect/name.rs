//! What a merchant may type for a shop, and what Shopify may call one.
//!
//! The host made here receives our client secret, so nothing but one label is ever taken over: the host is rebuilt
//! from it (<https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>,
//! with the pattern anchored at both ends).

use crate::domain::ids::ShopDomain;
use crate::ports::provider::InvalidShop;

const SUFFIX: &str = ".myshopify.com";
const ADMIN: &str = "admin.shopify.com/store/";
const HINT: InvalidShop = InvalidShop {
    hint: "Enter the shop's name as in acme.myshopify.com, or copy its admin address: https://admin.shopify.com/store/acme.",
};

fn from_label(label: &str) -> Option<ShopDomain> {
    let fits = (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-');
    let host = fits.then(|| format!("{}{SUFFIX}", label.to_ascii_lowercase()))?;
    // A label that begins with `xn--` and decodes to nothing is no host: no request could be made to it.
    let named = matches!(url::Host::parse(&host), Ok(url::Host::Domain(parsed)) if parsed == host);
    named.then(|| ShopDomain::accepted(host))
}

/// Reads the domain in the one form that Shopify itself uses.
pub(in super::super) fn domain(text: &str) -> Option<ShopDomain> {
    from_label(text.to_ascii_lowercase().strip_suffix(SUFFIX)?)
}

/// Reads a name, a domain or an address of the admin.
pub(super) fn typed(input: &str) -> Result<ShopDomain, InvalidShop> {
    let text = input.trim_matches([' ', '\t', '\r', '\n']);
    // Anything that an address parser could read in two ways is refused before it is looked at.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/' | b':' | b'_');
    if text.len() > 255 || !text.bytes().all(plain) {
        return Err(HINT);
    }
    let lower = text.to_ascii_lowercase();
    let address = lower.strip_prefix("https://").unwrap_or(&lower);
    if address.contains(':') || address.contains("//") {
        return Err(HINT);
    }
    let shop = if let Some(rest) = address.strip_prefix(ADMIN) {
        from_label(rest.split('/').next().unwrap_or_default())
    } else if let Some((host, path)) = address.split_once('/') {
        let admin = path.is_empty() || path == "admin" || path.starts_with("admin/");
        domain(host).filter(|_| admin)
    } else {
        from_label(address.strip_suffix(SUFFIX).unwrap_or(address))
    };
    shop.ok_or(HINT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_names_domains_and_admin_addresses() {
        for input in [
            "acme",
            "ACME",
            " acme.myshopify.com\n",
            "Acme.MyShopify.com",
            "https://acme.myshopify.com",
            "https://acme.myshopify.com/",
            "https://acme.myshopify.com/admin",
            "acme.myshopify.com/admin/products",
            "https://admin.shopify.com/store/acme",
            "HTTPS://admin.shopify.com/store/acme/settings/general",
            "admin.shopify.com/store/acme",
        ] {
            assert_eq!(
                typed(input).map(|shop| shop.to_string()),
                Ok("acme.myshopify.com".to_owned()),
                "{input}"
            );
        }
        assert_eq!(typed("0-a").map(|shop| shop.to_string()), Ok("0-a.myshopify.com".to_owned()));
    }

    #[test]
    fn refuses_everything_else() {
        let long = "a".repeat(64);
        for input in [
            "",
            " ",
            ".",
            "-acme",
            "acme_shop",
            "acme shop",
            "acme.example.com",
            "acme.myshopify.com.evil.example",
            "evil.example/acme.myshopify.com",
            "evil.example#.myshopify.com",
            "evil.example?.myshopify.com",
            "evil.example\\.myshopify.com",
            "user@acme.myshopify.com",
            "acme@evil.example",
            "acme.myshopify.com:8443",
            "acme:secret@evil.myshopify.com",
            "https://evil.example/admin.shopify.com/store/acme",
            "https://admin.shopify.com.evil.example/store/acme",
            "https://admin.shopify.com/store/",
            "https://admin.shopify.com/store/acme.evil.example",
            "https://admin.shopify.com/store/acme?x=1",
            "https://admin.shopify.com/store//acme",
            "https://https://acme.myshopify.com",
            "http://acme.myshopify.com",
            "ftp://acme.myshopify.com",
            "//acme.myshopify.com",
            "/acme",
            "acme/",
            "acme/admin",
            "acme.myshopify.com/../evil",
            "acme.myshopify.com/evil",
            "a.b.myshopify.com",
            ".myshopify.com",
            "myshopify.com/",
            "acme.myshopify.com.",
            "acme\u{0}.myshopify.com",
            "acme\n.myshopify.com",
            "ac\u{200b}me",
            "аcme.myshopify.com",
            "acme。myshopify.com",
            "acme%2eevil",
            "acme%00",
            "127.0.0.1",
            "[::1]",
            "localhost.localdomain",
            "xn---------------",
            "xn--a",
            "169.254.169.254/latest",
            "${jndi}",
            "' or 1=1",
            long.as_str(),
        ] {
            assert_eq!(typed(input), Err(HINT), "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn never_makes_another_host(input in ".{0,80}") {
            if let Ok(shop) = typed(&input) {
                let label = shop.as_str().strip_suffix(SUFFIX).unwrap();
                prop_assert!(!label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                let url = url::Url::parse(&format!("https://{shop}/admin")).unwrap();
                prop_assert_eq!(url.host_str(), Some(shop.as_str()));
                prop_assert_eq!(url.port_or_known_default(), Some(443));
            }
        }
    }
}
