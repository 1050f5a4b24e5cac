//! What a session has used, and what it may still use. Before each step the most that it can cost is set aside; after it, what
//! it did cost is settled. Where that is not known, what was set aside counts.

use crate::chat::Tokens;
use crate::journal::{Paid, Reserved};
use crate::prices::Prices;
use crate::session::{Budget, ModelUsage, Report};

/// A step for whose answer there is less than this is not begun.
const MIN_OUTPUT: u32 = 256;

/// What was used.
#[derive(Debug)]
pub struct Ledger {
    /// What models cost.
    pub prices: Prices,
    budget: Budget,
    usage: Vec<ModelUsage>,
    steps: u32,
    /// Those of earlier turns.
    steps_before: u32,
    usd: f64,
    tokens: u64,
}

impl Ledger {
    /// With nothing used yet.
    #[must_use]
    pub fn new(prices: Prices, budget: Budget) -> Self {
        Self { prices, budget, usage: Vec::new(), steps: 0, steps_before: 0, usd: 0.0, tokens: 0 }
    }

    /// A turn begins: its steps are counted for themselves.
    pub fn begin_turn(&mut self) {
        self.steps_before = self.steps;
    }

    /// Finished model calls of the turn.
    #[must_use]
    pub fn turn_steps(&self) -> u32 {
        self.steps - self.steps_before
    }

    /// What was used so far.
    #[must_use]
    pub fn report(&self) -> Report {
        Report { usage: self.usage.clone(), steps: self.steps, stop: None, text: None }
    }

    /// What it cost in US dollars; none where a part of that is not known.
    #[must_use]
    pub fn cost_usd(&self) -> Option<f64> {
        self.usage.iter().map(|usage| usage.cost_usd).sum()
    }

    /// Sets aside what a step can cost at most that reads about `input` tokens, writes at most `output`, and may be answered
    /// by any of `models`; and says how much may be written in it.
    ///
    /// # Errors
    /// When the budget does not allow the step: which and by how much, for people.
    pub fn reserve(&self, input: u64, mut output: u32, models: &[String]) -> Result<(u32, Reserved), String> {
        if let Some(most) = self.budget.tokens {
            let left = most.saturating_sub(self.tokens).saturating_sub(input);
            output = output.min(u32::try_from(left).unwrap_or(u32::MAX));
            if output < MIN_OUTPUT {
                return Err(format!(
                    "the budget is {most} tokens, {} are used, and the next step reads about {input} more",
                    self.tokens
                ));
            }
        }
        let mut usd = 0.0_f64;
        for model in models {
            let Some(price) = self.prices.price(model) else {
                if self.budget.usd.is_some() {
                    return Err(format!(
                        "the budget is in US dollars, but nobody knows what `{model}` costs; set its price under `prices` \
                         or a budget in tokens"
                    ));
                }
                continue;
            };
            let read = as_f64(input) * price.input.max(price.cache_write.unwrap_or(0.0)) / 1e6;
            if let Some(most) = self.budget.usd {
                let left = most - self.usd - read;
                let affordable = if price.output > 0.0 { left * 1e6 / price.output } else { f64::from(output) };
                if affordable < f64::from(MIN_OUTPUT) || left < 0.0 {
                    return Err(format!(
                        "the budget is {most} US dollars, {:.6} are used, and the next step of `{model}` may cost {:.6} more",
                        self.usd,
                        read + f64::from(MIN_OUTPUT) * price.output / 1e6
                    ));
                }
                if affordable < f64::from(output) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "it is between the least and the most that is written"
                    )]
                    {
                        output = affordable as u32;
                    }
                }
            }
            usd = usd.max(read + f64::from(output) * price.output / 1e6);
        }
        Ok((output, Reserved { usd, tokens: input + u64::from(output) }))
    }

    /// What a call of `model` cost, for which `reserved` was set aside.
    #[must_use]
    pub fn paid(&self, model: &str, tokens: Tokens, reserved: Reserved) -> Paid {
        Paid { model: model.to_owned(), tokens, cost_usd: self.prices.cost(model, &tokens), reserved }
    }

    /// Settles it.
    pub fn settle(&mut self, paid: &Paid) {
        self.steps += 1;
        self.usd += paid.cost_usd.unwrap_or(paid.reserved.usd);
        let tokens = &paid.tokens;
        let counted = tokens.context().zip(tokens.output).map(|(read, written)| read + written);
        self.tokens += counted.unwrap_or(paid.reserved.tokens);
        let at = match self.usage.iter().position(|usage| usage.model == paid.model) {
            Some(at) => at,
            None => {
                let cost_usd = Some(0.0);
                self.usage.push(ModelUsage { model: paid.model.clone(), cost_usd, ..ModelUsage::default() });
                self.usage.len() - 1
            }
        };
        let usage = &mut self.usage[at];
        let charged = usage.charged_usd.or(usage.cost_usd).unwrap_or(0.0) + paid.cost_usd.unwrap_or(paid.reserved.usd);
        for (sum, more) in [
            (&mut usage.input_tokens, tokens.input),
            (&mut usage.output_tokens, tokens.output),
            (&mut usage.cache_read_tokens, tokens.cache_read),
            (&mut usage.cache_write_tokens, tokens.cache_write),
        ] {
            *sum = more.map(|more| sum.unwrap_or(0) + more).or(*sum);
        }
        // A sum of which a part is not known is not known.
        usage.cost_usd = usage.cost_usd.zip(paid.cost_usd).map(|(sum, more)| sum + more);
        usage.charged_usd = Some(charged).filter(|charged| usage.cost_usd.is_none() && *charged > 0.0);
    }
}

