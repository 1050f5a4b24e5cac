//! What an attempt may spend: what its job or a person allows the run, and what is left of the day.

use super::Dispatcher;
use super::hosted::Allowance;
use crate::clock;
use crate::store::{DailyLimits, Ready, Reserve, StoreError};
use bog_domain::job::Job;
use jiff::tz::TimeZone;

/// What an attempt may spend.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spending {
    /// What the run may use in all.
    pub allowance: Allowance,
    /// What is set aside for the attempt.
    pub reserve: Reserve,
}

impl Dispatcher {
    /// What the next attempt of a run may spend; an error, for people, where that is nothing.
    pub(super) async fn spending(&self, ready: &Ready, job: &Job) -> Result<Result<Spending, String>, StoreError> {
        let budget = job.talk.budget;
        let zone = TimeZone::get(self.jobs.timezone()).unwrap_or(TimeZone::UTC);
        let limits = DailyLimits {
            since: clock::day_began(clock::now(), &zone),
            job_usd: budget.daily_usd,
            all_usd: self.agents.daily_usd,
        };
        let allowed = self.store.allowed(ready.run.id, ready.run.job_uid, limits).await?;
        // Who names a sum for this very run has seen what the day has cost.
        let (of_run, left_today) = match allowed.by_hand_usd {
            Some(usd) => (Some(usd), None),
            None => (budget.run_usd, allowed.left_today_usd),
        };
        let of_day = left_today.map(|left| allowed.spent_usd + left);
        let in_all = match (of_run, of_day) {
            (Some(run), Some(day)) => Some(run.min(day)),
            (one, other) => one.or(other),
        };
        let spent = allowed.spent_usd;
        if left_today.is_some_and(|left| left <= 0.0) {
            return Ok(Err(
                "what may be spent today is spent: `runs resume` goes on tomorrow, or at once with `--budget-usd`"
                    .to_owned(),
            ));
        }
        if in_all.is_some_and(|usd| usd <= spent) {
            return Ok(Err(format!("the run has cost ${spent:.4}, which is what it may cost")));
        }
        let usd = in_all.map_or(0.0, |usd| usd - spent);
        let within = left_today.map(|_| limits);
        let allowance = Allowance { usd: in_all, tokens: budget.tokens };
        Ok(Ok(Spending { allowance, reserve: Reserve { usd, within } }))
    }
}
