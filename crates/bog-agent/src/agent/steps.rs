//! The loop: what a conversation says is next is done, until it has nothing more to do.

use super::compact::{SUMMARISER, shortened, transcript};
use super::conversation::Next;
use super::told::{Teller, Told};
use super::{Halt, MAX_STEPS, Session, Whose};
use crate::chat::{Block, Message, Reply, ToolSpec};
use crate::journal::{Entry, Reserved};
use crate::model::{Delta, Effort, Model, ModelError, Request, Spent};
use crate::session::Stop;

/// How much of the context may be full before a conversation is shortened, in per cent.
const FULL: u64 = 75;

/// The most tokens of a summary.
const SUMMARY: u32 = 4096;

/// The most tokens of an answer, thoughts not counted: what every model of these two providers can, and what others can.
const OUTPUT: u32 = 16_384;
const OUTPUT_OF_CLAUDE: u32 = 8192;

/// Bytes of JSON around a tool's description.
const AROUND_A_TOOL: usize = 40;

impl Session {
    /// Goes on with a conversation until the model has nothing more to do, and returns what it said last.
    pub(super) async fn converse(&mut self, whose: Whose, tell: &mut Teller) -> Result<String, Halt> {
        let mut shortened = false;
        loop {
            match self.conversation(whose).next() {
                Next::Finished => return Ok(self.conversation(whose).said.clone()),
                Next::Refused => {
                    let message = self.conversation(whose).said.clone();
                    let message =
                        if message.is_empty() { "the model refused, without a reason".to_owned() } else { message };
                    return Err(Halt::Stop(Stop::Refused { message }));
                }
                Next::Say(_) if self.conversation(whose).said.is_empty() => {
                    let message =
                        "the model's answer was cut off before it said anything: it may think too long; lower `effort`";
                    return Err(Halt::Stop(Stop::Failed { message: message.to_owned() }));
                }
                Next::Say(message) => self.record(whose, Entry::Said { message })?,
                Next::Call(call, began) => self.make(whose, call, began, tell).await?,
                Next::Ask => match self.ask(whose, tell).await? {
                    Asked::Answered => shortened = false,
                    Asked::Nothing(text) => return Ok(text),
                    Asked::TooLong(message) if shortened => {
                        let message = format!("the task alone does not fit the model's context: {message}");
                        return Err(Halt::Stop(Stop::Failed { message }));
                    }
                    Asked::TooLong(_) => {
                        self.shorten(whose, tell).await?;
                        shortened = true;
                    }
                },
            }
        }
    }

    async fn ask(&mut self, whose: Whose, tell: &mut Teller) -> Result<Asked, Halt> {
        let limit = self.settings.max_steps.unwrap_or(MAX_STEPS);
        if self.ledger.turn_steps() >= limit {
            return Err(Halt::Stop(Stop::MaxSteps { steps: limit }));
        }
        let tools = self.specs(whose);
        let around: usize =
            tools.iter().map(|tool| tool.description.len() + tool.parameters.to_string().len() + AROUND_A_TOOL).sum();
        let estimate = self.conversation(whose).estimate(self.instructions.len() + around);
        let window = self.window();
        if estimate > window * FULL / 100 && self.conversation(whose).messages.len() > 1 {
            return Ok(Asked::TooLong(format!("about {estimate} of {window} tokens")));
        }
        let messages = self.conversation(whose).messages.clone();
        match self.call_model(&messages, &tools, estimate, tell).await? {
            Ok(entry) => {
                let entry = self.with_fresh_ids(whose, entry);
                self.record(whose, entry)?;
                self.tell_used(whose, tell);
                Ok(Asked::Answered)
            }
            Err(ModelError::TooLong { message }) => Ok(Asked::TooLong(message)),
            Err(ModelError::Empty { .. }) => match self.conversation(whose).said_before() {
                Some(text) => Ok(Asked::Nothing(text)),
                None => Err(Halt::Stop(Stop::Failed { message: "the model said nothing".to_owned() })),
            },
            Err(ModelError::Quota { message, resets_at }) => Err(Halt::Stop(Stop::Quota { message, resets_at })),
            Err(error @ (ModelError::Passing { .. } | ModelError::Permanent { .. })) => {
                Err(Halt::Stop(Stop::Failed { message: error.to_string() }))
            }
        }
    }