fn as_f64(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody reads 2^53 tokens")]
    let count = count as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_OUTPUT: u32 = 8192;
    const SONNET: &str = "anthropic:claude-sonnet-4-5";

    fn ledger(usd: Option<f64>, tokens: Option<u64>) -> Ledger {
        Ledger::new(Prices::new([].into()), Budget { usd, tokens })
    }

    fn reserve(ledger: &Ledger, input: u64, model: &str) -> Result<(u32, Reserved), String> {
        ledger.reserve(input, MAX_OUTPUT, &[model.to_owned()])
    }

    #[test]
    fn without_a_budget_everything_is_allowed() {
        let (output, reserved) = reserve(&ledger(None, None), 1_000_000, SONNET).unwrap();
        assert_eq!(output, MAX_OUTPUT);
        assert!((reserved.usd - (3.75 + 0.12288)).abs() < 1e-9);
        assert!(reserve(&ledger(None, None), 1, "openai:gpt-9").is_ok());
    }

    #[test]
    fn a_step_writes_what_is_left_and_is_not_begun_for_less() {
        let (output, _) = reserve(&ledger(Some(0.03), None), 4000, SONNET).unwrap();
        assert_eq!(output, 1000);
        let error = reserve(&ledger(Some(0.03), None), 8000, SONNET).unwrap_err();
        assert!(error.contains("0.03 US dollars"), "{error}");
        assert_eq!(reserve(&ledger(None, Some(2000)), 1000, SONNET).unwrap().0, 1000);
        assert!(reserve(&ledger(None, Some(1100)), 1000, SONNET).is_err());
        assert!(reserve(&ledger(Some(1.0), None), 1, "openai:gpt-9").unwrap_err().contains("nobody knows"));
    }

    #[test]
    fn what_is_not_known_counts_as_what_was_set_aside() {
        let mut ledger = ledger(Some(1.0), None);
        let reserved = Reserved { usd: 0.9, tokens: 10 };
        let known = Tokens { input: Some(1000), output: Some(1000), ..Tokens::default() };
        ledger.settle(&ledger.paid(SONNET, known, reserved));
        assert!((ledger.cost_usd().unwrap() - 0.018).abs() < 1e-9);
        assert!(reserve(&ledger, 1000, SONNET).is_ok());
        ledger.settle(&ledger.paid(SONNET, Tokens::default(), reserved));
        assert!(reserve(&ledger, 30_000, SONNET).is_err());
        let usage = &ledger.report().usage[0];
        assert_eq!((usage.input_tokens, usage.cost_usd, ledger.turn_steps()), (Some(1000), None, 2));
        assert_eq!(usage.cache_read_tokens, None);
        assert!((usage.charged_usd.unwrap() - 0.918).abs() < 1e-9, "budgets count it all the same");
    }
}
