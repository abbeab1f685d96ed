//! Downloads from a storage that breaks off, lies and forgets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{ByteSource, Download};
use crate::ports::provider::ProviderError;

/// What the storage does with one request.
enum Act {
    /// Sends what is asked for.
    Serve,
    /// Announces what is asked for and hangs up after this many bytes.
    HangUpAfter(usize),
    /// Sends these very headers (without the last empty line), then the body.
    Answer(&'static str, &'static str),
}

/// A storage on a port of its own: what it was asked, and its address.
async fn storage(file: &'static [u8], acts: Vec<Act>) -> (Url, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/signed?secret=1", listener.local_addr().unwrap())).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    tokio::spawn(async move {
        let mut acts: VecDeque<Act> = acts.into();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap().to_lowercase();
            let range =
                request.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap().to_owned();
            log.lock().unwrap().push(request);
            let (first, last) = range.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            let served = &file[first..=last.min(file.len() - 1)];
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {first}-{last}/{}\r\nconnection: close\r\n\r\n",
                served.len(),
                file.len()
            );
            let answer = match acts.pop_front().unwrap_or(Act::Serve) {
                Act::Serve => [head.as_bytes(), served].concat(),
                Act::HangUpAfter(n) => [head.as_bytes(), &served[..n]].concat(),
                Act::Answer(head, body) => format!(
                    "HTTP/1.1 {head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .into_bytes(),
            };
            socket.write_all(&answer).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (url, asked)
}

async fn read(url: Url, size: u64, start: u64, end: u64) -> Result<Vec<u8>, ProviderError> {
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut download = Download::new(http, url, size, start, end);
    let mut read = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

#[tokio::test]
async fn reads_on_from_where_the_connection_broke_and_sends_no_token() {
    static FILE: &[u8] = b"0123456789abcdefghij";
    let acts = vec![Act::HangUpAfter(5), Act::Answer("503 Busy\r\n", ""), Act::HangUpAfter(0)];
    let (url, asked) = storage(FILE, acts).await;
    assert_eq!(read(url, 20, 3, 10).await.unwrap(), b"3456789abcdefghij");
    let asked = asked.lock().unwrap();
    let ranges: Vec<&str> = asked
        .iter()
        .map(|request| request.lines().find(|line| line.starts_with("range:")).unwrap())
        .collect();
    assert_eq!(ranges, ["range: bytes=3-19", "range: bytes=8-19", "range: bytes=8-19", "range: bytes=8-19"]);
    assert!(
        asked
            .iter()
            .all(|request| !request.contains("shopify") && request.contains("accept-encoding: identity"))
    );
}

#[tokio::test]
async fn asks_for_little_more_than_the_range_and_then_for_more() {
    static FILE: [u8; 400_000] = [7; 400_000];
    let (url, asked) = storage(&FILE, vec![]).await;
    assert_eq!(read(url, 400_000, 0, 1000).await.unwrap().len(), 400_000);
    let asked = asked.lock().unwrap();
    let ranges: Vec<&str> = asked
        .iter()
        .map(|request| request.lines().find(|line| line.starts_with("range:")).unwrap())
        .collect();
    assert_eq!(ranges, ["range: bytes=0-66535", "range: bytes=66536-197607", "range: bytes=197608-399999"]);
}

#[tokio::test]
async fn a_storage_that_keeps_breaking_off_is_unavailable_and_never_the_end_of_the_file() {
    static FILE: &[u8] = b"0123456789";
    let (url, asked) = storage(FILE, (0..9).map(|_| Act::HangUpAfter(0)).collect()).await;
    let error = read(url, 10, 0, 10).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn answers_that_are_not_the_bytes_asked_for_are_refused() {
    static FILE: &[u8] = b"0123456789";
    for (head, body, expected) in [
        (
            "200 OK\r\n",
            "0123456789",
            "the shop's answer cannot be read: the storage ignored the range asked for",
        ),
        (
            "206 P\r\n",
            "0123456789",
            "the shop's answer cannot be read: the storage did not say which bytes it sends",
        ),
        (
            "206 P\r\ncontent-range: bytes 1-9/10\r\n",
            "123456789",
            "the shop's answer cannot be read: the storage sent other bytes than asked for",
        ),
        (
            "206 P\r\ncontent-range: bytes 0-9/11\r\n",
            "0123456789",
            "the shop's answer cannot be read: the file does not have the length announced",
        ),
        (
            "206 P\r\ncontent-range: bytes 0-9/10\r\ncontent-encoding: gzip\r\n",
            "0123456789",
            "the shop's answer cannot be read: the storage compressed the file",
        ),
        (
            "206 P\r\ncontent-range: bytes 0-4/10\r\n",
            "0123456789",
            "the shop's answer cannot be read: the storage sent more bytes than asked for",
        ),
        (
            "302 Found\r\nlocation: http://127.0.0.1:1/\r\n",
            "",
            "the shop's answer cannot be read: the storage answered with status 302",
        ),
        ("416 No\r\n", "", "the shop's answer cannot be read: the file is shorter than announced"),
        ("403 Forbidden\r\n", "", "the result can no longer be downloaded"),
        ("404 Not Found\r\n", "", "the result can no longer be downloaded"),
        ("410 Gone\r\n", "", "the result can no longer be downloaded"),
        ("429 Slow\r\nretry-after: 600\r\n", "", "the shop throttled the call"),
    ] {
        let (url, _) = storage(FILE, vec![Act::Answer(head, body)]).await;
        assert_eq!(read(url, 10, 0, 10).await.unwrap_err().to_string(), expected, "{head}");
    }
}

#[tokio::test]
async fn a_first_part_of_the_window_is_taken_and_the_rest_asked_for() {
    static FILE: &[u8] = b"0123456789";
    let part = Act::Answer("206 P\r\ncontent-range: bytes 0-4/10\r\n", "01234");
    let (url, asked) = storage(FILE, vec![part]).await;
    assert_eq!(read(url, 10, 0, 10).await.unwrap(), FILE);
    assert!(asked.lock().unwrap()[1].contains("range: bytes=5-9"));
}

#[tokio::test]
async fn a_body_that_ends_early_without_a_word_is_not_the_end_of_the_file() {
    static FILE: &[u8] = b"0123456789";
    let short = Act::Answer("206 P\r\ncontent-range: bytes 0-9/10\r\n", "01234");
    let (url, asked) = storage(FILE, vec![short]).await;
    assert_eq!(read(url, 10, 0, 10).await.unwrap(), FILE);
    assert!(asked.lock().unwrap()[1].contains("range: bytes=5-9"));
}
