//! `events.jsonl`: the run's live log, one [`RunEvent`] a line. It is a courtesy: no failure here harms the run.

use super::protocol::EVENTS_FILE;
use bog_domain::event::{EventKind, RunEvent};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Room for a last note, once the cap is reached.
const NOTE_ROOM: u64 = 1024;

/// Appends events, at most `cap` bytes of them.
pub struct EventLog {
    file: Option<File>,
    seq: u64,
    /// The file's length, so that a half written line can be taken back.
    length: u64,
    cap: u64,
    capped: bool,
    /// Events lost to a full disk since the last one that was written.
    lost: u64,
}

impl EventLog {
    /// Begins `dir/events.jsonl`. Where that fails there is no log, and the run goes on.
    pub fn create(dir: &Path, cap: u64) -> Self {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(EVENTS_FILE));
        Self { file: file.ok(), seq: 0, length: 0, cap, capped: false, lost: 0 }
    }

    /// Records a textual event.
    pub fn text(&mut self, kind: EventKind, text: &str) {
        if !text.is_empty() {
            self.record(kind, json!({ "text": text }));
        }
    }

    /// Records an event.
    pub fn record(&mut self, kind: EventKind, data: Value) {
        if self.capped {
            return;
        }
        if self.lost > 0 {
            let note = format!("{} events were lost: the disk was full", self.lost);
            if self.note(note).is_ok() {
                self.lost = 0;
            }
        }
        let Ok(line) = self.line(kind, data) else { return };
        if self.length + line.len() as u64 + NOTE_ROOM > self.cap {
            self.capped = true;
            // A full disk takes the note too: then the log just ends here.
            let _ = self.note(format!("the log reached {} bytes: nothing more is recorded here", self.length));
        } else if self.append(&line).is_err() {
            self.lost += 1;
        }
    }

    fn note(&mut self, text: String) -> io::Result<()> {
        let line = self.line(EventKind::Note, json!({ "text": text }))?;
        self.append(&line)
    }

    fn line(&self, kind: EventKind, data: Value) -> io::Result<Vec<u8>> {
        let event = RunEvent { seq: self.seq + 1, at: crate::clock::now(), kind, data };
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        Ok(line)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Err(error) = file.write_all_at(line, self.length) {
            file.set_len(self.length)?;
            return Err(error);
        }
        self.seq += 1;
        self.length += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(dir: &Path) -> Vec<RunEvent> {
        let text = std::fs::read_to_string(dir.join(EVENTS_FILE)).expect("readable");
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    #[test]
    fn the_cap_ends_the_log_with_one_note() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut log = EventLog::create(dir.path(), 4096);
        for _ in 0..100 {
            log.text(EventKind::Stdout, &"x".repeat(500));
        }
        let events = events(dir.path());
        assert_eq!(events.iter().filter(|event| event.kind == EventKind::Note).count(), 1);
        assert_eq!(events.last().map(|event| event.kind), Some(EventKind::Note));
        assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
        assert!(std::fs::metadata(dir.path().join(EVENTS_FILE)).expect("there").len() <= 4096);
    }

    #[test]
    fn a_lost_folder_is_no_error() {
        let mut log = EventLog::create(Path::new("/nonexistent"), 4096);
        log.text(EventKind::Stdout, "x");
        assert_eq!(log.seq, 0);
    }
}
