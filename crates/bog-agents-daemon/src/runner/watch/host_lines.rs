//! What a host of ours writes on its standard output, line by line: events for the run's log, and how its agent ended.
//!
//! The agent it hosts could write there too, if it tried hard. What cannot be read is noted and passed over; what can be
//! is the agent's own word either way.

use crate::runner::events::EventLog;
use crate::runner::outcome::ERROR_MAX_BYTES;
use crate::runner::used;
use bog_domain::agent_end::{AgentEnd, HostLine, ModelUsage, Told, VERSION};
use bog_domain::event::EventKind;
use std::path::{Path, PathBuf};

/// The longest line besides the last one, which holds the output.
const LINE_BYTES: usize = 1024 * 1024;
/// JSON makes at most six bytes of one.
const ESCAPED: usize = 6;
/// Models of which usage is kept, and the bytes of a name.
const MAX_MODELS: usize = 32;
const MAX_NAME: usize = 128;

/// Lines that come in pieces.
pub struct HostLines {
    partial: String,
    /// Whether the line that is coming is too long, so that its rest is dropped.
    skipping: bool,
    cap: usize,
    noted: bool,
    /// The attempt's folder.
    dir: PathBuf,
    used: Vec<ModelUsage>,
    end: Option<AgentEnd>,
}

impl HostLines {
    /// For an output of at most `output_bytes` bytes of the attempt in `dir`.
    pub fn new(dir: &Path, output_bytes: usize) -> Self {
        let cap = output_bytes.saturating_mul(ESCAPED).saturating_add(LINE_BYTES);
        let dir = dir.to_owned();
        Self { partial: String::new(), skipping: false, cap, noted: false, dir, used: Vec::new(), end: None }
    }

    /// Takes the next piece; what it completes goes into the log.
    pub fn push(&mut self, piece: &str, events: &mut EventLog) {
        let mut rest = piece;
        while let Some((line, after)) = rest.split_once('\n') {
            self.add(line);
            let line = std::mem::take(&mut self.partial);
            if !std::mem::take(&mut self.skipping) {
                self.read(&line, events);
            }
            rest = after;
        }
        self.add(rest);
    }

    fn add(&mut self, text: &str) {
        self.skipping |= self.partial.len() + text.len() > self.cap;
        if self.skipping {
            self.partial = String::new();
        } else {
            self.partial.push_str(text);
        }
    }

    fn read(&mut self, line: &str, events: &mut EventLog) {
        match serde_json::from_str::<HostLine>(line) {
            Ok(HostLine { v, tell: Told::Event { kind, data } }) if v <= VERSION => events.record(kind, data),
            Ok(HostLine { v, tell: Told::Used(used) }) if v <= VERSION => {
                self.used = believable(used);
                // On a full disk it is known until this process ends.
                let _ = used::write(&self.dir, &self.used);
            }
            Ok(HostLine { v, tell: Told::End(end) }) if v <= VERSION => self.end = Some(bounded(*end)),
            Ok(_) | Err(_) if line.is_empty() || self.noted => {}
            Ok(_) | Err(_) => {
                self.noted = true;
                events.text(EventKind::Note, "the agent's host wrote a line that cannot be read; it was passed over");
            }
        }
    }

    /// How the agent ended, where the host has said so, and else what it had used.
    pub fn into_parts(self) -> (Option<AgentEnd>, Vec<ModelUsage>) {
        (self.end, self.used)
    }
}

/// What is kept with the outcome has its room set aside: a name may be long, and many models may be named.
fn bounded(mut end: AgentEnd) -> AgentEnd {
    end.session = end.session.filter(|session| session.len() <= MAX_NAME * 2);
    if let Some(message) = &mut end.message {
        message.truncate(message.floor_char_boundary(ERROR_MAX_BYTES));
    }
    end.usage = believable(end.usage);
    end
}

/// What an agent says that it has used, as far as it is kept.
fn believable(mut usage: Vec<ModelUsage>) -> Vec<ModelUsage> {
    usage.truncate(MAX_MODELS);
    let bounded = |mut usage: ModelUsage| {
        usage.model.truncate(usage.model.floor_char_boundary(MAX_NAME));
        usage.bounded()
    };
    usage.into_iter().map(bounded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::agent_end::Stop;

    fn read(pieces: &[&str]) -> (Option<AgentEnd>, String) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut events = EventLog::create(dir.path(), 1 << 20);
        let mut lines = HostLines::new(dir.path(), 100);
        for piece in pieces {
            lines.push(piece, &mut events);
        }
        (lines.into_parts().0, std::fs::read_to_string(dir.path().join("events.jsonl")).expect("readable"))
    }

    #[test]
    fn lines_may_come_in_pieces_and_nonsense_is_noted_once() {
        let event = r#"{"v":1,"tell":{"event":{"kind":"tool_call","data":{"title":"ls"}}}}"#;
        let end = r#"{"v":1,"tell":{"end":{"stop":"finished","text":"done"}}}"#;
        let text = format!("x\n{event}\n\n{{\"v\":9}}\n{end}\n");
        let (left, right) = text.split_at(20);
        let (end, log) = read(&[left, right]);
        assert_eq!(end.map(|end| (end.stop, end.text)), Some((Stop::Finished, "done".to_owned())));
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.contains(r#""kind":"tool_call","data":{"title":"ls"}"#) && log.contains("cannot be read"), "{log}");
    }

    #[test]
    fn an_agent_that_tells_too_much_is_cut_short() {
        let message = "é".repeat(ERROR_MAX_BYTES);
        let usage = r#"{"model":"m","input_tokens":18446744073709551615,"cost_usd":1e308}"#;
        let line = format!(
            "{{\"v\":1,\"tell\":{{\"end\":{{\"stop\":\"failed\",\"message\":\"{message}\",\"usage\":[{usage}]}}}}}}\n"
        );
        let end = read(&[&line]).0.expect("an end");
        assert_eq!(end.message.map(|message| message.len()), Some(ERROR_MAX_BYTES));
        assert!(end.usage[0].cost_usd < Some(1e7) && end.usage[0].input_tokens < Some(1 << 60), "{:?}", end.usage);
    }

    #[test]
    fn what_was_used_is_known_without_an_end_and_without_this_process() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut events = EventLog::create(dir.path(), 1 << 20);
        let mut lines = HostLines::new(dir.path(), 100);
        assert_eq!(used::read(dir.path()), []);
        for cost in ["0.25", "0.5"] {
            let line = format!("{{\"v\":1,\"tell\":{{\"used\":[{{\"model\":\"m\",\"cost_usd\":{cost}}}]}}}}\n");
            lines.push(&line, &mut events);
        }
        let kept = used::read(dir.path());
        assert_eq!(kept[0].cost_usd, Some(0.5));
        assert_eq!(lines.into_parts(), (None, kept));
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let long = "x".repeat(LINE_BYTES);
        let (end, log) = read(&[&long, &long, "\n", r#"{"v":1,"tell":{"end":{"stop":"failed"}}}"#, "\n"]);
        assert_eq!(end.map(|end| end.stop), Some(Stop::Failed));
        assert_eq!(log, "");
    }
}
