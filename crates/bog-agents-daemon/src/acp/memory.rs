//! What a host remembers from one attempt to the next, and of a job whose runs are one conversation from one run to the
//! next: the conversation's id, and what was used when.
//!
//! The folder lies where the agent may write, so what is read there is the agent's own word about itself and nothing more.

use bog_domain::agent_end::{ModelUsage, Stop, minus, plus};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file, and what becomes it.
const FILE: &str = "conversation.json";
const ASIDE: &str = "conversation.json.new";
/// No file of ours is longer.
const MAX_BYTES: u64 = 256 * 1024;

/// What is remembered.
#[derive(Debug)]
pub struct Memory {
    dir: Option<PathBuf>,
    kept: Kept,
    /// Whether an earlier attempt of the same run began the turn that this one goes on with.
    unfinished: bool,
    /// Whether what is remembered is this run's own.
    begun: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    run: String,
    session: Option<String>,
    /// How this run's turn ended, once it has.
    ended: Option<Stop>,
    /// What the conversation had used when this run began.
    before: Vec<ModelUsage>,
    /// What it has used by now.
    latest: Vec<ModelUsage>,
    /// What this run used in conversations that it could not go on with.
    carried: Vec<ModelUsage>,
}

impl Memory {
    /// What is known in `dir` as `run` goes on, or begins.
    pub fn open(dir: Option<&Path>, run: &str) -> Self {
        let known = dir.and_then(|dir| read(&dir.join(FILE)).ok()).unwrap_or_default();
        let of_this_run = known.run == run;
        let kept = match of_this_run {
            true => known,
            false => Kept {
                run: run.to_owned(),
                session: known.session,
                before: known.latest.clone(),
                latest: known.latest,
                ..Kept::default()
            },
        };
        // A turn that was refused, or took all its steps, would end the same way again. Any other is gone on with from where
        // it stopped.
        let unfinished = of_this_run && !matches!(kept.ended, Some(Stop::Refused | Stop::MaxSteps));
        let mut memory = Self { dir: dir.map(Path::to_owned), kept, unfinished, begun: of_this_run };
        if of_this_run && !unfinished {
            memory.kept.session = None;
        }
        memory
    }

    /// The conversation to go on with: the one that the run has begun, else the one that the job names, else the last one.
    pub fn to_resume<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        if self.begun { self.session().or(named) } else { named.or(self.session()) }
    }

    /// The conversation that is remembered.
    pub fn session(&self) -> Option<&str> {
        self.kept.session.as_deref()
    }

    /// Whether an earlier attempt began this run's turn.
    pub const fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// A new conversation begins: what was used before it in this run still counts.
    pub fn begin(&mut self, session: &str) {
        self.kept.carried = self.of_run();
        self.kept.before = Vec::new();
        self.kept.latest = Vec::new();
        self.resume(session);
    }

    /// The conversation goes on.
    pub fn resume(&mut self, session: &str) {
        if self.kept.session.as_deref().is_some_and(|known| known != session) {
            // Nothing is known of what was used in this one.
            self.kept.carried = self.of_run();
            (self.kept.before, self.kept.latest) = (Vec::new(), Vec::new());
        }
        self.kept.session = Some(session.to_owned());
        self.kept.ended = None;
        self.write(true);
    }

    /// The whole conversation has used so much.
    pub fn used(&mut self, latest: Vec<ModelUsage>) {
        if self.kept.latest != latest {
            self.kept.latest = latest;
            self.write(false);
        }
    }

    /// The turn ended.
    pub fn ended(&mut self, stop: Stop) {
        // One that was cut off from outside is gone on with, if anybody wants that.
        self.kept.ended = Some(stop).filter(|stop| *stop != Stop::Cancelled);
        self.write(false);
    }

    /// What the conversation has used by now.
    pub fn latest(&self) -> &[ModelUsage] {
        &self.kept.latest
    }

    /// What the conversation had used when this run began.
    pub fn before(&self) -> &[ModelUsage] {
        &self.kept.before
    }

    /// What this run has used in other conversations.
    pub fn carried(&self) -> &[ModelUsage] {
        &self.kept.carried
    }

    /// What this run has used, earlier attempts included.
    pub fn of_run(&self) -> Vec<ModelUsage> {
        plus(&self.kept.carried, &minus(&self.kept.latest, &self.kept.before))
    }

    /// A host that cannot write goes on: a later attempt will begin anew.
    fn write(&self, durably: bool) {
        if let Some(dir) = &self.dir {
            let _ = write(dir, &self.kept, durably);
        }
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn write(dir: &Path, kept: &Kept, durably: bool) -> io::Result<()> {
    let aside = dir.join(ASIDE);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    if durably {
        file.sync_data()?;
    }
    std::fs::rename(aside, dir.join(FILE))?;
    // What was renamed stands in the folder, which has to be on the disk too.
    if durably { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(input: u64) -> Vec<ModelUsage> {
        vec![ModelUsage { model: "m".to_owned(), input_tokens: Some(input), ..ModelUsage::default() }]
    }

    #[test]
    fn a_run_counts_its_own_and_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let open = |run| Memory::open(Some(folder.path()), run);
        let mut first = open("a");
        assert_eq!((first.session(), first.is_unfinished()), (None, false));
        first.begin("s");
        first.used(used(10));
        drop(first);

        let mut again = open("a");
        assert_eq!((again.session(), again.is_unfinished(), again.of_run()), (Some("s"), true, used(10)));
        again.resume("s");
        again.used(used(15));
        assert_eq!(again.of_run(), used(15));
        again.ended(Stop::Finished);

        let mut next = open("b");
        assert_eq!((next.session(), next.is_unfinished(), next.before()), (Some("s"), false, &used(15)[..]));
        next.resume("s");
        next.used(used(18));
        assert_eq!(next.of_run(), used(3));
        next.begin("t");
        next.used(used(2));
        assert_eq!(next.of_run(), used(5), "what was used in the other conversation counts too");
    }

    #[test]
    fn a_turn_that_was_refused_is_begun_anew_and_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        for (stop, goes_on) in [
            (Stop::Refused, false),
            (Stop::MaxSteps, false),
            (Stop::Failed, true),
            (Stop::Budget, true),
            (Stop::Cancelled, true),
        ] {
            let mut memory = Memory::open(Some(folder.path()), &format!("{stop:?}"));
            memory.begin("s");
            memory.ended(stop);
            let again = Memory::open(Some(folder.path()), &format!("{stop:?}"));
            assert_eq!((again.is_unfinished(), again.session().is_some()), (goes_on, goes_on), "{stop:?}");
        }
    }

    #[test]
    fn a_named_conversation_wins_but_not_over_the_one_that_the_run_has_begun() {
        let folder = tempfile::tempdir().unwrap();
        let open = |run| Memory::open(Some(folder.path()), run);
        assert_eq!(open("a").to_resume(Some("named")), Some("named"));
        let mut first = open("a");
        first.begin("s");
        first.used(used(10));
        assert_eq!(open("a").to_resume(Some("named")), Some("s"));
        let mut next = open("b");
        assert_eq!((next.to_resume(None), next.to_resume(Some("named"))), (Some("s"), Some("named")));
        next.resume("named");
        next.used(used(4));
        assert_eq!(next.of_run(), used(4), "what another conversation had used is not taken off");
    }

    #[test]
    fn nonsense_is_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{\"run\":1}").unwrap();
        assert_eq!(Memory::open(Some(folder.path()), "a").session(), None);
        assert_eq!(Memory::open(None, "a").session(), None);
    }
}
