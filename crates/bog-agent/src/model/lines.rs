//! A streamed body as lines, and as server-sent events (the HTML standard, section 9.2.6).

use super::ModelError;
use super::http::lost;
use reqwest::Response;

/// The longest line that is read. An answer is written in small pieces; whole images are not asked for.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// A body, line by line.
pub struct Lines {
    response: Response,
    buffer: Vec<u8>,
    /// How much of the buffer has no line's end.
    searched: usize,
    ended: bool,
}

/// A server-sent event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty where there is none.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl Lines {
    /// Of this answer.
    pub fn new(response: Response) -> Self {
        Self { response, buffer: Vec::new(), searched: 0, ended: false }
    }

    /// The next line, without its end; none at the body's end.
    pub async fn next(&mut self) -> Result<Option<String>, ModelError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + at + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                return Ok(Some(text(&line)));
            }
            self.searched = self.buffer.len();
            if self.ended {
                self.searched = 0;
                let line = std::mem::take(&mut self.buffer);
                return Ok((!line.is_empty()).then(|| text(&line)));
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(ModelError::permanent(format!("the answer has a line of over {LONGEST_LINE} bytes")));
            }
            match self.response.chunk().await.map_err(|error| lost(&error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => self.ended = true,
            }
        }
    }

    /// The next server-sent event that has data; none at the body's end. One that the end cuts off is still told: some
    /// servers leave out the last empty line.
    pub async fn event(&mut self) -> Result<Option<Event>, ModelError> {
        let mut assembly = Assembly::default();
        while let Some(line) = self.next().await? {
            if let Some(event) = assembly.take(&line) {
                return Ok(Some(event));
            }
        }
        Ok(assembly.rest())
    }
}

/// An event that is being put together.
#[derive(Default)]
struct Assembly {
    name: String,
    data: Option<String>,
}

impl Assembly {
    /// Takes a line; an empty one ends the event.
    fn take(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return std::mem::take(self).rest();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            // Comments, ids, reconnection times.
            _ => {}
        }
        None
    }

    fn rest(self) -> Option<Event> {
        self.data.map(|data| Event { name: self.name, data })
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_standard_says() {
        let body = ": hello\n\nevent: a\ndata: one\ndata:two\n\ndata: three\r\n\r\nid: 4\n\nevent: b\n\ndata: cut off";
        let mut assembly = Assembly::default();
        let lines = body.split_inclusive('\n').map(|line| text(line.as_bytes()));
        let mut found: Vec<_> = lines.filter_map(|line| assembly.take(&line)).collect();
        found.extend(assembly.rest());
        let found: Vec<_> = found.iter().map(|event| (event.name.as_str(), event.data.as_str())).collect();
        assert_eq!(found, [("a", "one\ntwo"), ("", "three"), ("", "cut off")]);
    }
}
