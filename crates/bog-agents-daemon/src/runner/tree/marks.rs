//! Processes by the marks in the environment they were started with: whose they are, and of which attempt.
//!
//! An agent may take the marks off what it starts, or put others on. So they show what was left behind, and they never
//! stand for a limit of what an agent may do.

use super::{Process, Struck, end_all, own_pid, system};
use bog_domain::ids::RunId;
use std::collections::HashSet;

/// The attempt that a process belongs to, by its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The run.
    pub run: RunId,
    /// The attempt; `None` where it says none.
    pub attempt: Option<u32>,
}

/// A process that carries marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// The process.
    pub process: Process,
    /// Its marks.
    pub mark: Mark,
}

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// It does not say.
    Nobodys,
    /// An attempt's of this daemon.
    Ours(Mark),
    /// Another daemon's.
    Others,
}

/// Every process that is marked as an attempt's of this daemon, without the calling process.
#[must_use]
pub fn marked_by(instance: &str) -> Vec<Marked> {
    let (own, mut buffer) = (own_pid(), Vec::new());
    let others = system::pids().into_iter().filter(|pid| *pid != own);
    others.filter_map(|pid| marked(pid, instance, &mut buffer)).collect()
}

fn marked(pid: i32, instance: &str, buffer: &mut Vec<u8>) -> Option<Marked> {
    let Whose::Ours(mark) = whose(pid, instance, buffer) else { return None };
    let process = system::process(pid)?;
    // Read once more between two looks at one and the same process: its number may have been another's before.
    let same = whose(pid, instance, buffer) == Whose::Ours(mark) && system::process(pid)?.started == process.started;
    (same && !process.zombie).then_some(Marked { process, mark })
}

/// Ends whatever carries one of these marks, and its descendants; returns how many processes those were, and how many
/// it may not end.
///
/// Left alone are the calling process and what it started, attempts of this daemon with other marks, and whatever is
/// another daemon's. The attempts must be over for good: none of theirs begins meanwhile.
#[must_use]
pub fn end_marked(instance: &str, over: &HashSet<Mark>) -> (usize, usize) {
    let Struck { sent, not_allowed } = end_all(|| family(instance, over));
    (sent.len(), not_allowed)
}

fn family(instance: &str, over: &HashSet<Mark>) -> Vec<Process> {
    let (own, mut buffer) = (own_pid(), Vec::new());
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    // Without the calling process, what it started is below nothing that is looked at.
    for process in system::processes().into_iter().filter(|process| process.pid != own) {
        match whose(process.pid, instance, &mut buffer) {
            Whose::Ours(mark) if over.contains(&mark) => found.push(process),
            Whose::Ours(_) | Whose::Others => {}
            Whose::Nobodys => rest.push(process),
        }
    }
    let mut known: HashSet<i32> = found.iter().map(|process| process.pid).collect();
    loop {
        let (new, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|process| known.contains(&process.parent));
        if new.is_empty() {
            return found.into_iter().filter(|process| !process.zombie).collect();
        }
        known.extend(new.iter().map(|process| process.pid));
        found.extend(new);
        rest = others;
    }
}

fn whose(pid: i32, instance: &str, buffer: &mut Vec<u8>) -> Whose {
    system::environment(pid, buffer);
    whose_is(buffer, instance)
}

/// Reads an environment: entries `NAME=value`, each with a zero behind it.
fn whose_is(environment: &[u8], instance: &str) -> Whose {
    let value = |name: &str| {
        let mut entries = environment.split(|byte| *byte == 0);
        entries.find_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix(name)?.strip_prefix('='))
    };
    match value("BOG_INSTANCE") {
        None | Some("") => Whose::Nobodys,
        Some(found) if found != instance => Whose::Others,
        Some(_) => match value("BOG_RUN_ID").and_then(|run| run.parse().ok()) {
            Some(run) => {
                Whose::Ours(Mark { run, attempt: value("BOG_ATTEMPT").and_then(|number| number.parse().ok()) })
            }
            None => Whose::Nobodys,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn marks_are_read_from_an_environment() {
        let of = |entries: &[&str]| whose_is(entries.join("\0").as_bytes(), "us");
        let run = RUN.parse().expect("a run");
        let (mine, attempt) = (format!("BOG_RUN_ID={RUN}"), "BOG_ATTEMPT=2");
        assert_eq!(of(&["BOG_INSTANCE=us", &mine, attempt]), Whose::Ours(Mark { run, attempt: Some(2) }));
        assert_eq!(of(&["A=b", &mine, "BOG_INSTANCE=us", ""]), Whose::Ours(Mark { run, attempt: None }));
        assert_eq!(of(&["BOG_INSTANCE=use", &mine]), Whose::Others);
        assert_eq!(of(&["BOG_INSTANCE=", &mine]), Whose::Nobodys);
        assert_eq!(of(&["XBOG_INSTANCE=us", "BOG_INSTANCE_=us", &mine]), Whose::Nobodys);
        assert_eq!(of(&["BOG_INSTANCE=us"]), Whose::Nobodys);
        assert_eq!(of(&["BOG_INSTANCE=us", "BOG_RUN_ID=1"]), Whose::Nobodys);
        assert_eq!(of(&[]), Whose::Nobodys);
    }
}
