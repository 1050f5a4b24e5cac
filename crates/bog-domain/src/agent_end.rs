//! What the process that hosts an agent tells its runner: one [`HostLine`] a line of JSON, the last of them an
//! [`AgentEnd`]. Both sides carry a version: a runner may be older than the host that an upgrade put in its place.

use crate::event::EventKind;
use serde::{Deserialize, Serialize};

/// The version of these lines that this code writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostLine {
    /// [`VERSION`] of the host.
    pub v: u32,
    /// What it tells.
    pub tell: Told,
}

/// What a host tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Something happened: what a line of the run's log holds.
    Event {
        /// Its kind.
        kind: EventKind,
        /// Its content.
        data: serde_json::Value,
    },
    /// What the whole run has used by now, earlier attempts included, by model: for the case that no end follows.
    Used(Vec<ModelUsage>),
    /// The agent is done. Nothing follows.
    End(Box<AgentEnd>),
}

impl HostLine {
    /// A line of this version.
    #[must_use]
    pub const fn new(tell: Told) -> Self {
        Self { v: VERSION, tell }
    }
}

/// How an agent ended that speaks a protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentEnd {
    /// Why it ended.
    pub stop: Stop,
    /// Why, for people; none where there is nothing to explain.
    #[serde(default)]
    pub message: Option<String>,
    /// When it is worth trying again, where its provider said so.
    #[serde(default)]
    pub not_before: Option<jiff::Timestamp>,
    /// What it said in the end. Empty in records that keep it elsewhere.
    #[serde(default)]
    pub text: String,
    /// The conversation, by the agent's own name for it.
    #[serde(default)]
    pub session: Option<Box<str>>,
    /// What the whole run has used so far, earlier attempts included, by model.
    #[serde(default)]
    pub usage: Vec<ModelUsage>,
}

/// Why an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It had nothing more to do.
    Finished,
    /// It would have spent more than it may: the run is paused.
    Budget,
    /// It took as many steps as it may.
    MaxSteps,
    /// Its provider's quota is used up.
    Quota,
    /// The model refused.
    Refused,
    /// It was told to end.
    Cancelled,
    /// It did not work out.
    Failed,
}

/// What one model was used for. A number that nobody told is none, which is not nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelUsage {
    /// The model; empty where the agent does not say.
    pub model: String,
    /// Tokens read, those from a cache left out.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to it.
    pub cache_write_tokens: Option<u64>,
    /// What that costs in US dollars, unrounded.
    pub cost_usd: Option<f64>,
    /// What budgets count in its place, where a part of it is not known: with what was set aside for that part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charged_usd: Option<f64>,
}

/// The most tokens that an agent is believed to have used of a kind: more than anybody can pay for, and still a number that
/// sums of many keep exact.
const MAX_TOKENS: u64 = 1 << 53;
/// The most US dollars that it is believed to have cost.
const MAX_USD: f64 = 1e6;

impl ModelUsage {
    /// The same within what can be true: an agent may tell anything, and what it tells is added up. A cost that is no number is
    /// not known.
    #[must_use]
    pub fn bounded(self) -> Self {
        let tokens = |count: Option<u64>| count.map(|count| count.min(MAX_TOKENS));
        let dollars = |usd: Option<f64>| usd.filter(|usd| !usd.is_nan()).map(|usd| usd.clamp(0.0, MAX_USD));
        Self {
            model: self.model,
            input_tokens: tokens(self.input_tokens),
            output_tokens: tokens(self.output_tokens),
            cache_read_tokens: tokens(self.cache_read_tokens),
            cache_write_tokens: tokens(self.cache_write_tokens),
            cost_usd: dollars(self.cost_usd),
            charged_usd: dollars(self.charged_usd),
        }
    }

    /// What budgets count.
    fn counted_usd(&self) -> f64 {
        self.charged_usd.or(self.cost_usd).unwrap_or(0.0)
    }

    fn with(&self, other: &Self, tokens: impl Fn(u64, u64) -> u64, cost: impl Fn(f64, f64) -> f64) -> Self {
        let both = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), b) => Some(tokens(a, b.unwrap_or(0))),
            (None, Some(b)) => Some(tokens(0, b)),
            (None, None) => None,
        };
        Self {
            model: self.model.clone(),
            input_tokens: both(self.input_tokens, other.input_tokens),
            output_tokens: both(self.output_tokens, other.output_tokens),
            cache_read_tokens: both(self.cache_read_tokens, other.cache_read_tokens),
            cache_write_tokens: both(self.cache_write_tokens, other.cache_write_tokens),
            cost_usd: match (self.cost_usd, other.cost_usd) {
                (None, None) => None,
                (a, b) => Some(cost(a.unwrap_or(0.0), b.unwrap_or(0.0))),
            },
            charged_usd: self.charged_usd.or(other.charged_usd).map(|_| cost(self.counted_usd(), other.counted_usd())),
        }
    }
}

/// Both, by model, in the order of first use.
#[must_use]
pub fn plus(one: &[ModelUsage], other: &[ModelUsage]) -> Vec<ModelUsage> {
    combined(one, other, |a, b| a.with(b, u64::saturating_add, |a, b| a + b))
}

