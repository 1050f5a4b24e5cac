//! A conversation as its journal's lines make it. The same code takes a line while it is written and when it is read again:
//! what a resumed session knows is what the interrupted one knew.

use crate::chat::{Block, Ending, Message, ToolCall, ToolResult, calls, text};
use crate::journal::Entry;
use crate::session::Stop;

/// What is said to a model whose answer was cut off at its greatest length.
const CONTINUE: &str = "Go on exactly where you stopped.";

/// A conversation with a model.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// The prompt of the turn under way or of the last one.
    pub prompt: Option<String>,
    /// What the turn, or the step of its pipeline, began with: the prompt with what was put around it.
    pub task: Option<String>,
    /// All that was said.
    pub messages: Vec<Message>,
    /// What the model said last, over several answers where its length was limited.
    pub said: String,
    /// How the last turn ended, and its text; none while one is under way.
    pub stopped: Option<(Stop, String)>,
    /// The step of a pipeline that is under way.
    pub step: Option<usize>,
    /// Results of the steps of a pipeline that have ended.
    pub results: Vec<String>,
    /// Tokens that the model had before it with its last answer, and the bytes said up to then.
    pub known: Option<(u64, usize)>,
    /// Whether something was said since the turn, or the step of its pipeline, began.
    begun: bool,
    ending: Option<Ending>,
    started: Vec<String>,
    finished: Vec<ToolResult>,
}

/// What is to be done next in a conversation.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Make the first of these calls; `true`: it had begun before, and nobody knows what came of it.
    Call(ToolCall, bool),
    /// Say this to the model.
    Say(Message),
    /// Ask the model.
    Ask,
    /// The model has nothing more to do.
    Finished,
    /// It refused.
    Refused,
}

