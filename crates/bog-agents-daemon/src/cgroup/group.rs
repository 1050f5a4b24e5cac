//! One attempt's group: made, limited, filled, read, emptied and removed by its runner.

use super::subtree::made;
use super::{CONTROLLERS, Controller, PROCS, give_to_children, listed};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The last attempt to end removes the group of all attempts; the next one makes it again. So often they may meet.
const MAKE_TRIES: usize = 16;
/// How long the processes of a group that was ended may take to be gone.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// How long they get to be gone by themselves.
const END_OF_ITSELF: Duration = Duration::from_millis(20);
/// How often it is looked whether they are.
const END_LOOK: Duration = Duration::from_millis(1);
/// The period of a CPU rate, in microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// The least the kernel accepts of it.
const CPU_QUOTA_MIN_US: u64 = 1_000;

/// An attempt's group. Removed by [`end`], not by being dropped.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
    controllers: Vec<Controller>,
}

impl Group {
    /// Makes the group and, where it is the first, the one around it.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn make(path: &Path) -> io::Result<Self> {
        let runs = path.parent().unwrap_or(path);
        let mut tries = 0;
        loop {
            made(runs)?;
            give_to_children(runs);
            match made(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < MAKE_TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(Self { path: path.to_owned(), controllers: listed(&path.join(CONTROLLERS)) })
    }

    /// Moves a process into it; what that one starts from then on is born there. The kernel takes its time over it: ten
    /// milliseconds are usual.
    ///
    /// # Errors
    /// Where the process or the group is gone, or the kernel refuses.
    pub fn take_in(&self, process: Pid) -> io::Result<()> {
        fs::write(self.path.join(PROCS), process.to_string())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Limits memory and swap together; false where it cannot.
    pub fn limit_memory(&self, bytes: u64) -> bool {
        if !self.controllers.contains(&Controller::Memory) || !self.set("memory.max", &bytes.to_string()) {
            return false;
        }
        // No swap at all is the one way to bound both by one figure. Not there where the kernel counts no swap.
        self.set("memory.swap.max", "0");
        // All of it or nothing: a tree that has lost one process to the kernel is no tree anyone has written.
        self.set("memory.oom.group", "1");
        true
    }

    /// Limits processes and threads; false where it cannot.
    pub fn limit_pids(&self, pids: u64) -> bool {
        self.controllers.contains(&Controller::Pids) && self.set("pids.max", &pids.to_string())
    }

    /// Limits the CPU rate, in thousandths of a core; false where it cannot.
    pub fn limit_cpu(&self, millis: u64) -> bool {
        let quota = millis.saturating_mul(CPU_PERIOD_US / 1000).max(CPU_QUOTA_MIN_US);
        self.controllers.contains(&Controller::Cpu) && self.set("cpu.max", &format!("{quota} {CPU_PERIOD_US}"))
    }

    /// Whether it still limits memory: whoever arranges the groups around it can take a controller away.
    #[must_use]
    pub fn limits_memory(&self) -> bool {
        self.is_set("memory.max")
    }

    /// Whether it still limits processes and threads.
    #[must_use]
    pub fn limits_pids(&self) -> bool {
        self.is_set("pids.max")
    }

    /// Whether it still limits the CPU rate.
    #[must_use]
    pub fn limits_cpu(&self) -> bool {
        self.is_set("cpu.max")
    }

    /// The CPU time of every process that was ever in it. The kernel counts it with or without the controller.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        self.field("cpu.stat", "usage_usec").map(Duration::from_micros)
    }

    /// The most memory it ever had, page cache included. Since Linux 5.19.
    #[must_use]
    pub fn memory_peak(&self) -> Option<u64> {
        self.figure("memory.peak")
    }

    /// Whether the kernel ended processes because *this* group was full: an `oom` is counted where the limit is, an
    /// `oom_kill` where the process was, so that a machine that is out of memory is not blamed on the attempt.
    #[must_use]
    pub fn ran_out_of_memory(&self) -> bool {
        let counted = |event| self.field("memory.events", event).is_some_and(|count| count > 0);
        counted("oom") && counted("oom_kill")
    }

    /// Whether it was refused a process because of its limit.
    #[must_use]
    pub fn ran_out_of_pids(&self) -> bool {
        self.field("pids.events", "max").is_some_and(|count| count > 0)
    }

    /// Stops every process in it, or lets them go on. Unlike STOP and CONT nobody is told; false where it cannot.
    pub fn freeze(&self, frozen: bool) -> bool {
        self.set("cgroup.freeze", if frozen { "1" } else { "0" })
    }

    /// Whether anything in it, or in a group within it, lives.
    #[must_use]
    pub fn is_populated(&self) -> bool {
        is_populated(&self.path)
    }

    /// Ends everything in it at once, without a way out by forking. Since Linux 5.14; nothing happens before.
    pub fn kill(&self) {
        kill(&self.path);
    }

    fn set(&self, file: &str, value: &str) -> bool {
        fs::write(self.path.join(file), value).is_ok()
    }

    /// Whether a file of limits begins with a number: one that limits nothing begins with `max`.
    fn is_set(&self, file: &str) -> bool {
        fs::read(self.path.join(file)).is_ok_and(|text| text.first().is_some_and(u8::is_ascii_digit))
    }

    fn figure(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.path.join(file)).ok()?.trim().parse().ok()
    }

    fn field(&self, file: &str, name: &str) -> Option<u64> {
        field(&fs::read_to_string(self.path.join(file)).ok()?, name)
    }
}

/// Ends everything in the group at `path`, waits until it is empty and removes it, and the group of all attempts if this
/// was the last; returns how many processes it held. A group that is not there is as good as an empty one.
///
/// Gives up after some seconds where a process sits in the kernel and cannot die: the next start of the daemon tries
/// again.
pub fn end(path: &Path) -> usize {
    // Whatever has no such file is no control group, and not ours to remove.
    if !path.join(PROCS).exists() {
        return 0;
    }
    // What is to die with its runner needs a moment to do so; what is left after it was left behind.
    let begun = Instant::now();
    while is_populated(path) && begun.elapsed() < END_OF_ITSELF {
        std::thread::sleep(END_LOOK);
    }
    let held = fs::read_to_string(path.join(PROCS)).map_or(0, |pids| pids.lines().count());
    let give_up = Instant::now() + END_PATIENCE;
    while is_populated(path) && Instant::now() < give_up {
        kill(path);
        std::thread::sleep(END_LOOK);
    }
    remove(path);
    if let Some(runs) = path.parent() {
        // Refused while other attempts have theirs.
        let _ = fs::remove_dir(runs);
    }
    held
}

fn kill(path: &Path) {
    // Where it fails, the tree is ended one process at a time all the same.
    let _ = fs::write(path.join("cgroup.kill"), "1");
}

fn is_populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events")).is_ok_and(|events| field(&events, "populated") == Some(1))
}

/// Removes a group and what was made within it: an agent on the host itself may have made some.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

/// The value of `NAME VALUE` in one of the kernel's flat keyed files.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let events = "low 0\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!((field(events, "oom"), field(events, "oom_kill"), field(events, "kill")), (Some(3), Some(2), None));
    }
}
