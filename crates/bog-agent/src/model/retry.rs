//! Asking until there is an answer: what passes is tried again with growing pauses, what does not pass is asked of the next
//! model of the list. Provider and model change together, and whoever answered goes on answering.

use super::{Delta, Model, ModelError, Request, Sink};
use crate::chat::{Reply, Tokens};
use std::time::Duration;

/// How often and how long a model is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Calls of one model where it is the only one.
    pub attempts: u32,
    /// Calls of one model where there are others.
    pub attempts_of_many: u32,
    /// The first pause; each is twice the one before.
    pub first: Duration,
    /// The longest pause; a provider may ask for a longer one.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        Self { attempts: 8, attempts_of_many: 4, first, longest }
    }
}

impl Patience {
    /// The pause after so many failures: between half of it and all of it, by `chance` in 0..1.
    fn pause(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(self.longest).mul_f64(0.5 + chance / 2.0)
    }
}

/// The models of a session, in the order of preference.
#[derive(Debug)]
pub struct Roster {
    models: Vec<Model>,
    current: usize,
    patience: Patience,
}

/// An answer, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// `provider:model`.
    pub model: String,
    /// What it said.
    pub reply: Reply,
}

/// What a call cost that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// `provider:model`.
    pub model: String,
    /// What was read and written.
    pub tokens: Tokens,
}

impl Roster {
    /// Of these models, of which there is at least one.
    #[must_use]
    pub fn new(models: Vec<Model>, patience: Patience) -> Self {
        Self { models, current: 0, patience }
    }

    /// `provider:model` of whoever is asked next.
    #[must_use]
    pub fn current(&self) -> String {
        self.models.get(self.current).map(Model::name).unwrap_or_default()
    }

    /// All of them.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// Asks until there is an answer.
    ///
    /// # Errors
    /// When nobody answers, or the conversation is too long: what the last one said, or each of them.
    pub async fn ask(
        &mut self,
        request: &Request<'_>,
        sink: &mut Sink<'_>,
        spent: &mut Vec<Spent>,
    ) -> Result<Asked, ModelError> {
        let mut refusals: Vec<String> = Vec::new();
        let mut last = ModelError::permanent("there is no model to ask");
        for _ in 0..self.models.len() {
            let Some(model) = self.models.get(self.current) else { break };
            match self.ask_one(model, request, sink, spent).await {
                Ok(reply) => return Ok(Asked { model: model.name(), reply }),
                Err(error @ ModelError::TooLong { .. }) => return Err(error),
                Err(error) => last = error,
            }
            refusals.push(format!("`{}`: {last}", model.name()));
            self.current = (self.current + 1) % self.models.len();
            if refusals.len() < self.models.len() {
                sink(Delta::Note(format!("{last}; asking `{}` instead", self.current())));
            }
        }
        let said = refusals.join("; ");
        Err(match last {
            ModelError::Quota { resets_at, .. } => ModelError::Quota { message: said, resets_at },
            ModelError::Empty { tokens } => ModelError::Empty { tokens },
            ModelError::Passing { .. } | ModelError::TooLong { .. } | ModelError::Permanent { .. } => {
                ModelError::permanent(said)
            }
        })
    }

