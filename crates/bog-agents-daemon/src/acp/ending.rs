//! How a turn ended, from what the agent says of it to what the runner is told.

use super::{ended, failed};
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::StopReason;
use bog_agent::session::{self, Budget};
use bog_domain::agent_end::{AgentEnd, ModelUsage, Stop, counted_usd, tokens};

/// How much of an error's data is shown.
const DATA_BYTES: usize = 500;

/// What an agent of ours says of its end.
pub fn of_stop(stop: session::Stop) -> AgentEnd {
    match stop {
        session::Stop::Finished => ended(Stop::Finished, None),
        session::Stop::Budget { message } => ended(Stop::Budget, Some(message)),
        session::Stop::MaxSteps { steps } => ended(
            Stop::MaxSteps,
            Some(format!("the limit of {steps} steps was reached; raise `max_steps` if the job needs more")),
        ),
        session::Stop::Quota { message, resets_at } => {
            let not_before = resets_at.as_deref().and_then(|at| at.parse().ok());
            let until = resets_at.map(|at| format!("; it is there again at {at}")).unwrap_or_default();
            let message = format!("the provider's quota is used up: {message}{until}");
            AgentEnd { not_before, ..ended(Stop::Quota, Some(message)) }
        }
        session::Stop::Refused { message } => ended(Stop::Refused, Some(format!("the model refused: {message}"))),
        session::Stop::Cancelled => ended(Stop::Cancelled, None),
        session::Stop::Failed { message } => failed(message),
    }
}

/// What the protocol says of the end of a turn.
pub fn of_reason(reason: StopReason) -> AgentEnd {
    match reason {
        StopReason::EndTurn => ended(Stop::Finished, None),
        StopReason::MaxTokens => {
            failed("the model's answer reached the largest size it may have; ask for less at once")
        }
        StopReason::MaxTurnRequests => {
            ended(Stop::MaxSteps, Some("the agent reached its own limit of steps for one turn".to_owned()))
        }
        StopReason::Refusal => ended(Stop::Refused, Some("the model refused to go on".to_owned())),
        StopReason::Cancelled => {
            ended(Stop::Cancelled, Some("the agent ended its turn as if it had been cancelled".to_owned()))
        }
        _ => failed("the agent ended its turn for a reason that this version does not know"),
    }
}

/// Which part of its budget a run has used up, for people; none: there is something left of all of it.
pub fn reached(budget: Budget, of_run: &[ModelUsage]) -> Option<String> {
    let cost = counted_usd(of_run);
    if budget.usd.is_some_and(|most| cost >= most) {
        return Some(format!("the run has cost ${cost:.4}, which is what it may cost"));
    }
    let used = tokens(of_run);
    let most = budget.tokens.filter(|most| used >= *most)?;
    Some(format!("the run has used {used} tokens, and it may use {most}"))
}

/// An error of the protocol, for people.
pub fn words(error: &Error) -> String {
    let text = |data: &serde_json::Value| data.as_str().map_or_else(|| data.to_string(), str::to_owned);
    let data = error.data.as_ref().map(text);
    match data {
        Some(data) if !data.is_empty() => {
            let cut = data.floor_char_boundary(DATA_BYTES);
            format!("{}: {}", error.message, &data[..cut])
        }
        Some(_) | None => error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_tokens_are_both_bounds() {
        let used = [ModelUsage { input_tokens: Some(90), cost_usd: Some(0.5), ..ModelUsage::default() }];
        let with = |usd, tokens| reached(Budget { usd, tokens }, &used);
        assert_eq!((with(None, None), with(Some(0.6), Some(91))), (None, None));
        assert!(with(Some(0.5), None).is_some_and(|why| why.contains("$0.5")));
        assert!(with(Some(0.6), Some(90)).is_some_and(|why| why.contains("90 tokens")));
        assert_eq!(reached(Budget { usd: Some(0.1), tokens: Some(1) }, &[]), None);
    }
}
