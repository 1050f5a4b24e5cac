//! A cheap check before any agent, and what its end means.

use super::agent::program;
use crate::error::SpecError;
use crate::run::Outcome;
use crate::spec::{GateSpec, JobSpec};
use std::time::Duration;

/// How long a gate may take that does not say.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Bytes of what a gate says that are kept.
pub const GATE_OUTPUT: u64 = 16 * 1024;

/// Characters of its last line that stand in a reason.
const LINE: usize = 200;

/// A command that says whether there is anything to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Program and arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a gate's end means for its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateVerdict {
    /// There is something to do.
    Open,
    /// There is nothing to do; why, for people.
    Closed(String),
    /// It could not tell, and is asked again.
    Again,
    /// It could not tell, and the run ends as it did.
    Broken,
}

impl Gate {
    pub(super) fn parse(spec: &JobSpec) -> Result<Option<Self>, SpecError> {
        let Some(GateSpec { command, timeout }) = &spec.when else { return Ok(None) };
        let timeout = timeout.map_or(TIMEOUT, crate::units::Span::duration);
        if timeout.is_zero() {
            return Err(SpecError::new("when.timeout", "`0s` is no time at all: for example `30s`"));
        }
        Ok(Some(Self { command: program("when.command", command)?, timeout }))
    }
}

/// What the end of a gate means: 0 opens it, any other exit code closes it. `said` is its standard output, `error` what
/// its standard error ended with.
#[must_use]
pub fn gate_verdict(outcome: Outcome, exit_code: Option<i32>, said: &str, error: Option<&str>) -> GateVerdict {
    match (outcome, exit_code) {
        (Outcome::Succeeded, _) => GateVerdict::Open,
        (Outcome::Failed, Some(_)) => {
            let line = last_line(said).or_else(|| error.and_then(last_line)).unwrap_or_default();
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE).collect();
            GateVerdict::Closed(if line.is_empty() { "gate".to_owned() } else { format!("gate: {line}") })
        }
        (Outcome::Interrupted, _) => GateVerdict::Again,
        (
            Outcome::Failed | Outcome::TimedOut | Outcome::LimitExceeded | Outcome::Cancelled | Outcome::StartFailed,
            _,
        ) => GateVerdict::Broken,
    }
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_exit_code_opens_or_closes() {
        let closed = |reason: &str| GateVerdict::Closed(reason.to_owned());
        let long = "x".repeat(300);
        for (outcome, code, said, error, expected) in [
            (Outcome::Succeeded, Some(0), "", None, GateVerdict::Open),
            (Outcome::Failed, Some(1), "one\ntwo\n\n", Some("three"), closed("gate: two")),
            (
                Outcome::Failed,
                Some(1),
                " \n",
                Some("exit code 1: no\tremote\n"),
                closed("gate: exit code 1: no remote"),
            ),
            (Outcome::Failed, Some(3), "", None, closed("gate")),
            (Outcome::Failed, Some(3), &long, None, closed(&format!("gate: {}", &long[..LINE]))),
            (Outcome::Failed, None, "x", None, GateVerdict::Broken),
            (Outcome::TimedOut, None, "x", None, GateVerdict::Broken),
            (Outcome::StartFailed, None, "", None, GateVerdict::Broken),
            (Outcome::Cancelled, Some(1), "", None, GateVerdict::Broken),
            (Outcome::Interrupted, None, "", None, GateVerdict::Again),
        ] {
            assert_eq!(gate_verdict(outcome, code, said, error), expected, "{outcome} {code:?}");
        }
    }

    #[test]
    fn a_gate_is_a_command_with_some_time() {
        let parse = |text: &str| Gate::parse(&crate::spec::yaml::parse(text).unwrap());
        let gate = parse("when: {command: [test, -s, todo]}").unwrap().unwrap();
        assert_eq!((gate.command.len(), gate.timeout), (3, TIMEOUT));
        assert_eq!(parse("name: x").unwrap(), None);
        for (text, field) in
            [("when: {command: []}", "when.command"), ("when: {command: [x], timeout: 0s}", "when.timeout")]
        {
            assert_eq!(parse(text).unwrap_err().field, field);
        }
    }
}
