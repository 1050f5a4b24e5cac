//! What a repository's hook writes down of a push, for a daemon that may not be there just now.
//!
//! ```text
//! bog-agents-daemon push 1
//! run 01980c2e-6f3a-7000-8000-000000000000
//! OLD NEW refs/heads/main
//! ```
//!
//! `run` stands only where a run of the daemon pushed. The other lines are what git gives a `post-receive` hook
//! (githooks(5)): an id of zeros where the ref was, or is, not there. Whoever may push may write such a file.

use super::refs::{Change, Move, is_sha};
use crate::ids::RunId;

/// The first line of a file of this version.
const FIRST_LINE: &str = "bog-agents-daemon push 1";

/// A push as a hook told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The run that pushed.
    pub run: Option<RunId>,
    /// What it pushed.
    pub moves: Vec<Move>,
}

/// Reads a spooled file. Lines that make no sense are passed over; `None` where the first one is not of this version.
#[must_use]
pub fn parse_spooled(text: &str) -> Option<Pushed> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return None;
    }
    let mut pushed = Pushed::default();
    for line in lines {
        match line.strip_prefix("run ") {
            Some(run) => pushed.run = run.trim().parse().ok(),
            None => pushed.moves.extend(parse_move(line)),
        }
    }
    Some(pushed)
}

fn parse_move(line: &str) -> Option<Move> {
    let mut words = line.splitn(3, ' ');
    let mut id = || words.next().filter(|id| is_sha(id));
    let (old, new) = (id()?, id()?);
    let reference = words.next().filter(|name| name.starts_with("refs/") && !name.contains(char::is_control))?;
    let present = |id: &str| !id.bytes().all(|byte| byte == b'0');
    let change = Change::between(Some(old).filter(|id| present(id)), Some(new).filter(|id| present(id)))?;
    Some(Move { reference: reference.to_owned(), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hooks_file_is_read_and_nonsense_passed_over() {
        let (zero, a, b) = ("0".repeat(40), "a".repeat(40), "b".repeat(40));
        let run = uuid::Uuid::from_u128(7);
        let text = format!(
            "{FIRST_LINE}\nrun {run}\n{zero} {a} refs/heads/new\n{a} {b} refs/heads/main\n{b} {zero} refs/tags/v1\n\
             {a} {a} refs/heads/same\n{a} {b}\nx y refs/heads/x\n{a} {b} HEAD\n{a} {b} refs/heads/\u{1b}\n"
        );
        let pushed = parse_spooled(&text).unwrap();
        assert_eq!(pushed.run, Some(RunId::new(run)));
        let expected = [
            ("refs/heads/new", Change::Created { new: a.clone() }),
            ("refs/heads/main", Change::Moved { old: a.clone(), new: b.clone() }),
            ("refs/tags/v1", Change::Deleted { old: b }),
        ];
        let expected = expected.map(|(name, change)| Move { reference: name.to_owned(), change });
        assert_eq!(pushed.moves, expected);
        assert_eq!(parse_spooled(""), None);
        assert_eq!(parse_spooled("bog-agents-daemon push 2\n"), None);
        assert_eq!(parse_spooled(FIRST_LINE), Some(Pushed::default()));
        assert_eq!(parse_spooled(&format!("{FIRST_LINE}\nrun x\n")), Some(Pushed::default()));
    }
}
