//! Lines out of chunks of bytes.

use memchr::memchr;

use super::ByteSource;
use crate::ports::provider::ProviderError;

/// The longest line that is read. A description may be long, a line of this length is no object.
const MAX_LINE_BYTES: usize = 32 * 1024 * 1024;

/// Splits a source at newlines. Holds one line and what came with it.
pub(super) struct Lines<S> {
    source: S,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    head: usize,
    /// The same place in the file.
    offset: u64,
    /// The first line began before the range.
    skip_first: bool,
    ended: bool,
    bytes: u64,
}

impl<S: ByteSource> Lines<S> {
    pub(super) fn new(source: S, offset: u64, skip_first: bool) -> Self {
        Self { source, buffer: Vec::new(), head: 0, offset, skip_first, ended: false, bytes: 0 }
    }

    /// Bytes that came from the source so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line that is not empty, without its end, and where it begins in the file.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, &[u8])>, ProviderError> {
        loop {
            let Some((length, ending)) = self.find_end().await? else { return Ok(None) };
            let begin = self.head;
            let offset = self.offset;
            self.head += length + ending;
            self.offset += (length + ending) as u64;
            if std::mem::take(&mut self.skip_first) {
                continue;
            }
            let line = self.buffer[begin..begin + length].trim_ascii();
            if !line.is_empty() {
                // Borrowed anew: the borrow checker does not see that the loop ends here.
                return Ok(Some((offset, self.buffer[begin..begin + length].trim_ascii())));
            }
        }
    }

    /// The length of the next line and of its end; `None` at the end of the file.
    async fn find_end(&mut self) -> Result<Option<(usize, usize)>, ProviderError> {
        let mut scanned = 0;
        loop {
            let rest = &self.buffer[self.head..];
            if let Some(at) = memchr(b'\n', &rest[scanned..]) {
                return Ok(Some((scanned + at, 1)));
            }
            scanned = rest.len();
            if self.ended {
                return Ok((scanned > 0).then_some((scanned, 0)));
            }
            if scanned > MAX_LINE_BYTES {
                let why = format!("the line at byte {} of the result is too long", self.offset);
                return Err(ProviderError::Malformed { why });
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), ProviderError> {
        match self.source.chunk().await? {
            None => self.ended = true,
            Some(chunk) => {
                self.bytes += chunk.len() as u64;
                self.buffer.drain(..self.head);
                self.head = 0;
                self.buffer.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }
}
