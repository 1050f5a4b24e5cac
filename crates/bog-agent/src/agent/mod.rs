//! A session: it takes a prompt, lets the model call tools until it has nothing more to do, and says how that ended.
//!
//! Everything that happens is an `Entry`: written to the journal first, then applied. A session that was interrupted goes
//! on from its journal by the same code.

mod compact;
mod conversation;
mod open;
mod pipeline;
mod prompt;
mod steps;
mod told;
mod tooling;

pub use open::{OpenError, Opening};
pub use told::{Answer, Call, Teller, Told};

use crate::journal::{Entry, Journal, JournalError, Line};
use crate::ledger::Ledger;
use crate::mcp::Servers;
use crate::model::{Effort, Roster};
use crate::session::{Report, Settings, Stop, Turn};
use crate::tools::Toolbox;
use bog_domain::mask::Mask;
use conversation::Conversation;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Model calls of a turn, where no limit is set.
const MAX_STEPS: u32 = 200;

/// A session of the agent.
pub struct Session {
    /// Its id.
    pub id: String,
    settings: Settings,
    effort: Option<Effort>,
    instructions: String,
    toolbox: Toolbox,
    servers: Servers,
    roster: Roster,
    ledger: Ledger,
    journal: Journal,
    mask: Arc<Mask>,
    main: Conversation,
    /// The sub-agent that is at work, by the call that it is for.
    sub: Option<(String, Conversation)>,
    /// What there is to tell once somebody listens.
    notices: Vec<String>,
}

/// Which conversation is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The session's own.
    Main,
    /// That of the sub-agent at work.
    Sub,
}

/// Why a conversation did not come to its end.
#[derive(Debug)]
enum Halt {
    /// The turn ends.
    Stop(Stop),
    /// Nothing more can be written down: nothing more may be done.
    Journal(JournalError),
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Session {
    /// Goes through a turn and says how it ended. Dropping it is safe at any point: what was finished is written down.
    pub async fn turn(&mut self, prompt: String, turn: &Turn, cancel: &CancellationToken, mut tell: Teller) -> Report {
        for notice in std::mem::take(&mut self.notices) {
            tell.note(&notice);
        }
        let done = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Halt::Stop(Stop::Cancelled)),
            done = self.run(prompt, turn, &mut tell) => done,
        };
        tell.flush();
        let (stop, text) = match done {
            Ok(ended) => ended,
            Err(Halt::Stop(stop)) => (stop, self.main.said.clone()),
            Err(Halt::Journal(error)) => (Stop::Failed { message: error.to_string() }, String::new()),
        };
        if let Some(reason) = told_reason(&stop) {
            tell.note(&reason);
        }
        let mut report = self.ledger.report();
        // A turn that was told again is written down already. Where this one cannot be, it was still how it is said to be.
        if self.main.stopped.is_none() {
            let _ = self.record(Whose::Main, Entry::Stopped { stop: stop.clone(), text: text.clone() });
        }
        report.text = Some(tell.masked(&text));
        report.stop = Some(masked(stop, &tell));
        report
    }

    async fn run(&mut self, prompt: String, turn: &Turn, tell: &mut Teller) -> Result<(Stop, String), Halt> {
        if turn.resume && self.main.prompt.is_some() {
            match self.main.stopped.take() {
                Some((stop @ (Stop::Finished | Stop::Refused { .. }), text)) => {
                    tell.text(&text);
                    self.main.stopped = Some((stop.clone(), text.clone()));
                    return Ok((stop, text));
                }
                Some(_) => tell.note("the turn goes on where it was stopped"),
                None => tell.note("the turn goes on where it was interrupted"),
            }
        } else {
            // What is said next holds both.
            self.record_so(Whose::Main, Entry::Began { prompt }, false)?;
        }
        let text = if self.settings.pipeline.is_empty() {
            if !self.main.has_begun() {
                let first = self.first_message(self.main.prompt.clone().unwrap_or_default());
                self.record(Whose::Main, first)?;
            }
            self.converse(Whose::Main, tell).await?
        } else {
            self.pipeline(tell).await?
        };
        Ok((Stop::Finished, text))
    }

    fn conversation(&self, whose: Whose) -> &Conversation {
        match (whose, &self.sub) {
            (Whose::Sub, Some((_, sub))) => sub,
            (Whose::Sub, None) | (Whose::Main, _) => &self.main,
        }
    }

    /// Writes an entry down for good, and applies it.
    fn record(&mut self, whose: Whose, entry: Entry) -> Result<(), JournalError> {
        self.record_so(whose, entry, true)
    }

    /// Writes an entry down, and applies it; what need not `hold` may be lost with the machine.
    fn record_so(&mut self, whose: Whose, entry: Entry, hold: bool) -> Result<(), JournalError> {
        let within = match (whose, &self.sub) {
            (Whose::Sub, Some((id, _))) => Some(id.clone()),
            (Whose::Sub, None) | (Whose::Main, _) => None,
        };
        let line = Line { within, entry };
        self.journal.write(&line, hold)?;
        self.apply(&line);
        Ok(())
    }

    /// Applies a line, one that was just written or one that is read again.
    fn apply(&mut self, line: &Line) {
        if let Some(paid) = line.entry.paid() {
            self.ledger.settle(paid);
        }
        match (&line.within, &line.entry) {
            (None, entry) => {
                if matches!(entry, Entry::Began { .. }) {
                    self.ledger.begin_turn();
                    self.sub = None;
                }
                self.main.apply(entry);
            }
            (Some(id), entry) => {
                if self.sub.as_ref().is_none_or(|(at_work, _)| at_work != id) {
                    self.sub = Some((id.clone(), Conversation::default()));
                }
                if let Some((_, sub)) = &mut self.sub {
                    sub.apply(entry);
                }
            }
        }
    }
}

/// Why a turn ended before the model was done, for people whose client knows nothing of reports.
fn told_reason(stop: &Stop) -> Option<String> {
    match stop {
        Stop::Budget { message } | Stop::Quota { message, .. } | Stop::Failed { message } => Some(message.clone()),
        Stop::MaxSteps { steps } => Some(format!("the limit of {steps} steps is reached")),
        Stop::Finished | Stop::Refused { .. } | Stop::Cancelled => None,
    }
}

/// A reason without secrets.
fn masked(stop: Stop, tell: &Teller) -> Stop {
    match stop {
        Stop::Budget { message } => Stop::Budget { message: tell.masked(&message) },
        Stop::Quota { message, resets_at } => Stop::Quota { message: tell.masked(&message), resets_at },
        Stop::Refused { message } => Stop::Refused { message: tell.masked(&message) },
        Stop::Failed { message } => Stop::Failed { message: tell.masked(&message) },
        stop @ (Stop::Finished | Stop::MaxSteps { .. } | Stop::Cancelled) => stop,
    }
}

#[cfg(test)]
mod tests;