/// What `all` has more than `before`, by model, [bounded](ModelUsage::bounded).
#[must_use]
pub fn minus(all: &[ModelUsage], before: &[ModelUsage]) -> Vec<ModelUsage> {
    let bounded = |usage: &[ModelUsage]| usage.iter().cloned().map(ModelUsage::bounded).collect::<Vec<_>>();
    let (all, before) = (bounded(all), bounded(before));
    let rest = combined(&all, &before, |a, b| a.with(b, u64::saturating_sub, |a, b| (a - b).max(0.0)));
    let in_all = |usage: &ModelUsage| all.iter().any(|of_all| of_all.model == usage.model);
    rest.into_iter().filter(in_all).collect()
}

fn combined(
    one: &[ModelUsage],
    other: &[ModelUsage],
    with: impl Fn(&ModelUsage, &ModelUsage) -> ModelUsage,
) -> Vec<ModelUsage> {
    let in_other = |model: &str| other.iter().find(|usage| usage.model == model);
    let in_one = |model: &str| one.iter().any(|usage| usage.model == model);
    let both = one.iter().map(|usage| in_other(&usage.model).map_or_else(|| usage.clone(), |found| with(usage, found)));
    both.chain(other.iter().filter(|usage| !in_one(&usage.model)).cloned()).collect()
}

/// What all models cost together, as far as it is known; none where nothing of it is.
#[must_use]
pub fn cost_usd(usage: &[ModelUsage]) -> Option<f64> {
    usage.iter().filter_map(|model| model.cost_usd).reduce(|a, b| a + b)
}

/// What budgets count of all models together, in US dollars.
#[must_use]
pub fn counted_usd(usage: &[ModelUsage]) -> f64 {
    usage.iter().map(ModelUsage::counted_usd).sum()
}

/// The tokens of all models together, caches included, as far as they are known.
#[must_use]
pub fn tokens(usage: &[ModelUsage]) -> u64 {
    let of = |model: &ModelUsage| {
        [model.input_tokens, model.output_tokens, model.cache_read_tokens, model.cache_write_tokens]
            .into_iter()
            .flatten()
            .fold(0, u64::saturating_add)
    };
    usage.iter().map(of).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(model: &str, input: Option<u64>, cost: Option<f64>) -> ModelUsage {
        ModelUsage { model: model.to_owned(), input_tokens: input, cost_usd: cost, ..ModelUsage::default() }
    }

    #[test]
    fn usage_adds_up_by_model_and_what_is_unknown_stays_unknown() {
        let one = [used("a", Some(5), Some(0.5)), used("b", None, None)];
        let more = plus(&one, &[used("c", Some(1), None), used("a", Some(2), None)]);
        assert_eq!(more, [used("a", Some(7), Some(0.5)), used("b", None, None), used("c", Some(1), None)]);
        assert_eq!(
            minus(&more, &one),
            [used("a", Some(2), Some(0.0)), used("b", None, None), used("c", Some(1), None)]
        );
        assert_eq!((cost_usd(&more), tokens(&more)), (Some(0.5), 8));
        assert_eq!(cost_usd(&one[1..]), None);
    }

    #[test]
    fn budgets_count_what_was_set_aside_where_a_cost_is_not_known() {
        let unknown = [ModelUsage { charged_usd: Some(0.75), ..used("a", Some(7), None) }];
        let known = [used("a", Some(5), Some(0.25))];
        assert_eq!((counted_usd(&unknown), counted_usd(&known)), (0.75, 0.25));
        assert_eq!(counted_usd(&minus(&unknown, &known)), 0.5);
        assert_eq!(counted_usd(&plus(&known, &unknown)), 1.0);
        assert_eq!(cost_usd(&plus(&known, &known)), Some(0.5));
    }

    #[test]
    fn what_cannot_be_true_is_brought_within_bounds() {
        let told = |cost| minus(&[used("a", Some(u64::MAX), Some(cost))], &[]).remove(0);
        let costs = [f64::INFINITY, 1e308, -5.0, 0.25].map(|cost| told(cost).cost_usd);
        assert_eq!(costs, [Some(MAX_USD), Some(MAX_USD), Some(0.0), Some(0.25)]);
        assert_eq!((told(f64::NAN).cost_usd, told(0.0).input_tokens), (None, Some(MAX_TOKENS)));
        let infinite = [used("a", None, Some(f64::INFINITY))];
        assert_eq!(minus(&infinite, &infinite)[0].cost_usd, Some(0.0));
        let most = [used("a", Some(MAX_TOKENS), Some(MAX_USD))];
        assert_eq!(minus(&most, &[used("a", Some(1), Some(-1e308))])[0].cost_usd, Some(MAX_USD));
    }

    #[test]
    fn lines_of_this_version_stay_readable() {
        let event = r#"{"v":1,"tell":{"event":{"kind":"agent_text","data":{"text":"x"}}}}"#;
        let line: HostLine = serde_json::from_str(event).unwrap();
        assert_eq!(serde_json::to_string(&line).unwrap(), event);
        let end = r#"{"v":1,"tell":{"end":{"stop":"quota","message":"full","usage":[{"model":"m"}]}}}"#;
        let line: HostLine = serde_json::from_str(end).unwrap();
        let Told::End(end) = line.tell else { panic!("an end") };
        assert_eq!((end.stop, end.usage[0].model.as_str()), (Stop::Quota, "m"));
    }
}