    /// Asks the model within the budget; what it was paid for is in the entry, or written down already.
    async fn call_model(
        &mut self,
        messages: &[Message],
        tools: &[ToolSpec],
        estimate: u64,
        tell: &mut Teller,
    ) -> Result<Result<Entry, ModelError>, Halt> {
        let (max_output, reserved) = self.reserve(estimate, self.most_output())?;
        let (system, effort, window) = (self.instructions.clone(), self.effort, self.window());
        let request = Request { system: &system, tools, messages, max_output, window, effort };
        let mut spent = Vec::new();
        let mut sink = |delta: Delta| match delta {
            Delta::Text(text) => tell.text(&text),
            Delta::Thought(text) => tell.thought(&text),
            Delta::Note(text) => tell.note(&text),
        };
        let asked = self.roster.ask(&request, &mut sink, &mut spent).await;
        tell.flush();
        self.record_waste(spent, reserved)?;
        Ok(asked.map(|asked| {
            let Reply { blocks, ending, tokens } = asked.reply;
            Entry::Answered { blocks, ending, paid: self.ledger.paid(&asked.model, tokens, reserved) }
        }))
    }

    /// Puts a summary in the place of a conversation.
    async fn shorten(&mut self, whose: Whose, tell: &mut Teller) -> Result<(), Halt> {
        tell.note("the conversation is shortened: the model's context is nearly full");
        let conversation = self.conversation(whose);
        // Not what the conversation began with: that may have been another turn's.
        let task = conversation.task.clone().unwrap_or_default();
        let messages = conversation.messages.clone();
        let window = self.window();
        // A token has about four bytes, three at worst: the transcript takes half of the window.
        let most = usize::try_from(window * 3 / 2).unwrap_or(usize::MAX);
        let text = transcript(&messages, most);
        let (max_output, reserved) = self.reserve(text.len() as u64 / 3, SUMMARY)?;
        let asked = [Message::user(text)];
        let request = Request { system: SUMMARISER, tools: &[], messages: &asked, max_output, window, effort: None };
        let (mut notes, mut spent) = (Vec::new(), Vec::new());
        let mut sink = |delta: Delta| {
            if let Delta::Note(note) = delta {
                notes.push(note);
            }
        };
        let answer = self.roster.ask(&request, &mut sink, &mut spent).await;
        notes.iter().for_each(|note| tell.note(note));
        self.record_waste(spent, reserved)?;
        let answer = answer.map_err(|error| {
            let message = format!("the conversation is too long and could not be shortened: {error}");
            Halt::Stop(Stop::Failed { message })
        })?;
        let paid = self.ledger.paid(&answer.model, answer.reply.tokens, reserved);
        let messages = shortened(&task, &answer.reply.text());
        self.record(whose, Entry::Compacted { messages, paid })?;
        self.tell_used(whose, tell);
        Ok(())
    }

    /// Writes down what was paid for answers that are of no use.
    fn record_waste(&mut self, spent: Vec<Spent>, reserved: Reserved) -> Result<(), Halt> {
        for waste in spent {
            let paid = self.ledger.paid(&waste.model, waste.tokens, reserved);
            self.record(Whose::Main, Entry::Wasted { paid })?;
        }
        Ok(())
    }

    /// Sets aside what a step can cost that reads and writes so much, and says how much it may write.
    fn reserve(&self, input: u64, output: u32) -> Result<(u32, Reserved), Halt> {
        let models: Vec<String> = self.roster.models().map(Model::name).collect();
        self.ledger.reserve(input, output, &models).map_err(|message| Halt::Stop(Stop::Budget { message }))
    }

    /// The most that a model may write in a step: no more than half of its context.
    fn most_output(&self) -> u32 {
        let model = self.roster.current();
        let is_claude = model.starts_with("anthropic:") || model.starts_with("bedrock:");
        let said = if is_claude { OUTPUT_OF_CLAUDE } else { OUTPUT };
        let thought = self.effort.and_then(Effort::thinking_tokens).unwrap_or(0);
        (said + thought).min(u32::try_from(self.window() / 2).unwrap_or(u32::MAX))
    }

    /// Providers may give two calls the same id; here it says which is meant.
    fn with_fresh_ids(&self, whose: Whose, mut entry: Entry) -> Entry {
        let conversation = self.conversation(whose);
        let mut seen = Vec::new();
        if let Entry::Answered { blocks, .. } = &mut entry {
            for block in blocks {
                let Block::Call(call) = block else { continue };
                if seen.contains(&call.id) || conversation.has_call(&call.id) {
                    call.id = crate::model::new_id();
                }
                seen.push(call.id.clone());
            }
        }
        entry
    }

    /// The size of the context that is worked with, in tokens.
    pub(super) fn window(&self) -> u64 {
        self.settings.max_context_tokens.unwrap_or_else(|| self.ledger.prices.window(&self.roster.current()))
    }

    fn tell_used(&self, whose: Whose, tell: &Teller) {
        let context = self.conversation(whose).estimate(0);
        let (window, cost_usd) = (self.window(), self.ledger.cost_usd());
        tell.tell(Told::Used { report: self.ledger.report(), context, window, cost_usd });
    }
}

/// What came of asking the model.
enum Asked {
    Answered,
    /// It said nothing more; this is what it had said before.
    Nothing(String),
    TooLong(String),
}
