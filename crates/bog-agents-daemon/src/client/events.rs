//! The live log of a run: a stream of server-sent events that survives the connection.
//!
//! The format is the WHATWG's `text/event-stream`; what this daemon never sends (comments apart, and `retry`) is skipped.

use super::http::{event_stream, header};
use super::{Client, ClientError};
use crate::api::wire::{Event, Run};
use bog_domain::ids::RunId;
use reqwest::Response;
use std::collections::VecDeque;
use std::time::Duration;

/// Delay before the first reconnection; it doubles.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// Connections tried one after the other without hearing anything before giving up: about half a minute.
const TRIES: u32 = 8;

/// What happens in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunUpdate {
    /// One thing that happened in an attempt.
    Event(Event),
    /// The run ended; or it is as it is now, where only what has happened so far was asked for.
    End(Box<Run>),
}

/// What happens in a run, from its beginning to its end, across broken connections.
#[derive(Debug)]
pub struct RunEvents {
    client: Client,
    run: RunId,
    follow: bool,
    stream: Option<Response>,
    lines: Lines,
    last_id: Option<String>,
    ready: VecDeque<RunUpdate>,
    tries: u32,
}

impl RunEvents {
    /// Those to come too.
    pub(super) fn new(client: Client, run: RunId) -> Self {
        Self::of(client, run, true)
    }

    /// Only those there are.
    pub(super) fn so_far(client: Client, run: RunId) -> Self {
        Self::of(client, run, false)
    }

    fn of(client: Client, run: RunId, follow: bool) -> Self {
        let (stream, lines, last_id) = (None, Lines::default(), None);
        Self { client, run, follow, stream, lines, last_id, ready: VecDeque::new(), tries: 0 }
    }

    /// The next thing that happens. After [`RunUpdate::End`] there is no more to ask.
    ///
    /// # Errors
    /// When the daemon refuses, or stays away.
    pub async fn next(&mut self) -> Result<RunUpdate, ClientError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            match self.read().await {
                Ok(()) => self.tries = 0,
                Err(error) => self.wait_or_give_up(error).await?,
            }
        }
    }

    /// Reads one piece of the stream, connecting first where there is none.
    async fn read(&mut self) -> Result<(), ClientError> {
        if self.stream.is_none() {
            if self.tries > 0 {
                self.client = self.client.again()?;
            }
            self.stream = Some(self.connect().await?);
            self.lines = Lines::default();
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let url = stream.url().to_string();
        let piece = stream.chunk().await.map_err(|error| ClientError::from_reqwest(&url, error))?;
        let Some(piece) = piece else {
            return Err(ClientError::Transport { url, error: "the stream ended before the run did".to_owned() });
        };
        for message in self.lines.push(&piece) {
            if let Some(id) = &message.id {
                self.last_id = Some(id.clone());
            }
            let update = message.update().map_err(|error| ClientError::Unexpected {
                url: url.clone(),
                what: format!("an event that cannot be read ({error})"),
            })?;
            self.ready.extend(update);
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Response, ClientError> {
        let run = self.run.to_string();
        let request = event_stream(self.client.get(&["runs", &run, "events"]).query(&[("follow", self.follow)]));
        let request = match &self.last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = self.client.send(request).await?;
        let kind = header(&response, "content-type").to_owned();
        if kind.starts_with("text/event-stream") {
            return Ok(response);
        }
        Err(ClientError::Unexpected { url: response.url().to_string(), what: format!("`{kind}`") })
    }

    /// A broken connection is mended; anything the daemon said is final.
    async fn wait_or_give_up(&mut self, error: ClientError) -> Result<(), ClientError> {
        let passing = match &error {
            ClientError::Transport { .. } | ClientError::Refused(_) | ClientError::NoAddress => true,
            ClientError::BadAddress { .. }
            | ClientError::NoToken { .. }
            | ClientError::WrongToken(_)
            | ClientError::Problem(_)
            | ClientError::Unexpected { .. } => false,
        };
        self.stream = None;
        // Before anything was heard there is nothing to go back to: a daemon that is not there is said at once.
        if !passing || self.last_id.is_none() || self.tries >= TRIES {
            return Err(error);
        }
        tokio::time::sleep(FIRST_DELAY * 2_u32.pow(self.tries)).await;
        self.tries += 1;
        Ok(())
    }
}

/// One message of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    name: String,
    data: String,
}

impl Message {
    fn update(&self) -> Result<Option<RunUpdate>, serde_json::Error> {
        match self.name.as_str() {
            "event" => Ok(Some(RunUpdate::Event(serde_json::from_str(&self.data)?))),
            "end" => Ok(Some(RunUpdate::End(serde_json::from_str(&self.data)?))),
            // A newer daemon may say more.
            _ => Ok(None),
        }
    }
}

/// Takes a stream apart into messages, whatever the pieces it comes in.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    message: Message,
}

impl Lines {
    fn push(&mut self, piece: &[u8]) -> Vec<Message> {
        self.rest.extend_from_slice(piece);
        let mut messages = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                messages.extend((!message.data.is_empty()).then_some(message));
            } else {
                self.field(line);
            }
        }
        messages
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.message.name),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // Comments keep the connection alive; `retry` is ours to decide.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::event::EventKind;

    const STREAM: &str = ": hello\r\n\r\nid: 1-1\nevent: event\n\
        data: {\"attempt\":1,\"seq\":1,\"at\":\"2026-11-23T09:00:00Z\",\"kind\":\"stdout\",\"data\":{\"text\":\"ä\\n\"}}\n\n\
        event: later\ndata: {}\n\nid: 1-2\nevent: event\ndata: {\"attempt\":1,\ndata: \"seq\":2,\
        \"at\":\"2026-11-23T09:00:01Z\",\"kind\":\"note\",\"data\":{}}\n\n";

    #[test]
    fn a_stream_is_the_same_in_whatever_pieces_it_comes() {
        let whole = Lines::default().push(STREAM.as_bytes());
        assert_eq!(whole.len(), 3);
        for size in 1..STREAM.len() {
            let mut lines = Lines::default();
            let pieces: Vec<_> = STREAM.as_bytes().chunks(size).flat_map(|piece| lines.push(piece)).collect();
            assert_eq!(pieces, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn messages_become_updates_and_unknown_ones_are_skipped() {
        let messages = Lines::default().push(STREAM.as_bytes());
        let updates: Vec<_> = messages.iter().filter_map(|message| message.update().unwrap()).collect();
        let seen: Vec<_> = updates
            .iter()
            .map(|update| match update {
                RunUpdate::Event(event) => (event.attempt, event.seq, event.kind),
                RunUpdate::End(_) => unreachable!("the stream has no end"),
            })
            .collect();
        assert_eq!(seen, [(1, 1, EventKind::Stdout), (1, 2, EventKind::Note)]);
        assert_eq!(messages[0].id.as_deref(), Some("1-1"));
    }
}
