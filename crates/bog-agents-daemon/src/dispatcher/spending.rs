//! What an attempt may spend: what its job or a person allows the run, and what is left of the day.

use super::Dispatcher;
use super::hosted::Allowance;
use crate::clock;
use crate::store::{Allowed, DailyLimits, Ready, Reserve, StoreError};
use bog_domain::job::{Budget, Job};
use jiff::tz::TimeZone;

/// What an attempt may spend.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spending {
    /// What the run may use in all.
    pub allowance: Allowance,
    /// What is set aside for the attempt.
    pub reserve: Reserve,
}

/// Whether an attempt may spend anything.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// So much.
    May(Spending),
    /// All of what it may spend is not there yet: attempts under way have set it aside, and most of it may come back.
    NotYet,
    /// Nothing; why, for people.
    MayNot(String),
}

impl Dispatcher {
    /// What the next attempt of a run may spend.
    pub(super) async fn spending(&self, ready: &Ready, job: &Job) -> Result<Verdict, StoreError> {
        let budget = job.talk.budget;
        let zone = TimeZone::get(self.jobs.timezone()).unwrap_or(TimeZone::UTC);
        let limits = DailyLimits {
            since: clock::day_began(clock::now(), &zone),
            job_usd: budget.daily_usd,
            all_usd: self.agents.daily_usd,
        };
        let allowed = self.store.allowed(ready.run.id, ready.run.job_uid, limits).await?;
        Ok(decide(budget, limits, allowed))
    }
}

fn decide(budget: Budget, limits: DailyLimits, allowed: Allowed) -> Verdict {
    // Who names a sum for this very run has seen what the day has cost.
    let (of_run, today) = match allowed.by_hand_usd {
        Some(usd) => (Some(usd), None),
        None => (budget.run_usd, allowed.today),
    };
    let spent = allowed.spent_usd;
    if today.is_some_and(|left| left.unspent_usd <= 0.0) {
        return Verdict::MayNot(
            "what may be spent today is spent: `runs resume` goes on tomorrow, or at once with `--budget-usd`"
                .to_owned(),
        );
    }
    if of_run.is_some_and(|usd| usd <= spent) {
        return Verdict::MayNot(format!(
            "the run has cost ${spent:.4}, which is what it may cost: `runs resume` goes on with `--budget-usd`"
        ));
    }
    let most_tokens = allowed.by_hand_tokens.or(budget.tokens);
    if let Some(most) = most_tokens.filter(|most| *most <= allowed.spent_tokens) {
        return Verdict::MayNot(format!(
            "the run has used {} tokens, and it may use {most}: `runs resume` goes on with `--budget-tokens`",
            allowed.spent_tokens
        ));
    }
    let of_run_left = of_run.map(|usd| usd - spent);
    let of_day_left = today.map(|left| left.unspent_usd);
    let usd = match (of_run_left, of_day_left) {
        (Some(run), Some(day)) => Some(run.min(day)),
        (one, other) => one.or(other),
    };
    if today.zip(usd).is_some_and(|(left, usd)| left.free_usd < usd) {
        return Verdict::NotYet;
    }
    let in_all = if usd == of_run_left { of_run } else { usd.map(|usd| spent + usd) };
    Verdict::May(Spending {
        allowance: Allowance { usd: in_all, tokens: most_tokens },
        reserve: Reserve { usd: usd.unwrap_or(0.0), within: today.map(|_| limits) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Left;

    fn decided(run_usd: Option<f64>, spent_usd: f64, (unspent_usd, free_usd): (f64, f64)) -> Verdict {
        let budget = Budget { run_usd, daily_usd: Some(1.0), tokens: None };
        let today = Some(Left { unspent_usd, free_usd });
        decide(budget, DailyLimits::default(), Allowed { spent_usd, today, ..Allowed::default() })
    }

    fn may(usd: f64, reserved: f64) -> Verdict {
        let allowance = Allowance { usd: Some(usd), tokens: None };
        Verdict::May(Spending { allowance, reserve: Reserve { usd: reserved, within: Some(DailyLimits::default()) } })
    }

    #[test]
    fn a_run_may_spend_what_is_left_of_it_and_of_the_day() {
        assert_eq!(decided(Some(0.75), 0.25, (0.75, 0.75)), may(0.75, 0.5));
        assert_eq!(decided(Some(0.75), 0.25, (0.25, 0.25)), may(0.5, 0.25));
        assert_eq!(decided(None, 0.25, (0.5, 0.5)), may(0.75, 0.5));
        // (spent + left) - spent is more than left here: such a sum could never be set aside.
        let Verdict::May(spending) = decided(None, 0.3, (0.1, 0.1)) else { panic!("it may") };
        assert!(spending.reserve.usd <= 0.1);
    }

    #[test]
    fn who_goes_on_by_hand_names_other_amounts() {
        let budget = Budget { run_usd: Some(1.0), daily_usd: Some(1.0), tokens: Some(100) };
        let stopped = Allowed { spent_usd: 0.5, spent_tokens: 100, ..Allowed::default() };
        assert!(
            matches!(decide(budget, DailyLimits::default(), stopped), Verdict::MayNot(why) if why.contains("100 tokens"))
        );
        let more = Allowed { by_hand_tokens: Some(200), by_hand_usd: Some(2.0), ..stopped };
        let allowance = Allowance { usd: Some(2.0), tokens: Some(200) };
        let reserve = Reserve { usd: 1.5, within: None };
        assert_eq!(decide(budget, DailyLimits::default(), more), Verdict::May(Spending { allowance, reserve }));
    }

    #[test]
    fn what_others_have_set_aside_is_waited_for_and_what_is_spent_is_not() {
        assert_eq!(decided(None, 0.0, (1.0, 0.5)), Verdict::NotYet);
        assert_eq!(decided(Some(0.5), 0.0, (1.0, 0.25)), Verdict::NotYet);
        assert_eq!(decided(Some(0.25), 0.0, (1.0, 0.25)), may(0.25, 0.25));
        assert!(matches!(decided(Some(0.5), 0.0, (0.0, 0.0)), Verdict::MayNot(_)));
        assert!(matches!(decided(Some(0.5), 0.5, (0.5, 0.0)), Verdict::MayNot(_)));
    }
}
