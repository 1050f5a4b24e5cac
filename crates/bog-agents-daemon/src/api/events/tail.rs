//! Reading the `events.jsonl` of a run's attempts, one after the other, while they grow.

use crate::api::wire::Event;
use bog_domain::event::RunEvent;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Bytes read at once, and the longest line that is understood.
const CHUNK: u64 = 1 << 20;

/// An event's place in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The attempt, from 1.
    pub(super) attempt: u32,
    /// The event within it, from 1.
    pub(super) seq: u64,
}

/// How far a run's events have been read.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    dir: PathBuf,
    attempt: u32,
    /// Where the next line of the attempt's file begins.
    offset: u64,
    /// Events up to here have been seen.
    seen: u64,
    /// Inside a line too long to be understood: read on to its end.
    skipping: bool,
}

impl Tail {
    /// The events of the run in `dir`, those after `last` where that is given.
    pub(super) fn new(dir: PathBuf, last: Option<Position>) -> Self {
        let Position { attempt, seq } = last.unwrap_or(Position { attempt: 1, seq: 0 });
        Self { dir, attempt, offset: 0, seen: seq, skipping: false }
    }

    /// The next events, in order, of a run that has begun `attempts`. Empty means that there are none for now; a line
    /// still being written is one of those to come.
    ///
    /// # Errors
    /// When a file that is there cannot be read. One that is not there has no events: attempts are pruned.
    pub(super) fn read(&mut self, attempts: u32) -> io::Result<Vec<Event>> {
        loop {
            let (events, more) = self.read_chunk()?;
            if !events.is_empty() || (!more && self.attempt >= attempts) {
                return Ok(events);
            }
            if !more {
                *self = Self::new(std::mem::take(&mut self.dir), Some(Position { attempt: self.attempt + 1, seq: 0 }));
            }
        }
    }

    /// The events in the next chunk, and whether it held anything to go on from.
    fn read_chunk(&mut self) -> io::Result<(Vec<Event>, bool)> {
        let mut file = match File::open(self.dir.join(self.attempt.to_string()).join("events.jsonl")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), false)),
            other => other?,
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut chunk = Vec::new();
        file.take(CHUNK).read_to_end(&mut chunk)?;
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            let too_long = chunk.len() as u64 == CHUNK;
            if too_long {
                self.offset += CHUNK;
                self.skipping = true;
            }
            return Ok((Vec::new(), too_long));
        };
        self.offset += end as u64 + 1;
        let mut events = Vec::new();
        for line in chunk[..end].split(|byte| *byte == b'\n') {
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            // A line that is no event was cut off by a crash or comes from a newer runner: the others still count.
            let Ok(event) = serde_json::from_slice::<RunEvent>(line) else { continue };
            if event.seq > self.seen {
                self.seen = event.seq;
                let RunEvent { seq, at, kind, data } = event;
                events.push(Event { attempt: self.attempt, seq, at, kind, data });
            }
        }
        Ok((events, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    fn append(run: &Path, attempt: u32, text: &str) {
        let dir = run.join(attempt.to_string());
        fs::create_dir_all(&dir).unwrap();
        let mut file = fs::OpenOptions::new().create(true).append(true).open(dir.join("events.jsonl")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn line(seq: u64) -> String {
        format!("{{\"seq\":{seq},\"at\":\"2026-01-01T00:00:00Z\",\"kind\":\"stdout\",\"data\":{{\"text\":\"x\"}}}}\n")
    }

    fn ids(events: &[Event]) -> Vec<String> {
        events.iter().map(|event| format!("{}-{}", event.attempt, event.seq)).collect()
    }

    #[test]
    fn lines_are_read_once_they_are_whole() {
        let run = tempfile::tempdir().unwrap();
        let mut tail = Tail::new(run.path().to_owned(), None);
        assert!(tail.read(0).unwrap().is_empty());
        let second = line(2);
        let (begun, rest) = second.split_at(20);
        append(run.path(), 1, &format!("{}{begun}", line(1)));
        assert_eq!(ids(&tail.read(1).unwrap()), ["1-1"]);
        assert!(tail.read(1).unwrap().is_empty());
        append(run.path(), 1, rest);
        assert_eq!(ids(&tail.read(1).unwrap()), ["1-2"]);
    }

    #[test]
    fn attempts_follow_each_other_even_where_one_is_gone() {
        let run = tempfile::tempdir().unwrap();
        append(run.path(), 1, &line(1));
        append(run.path(), 3, &line(1));
        let mut tail = Tail::new(run.path().to_owned(), None);
        assert_eq!(ids(&tail.read(3).unwrap()), ["1-1"]);
        assert_eq!(ids(&tail.read(3).unwrap()), ["3-1"]);
        assert!(tail.read(3).unwrap().is_empty());
    }

    #[test]
    fn it_goes_on_after_what_was_seen() {
        let run = tempfile::tempdir().unwrap();
        append(run.path(), 1, &line(1));
        append(run.path(), 2, &(line(1) + &line(2) + &line(3)));
        let mut tail = Tail::new(run.path().to_owned(), Some(Position { attempt: 2, seq: 2 }));
        assert_eq!(ids(&tail.read(2).unwrap()), ["2-3"]);
    }

    #[test]
    fn garbage_and_endless_lines_are_passed_over() {
        let run = tempfile::tempdir().unwrap();
        let endless = "x".repeat(usize::try_from(CHUNK).unwrap() * 2 + 5);
        append(run.path(), 1, &format!("{}no json\n{endless}\n{}", line(1), line(2)));
        let mut tail = Tail::new(run.path().to_owned(), None);
        let mut all = Vec::new();
        loop {
            let events = tail.read(1).unwrap();
            if events.is_empty() {
                break;
            }
            all.extend(ids(&events));
        }
        assert_eq!(all, ["1-1", "1-2"]);
    }
}
