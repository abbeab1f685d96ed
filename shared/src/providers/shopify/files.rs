//! Files of shops, as their storefronts show them: on Shopify's own host, for anyone to read, so no token is sent.

use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use jiff::Timestamp;
use reqwest::header::{ETAG, HeaderMap, IF_NONE_MATCH};
use reqwest::{Response, StatusCode, Url};

use super::Shopify;
use super::client::{retry_after, unreachable};
use crate::domain::media::MAX_FILE_BYTES;
use crate::ports::media::{FetchError, Fetched, MediaFiles};
use crate::ports::provider::ProviderError;

/// The hosts that files of shops are read from.
const FILE_HOSTS: &[&str] = &["cdn.shopify.com"];

/// The longest that fetching one file may take.
const TIMEOUT: Duration = Duration::from_secs(10);

#[async_trait]
impl MediaFiles for Shopify {
    async fn fetch(&self, url: &str, asked: Timestamp, etag: Option<&str>) -> Result<Fetched, FetchError> {
        let url = file_url(url, asked).ok_or(FetchError::Elsewhere)?;
        let http = self.http().map_err(FetchError::Failed)?;
        let mut call = http.get(url).timeout(TIMEOUT);
        if let Some(etag) = etag {
            call = call.header(IF_NONE_MATCH, etag);
        }
        let response = call.send().await.map_err(|error| FetchError::Failed(unreachable(error)))?;
        match response.status() {
            StatusCode::OK => read(response).await,
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Fetched::Unchanged),
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = retry_after(response.headers());
                Err(FetchError::Failed(ProviderError::Throttled { retry_after }))
            }
            status if status.is_server_error() => {
                Err(FetchError::Failed(ProviderError::Unavailable { source: None }))
            }
            status => {
                let code = format!("http_{}", status.as_u16());
                Err(FetchError::Failed(ProviderError::Refused { code }))
            }
        }
    }
}

/// The address to ask, if it is one that may be read. Files are stored without the version in their query, and a replaced
/// file keeps the rest of its address; another version than the caches along the way know makes them ask for what it is now.
fn file_url(text: &str, asked: Timestamp) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && FILE_HOSTS.contains(&url.host_str()?);
    url.set_fragment(None);
    url.set_query(Some(&format!("v={}", asked.as_second())));
    plain.then_some(url)
}

async fn read(mut response: Response) -> Result<Fetched, FetchError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > MAX_FILE_BYTES) {
        return Err(FetchError::TooLarge);
    }
    let etag = tag(response.headers());
    let mut content = BytesMut::with_capacity(announced.unwrap_or_default());
    while let Some(piece) = response.chunk().await.map_err(|error| FetchError::Failed(unreachable(error)))? {
        if content.len() + piece.len() > MAX_FILE_BYTES {
            return Err(FetchError::TooLarge);
        }
        content.extend_from_slice(&piece);
    }
    Ok(Fetched::File { content: content.freeze(), etag })
}

/// A tag of a length that is worth storing.
fn tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok())?;
    (tag.len() <= 200).then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_from_pinned_hosts_only_and_as_they_are_now() {
        let asked = Timestamp::from_second(1_790_000_000).unwrap();
        let url = |text| file_url(text, asked).map(String::from);
        let good = "https://cdn.shopify.com/s/files/1/0600/7/files/a.jpg?v=1790000000";
        assert_eq!(url("https://cdn.shopify.com/s/files/1/0600/7/files/a.jpg?v=1#x").as_deref(), Some(good));
        for bad in [
            "http://cdn.shopify.com/a.jpg",
            "https://cdn.shopify.com:8443/a.jpg",
            "https://user@cdn.shopify.com/a.jpg",
            "https://cdn.shopify.com.evil.example/a.jpg",
            "https://evil.example/cdn.shopify.com",
            "https://acme.myshopify.com/a.jpg",
            "https://169.254.169.254/a.jpg",
            "file:///etc/passwd",
            "cdn.shopify.com/a.jpg",
            "",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }
}