    async fn ask_one(
        &self,
        model: &Model,
        request: &Request<'_>,
        sink: &mut Sink<'_>,
        spent: &mut Vec<Spent>,
    ) -> Result<Reply, ModelError> {
        let attempts = if self.models.len() > 1 { self.patience.attempts_of_many } else { self.patience.attempts };
        let mut failures = 0;
        loop {
            let error = match model.call(request, sink).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            failures += 1;
            let wanted = match &error {
                ModelError::Passing { retry_after, tokens, .. } => {
                    spent.extend(tokens.map(|tokens| Spent { model: model.name(), tokens }));
                    *retry_after
                }
                ModelError::Empty { tokens } => {
                    spent.push(Spent { model: model.name(), tokens: *tokens });
                    // The same question seldom has another answer.
                    if failures > 1 {
                        return Err(error);
                    }
                    None
                }
                ModelError::Quota { .. } | ModelError::TooLong { .. } | ModelError::Permanent { .. } => {
                    return Err(error);
                }
            };
            if failures >= attempts {
                return Err(error);
            }
            let pause = wanted.unwrap_or_else(|| self.patience.pause(failures, rand::random()));
            sink(Delta::Note(format!("{error}; asking again in {:.1} s", pause.as_secs_f64())));
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scripted;

    fn roster(scripts: &[&str]) -> Roster {
        let models = scripts.iter().enumerate();
        let models = models.map(|(at, text)| Model::Scripted(Scripted::parse(&format!("{at}"), text).unwrap()));
        Roster::new(models.collect(), Patience::default())
    }

    async fn ask(roster: &mut Roster) -> (Result<Asked, ModelError>, Vec<String>, usize) {
        let request = Request { system: "", tools: &[], messages: &[], max_output: 100, window: 1000, effort: None };
        let (mut notes, mut spent) = (Vec::new(), Vec::new());
        let mut sink = |delta| {
            if let Delta::Note(note) = delta {
                notes.push(note);
            }
        };
        let asked = roster.ask(&request, &mut sink, &mut spent).await;
        (asked, notes, spent.len())
    }

    const BUSY: &str = r#"{"error": {"kind": "passing", "message": "529: overloaded"}}"#;
    const HELLO: &str = r#"{"text": "hello"}"#;

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_again() {
        let mut roster = roster(&[&[BUSY, BUSY, BUSY, HELLO].join("\n")]);
        let (asked, notes, _) = ask(&mut roster).await;
        assert_eq!(asked.unwrap().reply.text(), "hello");
        assert_eq!(notes.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_breaks_off_is_paid_for() {
        let broken = r#"{"error": {"kind": "passing", "message": "broke off"}, "usage": {"input": 900}}"#;
        let mut roster = roster(&[&[BUSY, broken, HELLO].join("\n")]);
        let (asked, _, spent) = ask(&mut roster).await;
        assert_eq!((asked.unwrap().reply.text().as_str(), spent), ("hello", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_left_alone_for_as_long_as_it_wants() {
        let wait = r#"{"error": {"kind": "passing", "message": "429: slow down", "retry_after_ms": 7000}}"#;
        let begun = tokio::time::Instant::now();
        let mut roster = roster(&[&[wait, HELLO].join("\n")]);
        ask(&mut roster).await.0.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn provider_and_model_change_together_and_stay() {
        let quota = r#"{"error": {"kind": "quota", "message": "429: used up", "resets_at": "2026-01-01T00:00:00Z"}}"#;
        let mut roster = roster(&[quota, &[HELLO, HELLO].join("\n")]);
        let (asked, notes, _) = ask(&mut roster).await;
        assert_eq!(asked.unwrap().model, "scripted:1");
        assert_eq!(notes, ["429: used up; asking `scripted:1` instead"]);
        assert_eq!(ask(&mut roster).await.0.unwrap().model, "scripted:1");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_answers() {
        let (asked, _, _) = ask(&mut roster(&[&[BUSY; 9].join("\n")])).await;
        assert_eq!(asked.unwrap_err().to_string(), "`scripted:0`: 529: overloaded");
        let wrong = r#"{"error": {"kind": "permanent", "message": "401: no"}}"#;
        let (asked, _, _) = ask(&mut roster(&[wrong, wrong])).await;
        assert_eq!(asked.unwrap_err().to_string(), "`scripted:0`: 401: no; `scripted:1`: 401: no");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_answer_is_paid_for_and_asked_for_once_more() {
        let empty = r#"{"usage": {"input": 5}}"#;
        let (asked, _, spent) = ask(&mut roster(&[&[empty, HELLO].join("\n")])).await;
        assert_eq!((asked.unwrap().reply.text().as_str(), spent), ("hello", 1));
        let (asked, _, spent) = ask(&mut roster(&[&[empty, empty, HELLO].join("\n")])).await;
        assert_eq!((asked.is_err(), spent), (true, 2));
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let patience = Patience::default();
        let seconds = |failures, chance| patience.pause(failures, chance).as_secs_f64();
        assert!((seconds(1, 0.0) - 0.5).abs() < 1e-9);
        assert!((seconds(4, 1.0) - 8.0).abs() < 1e-9);
        assert!((seconds(40, 1.0) - 60.0).abs() < 1e-9);
    }
}
