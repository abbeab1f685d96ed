//! The bytes of a result file over HTTP.
//!
//! Asks for windows by `Range`, without our token: the address is signed. A connection that breaks is taken up again
//! where it broke. What is delivered must be exactly the bytes asked for, of a file of the length announced.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Response, StatusCode, Url};

use super::ByteSource;
use crate::ports::provider::ProviderError;
use crate::providers::shopify::client::{retry_after, unreachable};

/// What is fetched beyond the end of a range at once, because its last object usually ends there.
const SLACK: u64 = 64 * 1024;

/// The largest window beyond it.
const MAX_WINDOW: u64 = 4 * 1024 * 1024;

/// Failures in a row, without a byte between them, after which the download is given up.
const MAX_FAILURES_IN_A_ROW: u32 = 4;

/// Failures in all after which it is given up.
const MAX_FAILURES: u32 = 24;

/// The wait before the first retry; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait that is spent inside a step; the queue waits longer ones.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A file being read from one place to its end.
pub(crate) struct Download {
    http: reqwest::Client,
    url: Url,
    size: u64,
    /// The next byte to deliver.
    position: u64,
    /// The end of the window being read.
    window_end: u64,
    /// The length of the next window.
    next_window: u64,
    body: Option<Response>,
    failures_in_a_row: u32,
    failures: u32,
}

impl Download {
    /// Reads from `start`; the first window ends a little beyond `end`.
    pub(crate) fn new(http: reqwest::Client, url: Url, size: u64, start: u64, end: u64) -> Self {
        Self {
            http,
            url,
            size,
            position: start,
            window_end: end.saturating_add(SLACK).min(size),
            next_window: SLACK * 2,
            body: None,
            failures_in_a_row: 0,
            failures: 0,
        }
    }

    /// Asks for the rest of the window; `Err` within `Ok` is worth another try.
    async fn ask(&self) -> Result<Result<Response, ProviderError>, ProviderError> {
        let range = format!("bytes={}-{}", self.position, self.window_end - 1);
        let asked = self
            .http
            .get(self.url.clone())
            .header(RANGE, range)
            .header(ACCEPT_ENCODING, "identity")
            .send()
            .await;
        let response = match asked {
            Ok(response) => response,
            Err(error) => return Ok(Err(unreachable(error))),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => Ok(Ok(response)),
            StatusCode::OK => Err(malformed("the storage ignored the range asked for")),
            // Google's storage answers 400 to a signature that has expired.
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(ProviderError::ResultExpired)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Err(malformed("the file is shorter than announced")),
            StatusCode::TOO_MANY_REQUESTS => {
                Ok(Err(ProviderError::Throttled { retry_after: retry_after(response.headers()) }))
            }
            status if status == StatusCode::REQUEST_TIMEOUT || status.is_server_error() => {
                Ok(Err(ProviderError::Unavailable { source: None }))
            }
            status => Err(malformed(&format!("the storage answered with status {}", status.as_u16()))),
        }
    }

    async fn open(&mut self) -> Result<(), ProviderError> {
        if self.position >= self.window_end {
            self.window_end = self.position.saturating_add(self.next_window).min(self.size);
            self.next_window = (self.next_window * 2).min(MAX_WINDOW);
        }
        loop {
            match self.ask().await? {
                Ok(response) => {
                    self.window_end = self.delivered(response.headers())?;
                    self.body = Some(response);
                    return Ok(());
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    /// The end of what an answer delivers: the window or, as HTTP allows, a first part of it.
    fn delivered(&self, headers: &HeaderMap) -> Result<u64, ProviderError> {
        if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(malformed("the storage compressed the file"));
        }
        let header = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let Some((first, last, total)) = header.and_then(content_range) else {
            return Err(malformed("the storage did not say which bytes it sends"));
        };
        if total != self.size {
            return Err(malformed("the file does not have the length announced"));
        }
        if first != self.position || last < first || last >= self.window_end {
            return Err(malformed("the storage sent other bytes than asked for"));
        }
        Ok(last + 1)
    }

    async fn failed(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        self.body = None;
        self.failures += 1;
        self.failures_in_a_row += 1;
        if self.failures_in_a_row > MAX_FAILURES_IN_A_ROW || self.failures > MAX_FAILURES {
            return Err(error);
        }
        let wait = match &error {
            ProviderError::Throttled { retry_after: Some(wait) } => *wait,
            _ => FIRST_WAIT * 2_u32.pow(self.failures_in_a_row - 1),
        };
        if wait > MAX_WAIT {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl ByteSource for Download {
    async fn chunk(&mut self) -> Result<Option<Bytes>, ProviderError> {
        while self.position < self.size {
            let Some(body) = &mut self.body else {
                self.open().await?;
                continue;
            };
            match body.chunk().await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => {
                    self.position += bytes.len() as u64;
                    if self.position > self.window_end {
                        return Err(malformed("the storage sent more bytes than asked for"));
                    }
                    if self.position == self.window_end {
                        self.body = None;
                    }
                    self.failures_in_a_row = 0;
                    return Ok(Some(bytes));
                }
                Ok(None) => self.failed(ProviderError::Unavailable { source: None }).await?,
                Err(error) => self.failed(unreachable(error)).await?,
            }
        }
        Ok(None)
    }
}

fn malformed(why: &str) -> ProviderError {
    ProviderError::Malformed { why: why.to_owned() }
}

/// `bytes first-last/total`.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}
