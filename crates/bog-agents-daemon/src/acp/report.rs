//! What the runner is told: events as they come, text in pieces that are worth a line, and at the end how it ended.

use bog_domain::agent_end::{AgentEnd, HostLine, ModelUsage, Told};
use bog_domain::event::EventKind;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Text is told when so much of it has come, at the end of a line, or after a moment.
const PIECE_BYTES: usize = 2048;
const MOMENT: Duration = Duration::from_millis(200);

/// The way to the runner. Cheap to clone.
#[derive(Clone)]
pub struct Reporter(Arc<Mutex<State>>);

struct State {
    out: Box<dyn Write + Send>,
    /// Text that was not told yet.
    pending: String,
    /// What the agent has said since its last tool call, and before that.
    saying: String,
    said: String,
    cap: usize,
    /// Whether what comes now was said before and is only repeated.
    muted: bool,
    heard: Instant,
}

impl Reporter {
    /// A reporter that keeps at most `output_bytes` bytes of text.
    pub fn new(out: impl Write + Send + 'static, output_bytes: u64) -> Self {
        let cap = usize::try_from(output_bytes).unwrap_or(usize::MAX);
        let (pending, saying, said) = Default::default();
        let heard = Instant::now();
        Self(Arc::new(Mutex::new(State { out: Box::new(out), pending, saying, said, cap, muted: false, heard })))
    }

    /// The agent gave a sign of life.
    pub fn heard(&self) {
        self.state().heard = Instant::now();
    }

    /// When it gave the last one.
    pub fn last_heard(&self) -> Instant {
        self.state().heard
    }

    /// What comes while muted is not told: an agent that loads a conversation repeats it.
    pub fn mute(&self, muted: bool) {
        self.state().muted = muted;
    }

    /// The agent says something.
    pub fn text(&self, text: &str) {
        let mut state = self.state();
        if state.muted {
            return;
        }
        // One byte more than is kept, so that the runner sees that there was more.
        let room = (state.cap + 1).saturating_sub(state.saying.len());
        let kept = &text[..text.floor_char_boundary(room)];
        state.saying.push_str(kept);
        state.pending.push_str(text);
        if state.pending.len() >= PIECE_BYTES || text.ends_with('\n') {
            state.flush();
        }
    }

    /// The agent says something that stands by itself: what it said before was on the way.
    pub fn message(&self, text: &str) {
        {
            let mut state = self.state();
            state.flush();
            state.said = std::mem::take(&mut state.saying);
        }
        self.text(text);
    }

    /// Something happens.
    pub fn event(&self, kind: EventKind, data: Value) {
        let mut state = self.state();
        if state.muted {
            return;
        }
        state.flush();
        if kind == EventKind::ToolCall && !state.saying.trim().is_empty() {
            state.said = std::mem::take(&mut state.saying);
        }
        state.tell(Told::Event { kind, data });
    }

    /// The whole run has used so much by now.
    pub fn used(&self, of_run: Vec<ModelUsage>) {
        self.state().tell(Told::Used(of_run));
    }

    /// The host itself has something to say.
    pub fn note(&self, text: impl Into<String>) {
        self.event(EventKind::Note, json!({ "text": text.into() }));
    }

    /// What the agent said in the end: since its last tool call or, where that is nothing, before it.
    pub fn final_text(&self) -> String {
        let state = self.state();
        if state.saying.trim().is_empty() { state.said.clone() } else { state.saying.clone() }
    }

    /// Tells how it ended. Nothing is told after it.
    pub fn end(&self, mut end: AgentEnd) {
        if end.text.is_empty() {
            end.text = self.final_text();
        }
        let mut state = self.state();
        state.flush();
        state.tell(Told::End(Box::new(end)));
    }

    /// Tells what has been said every moment, for as long as it is polled.
    pub async fn flush_often(&self) -> Infallible {
        loop {
            tokio::time::sleep(MOMENT).await;
            self.state().flush();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let text = std::mem::take(&mut self.pending);
            self.tell(Told::Event { kind: EventKind::AgentText, data: json!({ "text": text }) });
        }
    }

    /// A runner that is gone reads nothing; then this process is ended too.
    fn tell(&mut self, told: Told) {
        if let Ok(mut line) = serde_json::to_vec(&HostLine::new(told)) {
            line.push(b'\n');
            let _ = self.out.write_all(&line).and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::agent_end::Stop;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_final_text_is_what_came_after_the_last_tool_call() {
        let sink = Sink::default();
        let reporter = Reporter::new(sink.clone(), 8);
        reporter.text("I look. ");
        reporter.event(EventKind::ToolCall, json!({}));
        assert_eq!(reporter.final_text(), "I look. ", "nothing came after it");
        reporter.mute(true);
        reporter.text("an old word");
        reporter.mute(false);
        reporter.text("It is ");
        reporter.text("done by now");
        reporter.end(super::super::ended(Stop::Finished, None));
        let told = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<HostLine> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4, "{told}");
        let Told::End(end) = &lines[3].tell else { panic!("{told}") };
        assert_eq!(end.text, "It is don", "a byte more than is kept");
    }
}
