//! What an agent writes, line by line. Only JSON objects reach the protocol: whatever else a program prints on its standard
//! output is noted, within bounds, and passed over.

use super::report::Reporter;
use futures::Stream;
use serde::de::IgnoredAny;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The longest message: a file that is read or written is one.
const LINE_BYTES: usize = 32 * 1024 * 1024;
/// Lines that are no messages of which each is noted; the rest is counted.
const NOTED: usize = 5;
/// How much of such a line is shown.
const SHOWN_CHARS: usize = 200;

/// What came that was no message.
#[derive(Clone, Default)]
pub struct Garbage(Arc<Mutex<(usize, Option<String>)>>);

impl Garbage {
    fn add(&self, line: &str, reporter: &Reporter) {
        let shown: String = line.trim().chars().take(SHOWN_CHARS).collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.0 += 1;
        if known.0 <= NOTED {
            reporter.note(format!("the agent wrote a line that is no message: {shown}"));
        } else if known.0 == NOTED + 1 {
            reporter.note("the agent goes on to write lines that are no messages; they are passed over");
        }
        known.1.get_or_insert(shown);
    }

    /// The first such line, for an error.
    pub fn first(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// The messages among what comes from `read`. Every line is a sign of life.
pub fn messages(
    read: impl AsyncRead + Send + Unpin + 'static,
    reporter: Reporter,
    garbage: Garbage,
) -> impl Stream<Item = io::Result<String>> + Send + 'static {
    futures::stream::unfold(BufReader::new(read), move |mut read| {
        let (reporter, garbage) = (reporter.clone(), garbage.clone());
        async move {
            loop {
                let line = match next_line(&mut read).await {
                    Ok(Some(line)) => line,
                    Ok(None) => return None,
                    Err(error) => return Some((Err(error), read)),
                };
                reporter.heard();
                let text = match line {
                    Line::Whole(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Line::TooLong => {
                        reporter.note(format!(
                            "the agent wrote a line of more than {LINE_BYTES} bytes; it was passed over"
                        ));
                        continue;
                    }
                };
                let is_message =
                    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(&text).is_ok();
                if is_message {
                    return Some((Ok(text), read));
                }
                if !text.trim().is_empty() {
                    garbage.add(&text, &reporter);
                }
            }
        }
    })
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// The next line without its end, none at the end of the stream. What follows the last line end is a line too.
async fn next_line(read: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let buffer = read.fill_buf().await?;
        if buffer.is_empty() {
            return Ok((!line.is_empty() || too_long).then(|| finish(line, too_long)));
        }
        let (piece, used) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&buffer[..at], at + 1),
            None => (buffer, buffer.len()),
        };
        let ends = used > piece.len();
        too_long |= line.len() + piece.len() > LINE_BYTES;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(piece);
        }
        read.consume(used);
        if ends {
            return Ok(Some(finish(line, too_long)));
        }
    }
}

fn finish(line: Vec<u8>, too_long: bool) -> Line {
    if too_long { Line::TooLong } else { Line::Whole(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn only_messages_come_through() {
        let mut text = b"Starting...\n{\"id\":1}\n\n  [1]\n{\"id\":\n\xff\xfe\n".to_vec();
        text.extend(vec![b'x'; LINE_BYTES + 1]);
        text.extend(b"\n{\"id\":2}");
        let (reporter, garbage) = (Reporter::new(io::sink(), 10), Garbage::default());
        let found: Vec<String> =
            messages(io::Cursor::new(text), reporter, garbage.clone()).map(|line| line.unwrap()).collect().await;
        assert_eq!(found, ["{\"id\":1}", "  [1]", "{\"id\":2}"]);
        assert_eq!(garbage.first().as_deref(), Some("Starting..."));
    }
}