impl Conversation {
    /// Takes an entry.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Began { prompt } => {
                self.prompt = Some(prompt.clone());
                (self.stopped, self.step, self.begun) = (None, None, false);
                self.results.clear();
                self.said.clear();
                self.close();
            }
            Entry::Cleared { step } => {
                (self.step, self.begun) = (Some(*step), false);
                self.said.clear();
                self.replace(Vec::new());
            }
            Entry::Said { message } => {
                if let (false, Message::User { text }) = (self.begun, message) {
                    self.task = Some(text.clone());
                }
                self.begun = true;
                self.messages.push(message.clone());
            }
            Entry::Answered { blocks, ending, paid } => {
                let goes_on = self.ending == Some(Ending::Length);
                if !goes_on {
                    self.said.clear();
                }
                self.said.push_str(&text(blocks));
                self.ending = Some(*ending);
                self.started.clear();
                self.finished.clear();
                self.messages.push(Message::Assistant { blocks: blocks.clone() });
                let read = paid.tokens.context().zip(paid.tokens.output);
                self.known = read.map(|(read, written)| (read + written, self.size()));
            }
            Entry::Wasted { .. } => {}
            Entry::Started { id } => self.started.push(id.clone()),
            Entry::Ended { result } => {
                self.finished.push(result.clone());
                if self.finished.len() == calls(self.last_blocks()).count() {
                    let results = std::mem::take(&mut self.finished);
                    self.ending = None;
                    self.messages.push(Message::Tools { results });
                }
            }
            Entry::Compacted { messages, .. } => self.replace(messages.clone()),
            Entry::Stepped { text } => self.results.push(text.clone()),
            Entry::Stopped { stop, text } => self.stopped = Some((stop.clone(), text.clone())),
        }
    }

    /// What is to be done next.
    #[must_use]
    pub fn next(&self) -> Next {
        let blocks = self.last_blocks();
        if let Some(call) = calls(blocks).nth(self.finished.len()) {
            return Next::Call(call.clone(), self.started.contains(&call.id));
        }
        match (self.messages.last(), self.ending) {
            (Some(Message::Assistant { .. }), Some(Ending::Complete)) => Next::Finished,
            (Some(Message::Assistant { .. }), Some(Ending::Refusal)) => Next::Refused,
            (Some(Message::Assistant { .. }), Some(Ending::Length)) => Next::Say(Message::user(CONTINUE)),
            (_, _) => Next::Ask,
        }
    }

    /// About how many tokens the model reads next, of which `more` bytes are not part of the conversation.
    #[must_use]
    pub fn estimate(&self, more: usize) -> u64 {
        let tokens = |bytes: usize| bytes as u64 / 3;
        match self.known {
            Some((read, size)) => read + tokens(self.size().saturating_sub(size)),
            None => tokens(self.size() + more),
        }
    }

    /// Bytes that were said.
    #[must_use]
    pub fn size(&self) -> usize {
        self.messages.iter().map(Message::size).sum()
    }

    /// What the model said in this turn before it had nothing more to say.
    #[must_use]
    pub fn said_before(&self) -> Option<String> {
        let turn = self.messages.iter().rev().take_while(|message| !matches!(message, Message::User { .. }));
        let texts = turn.filter_map(|message| match message {
            Message::Assistant { blocks } => Some(text(blocks)),
            Message::User { .. } | Message::Tools { .. } => None,
        });
        texts.into_iter().find(|text| !text.trim().is_empty())
    }

    /// Whether anything was said since the turn, or its step, began.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether an id of a call was used before.
    #[must_use]
    pub fn has_call(&self, id: &str) -> bool {
        let blocks = self.messages.iter().filter_map(|message| match message {
            Message::Assistant { blocks } => Some(blocks),
            Message::User { .. } | Message::Tools { .. } => None,
        });
        blocks.into_iter().flat_map(|blocks| calls(blocks)).any(|call| call.id == id)
    }

    /// Answers calls that a turn left behind which was stopped in the middle: providers want an answer to every call.
    fn close(&mut self) {
        let mut open: Vec<ToolCall> = calls(self.last_blocks()).skip(self.finished.len()).cloned().collect();
        let mut results = std::mem::take(&mut self.finished);
        results.extend(open.drain(..).map(|call| ToolResult::of(&call, Err("it was not made".to_owned()))));
        if !results.is_empty() {
            self.messages.push(Message::Tools { results });
        }
        self.ending = None;
    }

    fn replace(&mut self, messages: Vec<Message>) {
        self.messages = messages;
        (self.known, self.ending) = (None, None);
        self.started.clear();
        self.finished.clear();
    }

    fn last_blocks(&self) -> &[Block] {
        match self.messages.last() {
            Some(Message::Assistant { blocks }) => blocks,
            Some(Message::User { .. } | Message::Tools { .. }) | None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Arguments;
    use crate::journal::{Paid, Reserved};

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "ls".to_owned(), arguments: Arguments::parse("") }
    }

    fn answered(text: &str, ids: &[&str], ending: Ending) -> Entry {
        let said = (!text.is_empty()).then(|| Block::Text { text: text.to_owned() });
        let blocks = said.into_iter().chain(ids.iter().map(|id| Block::Call(call(id)))).collect();
        let paid =
            Paid { model: "m".to_owned(), tokens: Default::default(), cost_usd: None, reserved: Reserved::default() };
        Entry::Answered { blocks, ending, paid }
    }

    fn ended(id: &str) -> Entry {
        Entry::Ended { result: ToolResult::of(&call(id), Ok("done".to_owned())) }
    }

    fn after(entries: &[Entry]) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.apply(&Entry::Began { prompt: "p".to_owned() });
        conversation.apply(&Entry::Said { message: Message::user("p") });
        entries.iter().for_each(|entry| conversation.apply(entry));
        conversation
    }

    #[test]
    fn every_interruption_has_one_next_step() {
        let started = |id: &str| Entry::Started { id: id.to_owned() };
        let two = answered("look", &["a", "b"], Ending::Complete);
        assert_eq!(after(&[]).next(), Next::Ask);
        assert_eq!(after(std::slice::from_ref(&two)).next(), Next::Call(call("a"), false));
        assert_eq!(after(&[two.clone(), started("a")]).next(), Next::Call(call("a"), true));
        assert_eq!(after(&[two.clone(), started("a"), ended("a")]).next(), Next::Call(call("b"), false));
        let both = [two, started("a"), ended("a"), started("b"), ended("b")];
        assert_eq!(after(&both).next(), Next::Ask);
        let done = answered("done", &[], Ending::Complete);
        assert_eq!(after(&[both.as_slice(), &[done]].concat()).next(), Next::Finished);
        assert_eq!(after(&[answered("no", &[], Ending::Refusal)]).next(), Next::Refused);
    }

    #[test]
    fn the_task_is_that_of_the_turn_under_way() {
        let mut conversation = after(&[answered("done", &[], Ending::Complete)]);
        conversation.apply(&Entry::Began { prompt: "second".to_owned() });
        conversation.apply(&Entry::Said { message: Message::user("second, framed") });
        conversation.apply(&answered("", &["a"], Ending::Complete));
        conversation.apply(&ended("a"));
        conversation.apply(&Entry::Said { message: Message::user(CONTINUE) });
        assert_eq!(conversation.task.as_deref(), Some("second, framed"));
    }

    #[test]
    fn an_answer_over_several_messages_is_one_text() {
        let long = after(&[answered("one ", &[], Ending::Length)]);
        let Next::Say(message) = long.next() else { panic!("{:?}", long.next()) };
        let mut long = long;
        long.apply(&Entry::Said { message });
        assert_eq!(long.next(), Next::Ask);
        long.apply(&answered("two", &[], Ending::Complete));
        assert_eq!((long.next(), long.said.as_str()), (Next::Finished, "one two"));
    }

    #[test]
    fn a_new_turn_answers_what_the_last_one_left_open() {
        let mut conversation = after(&[answered("", &["a", "b"], Ending::Complete), ended("a")]);
        conversation.apply(&Entry::Began { prompt: "again".to_owned() });
        let Some(Message::Tools { results }) = conversation.messages.last() else { panic!() };
        assert_eq!(results.iter().map(|result| result.is_error).collect::<Vec<_>>(), [false, true]);
        assert_eq!(conversation.next(), Next::Ask);
    }
}
