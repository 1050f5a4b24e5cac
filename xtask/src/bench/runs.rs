//! Runs of a command that does nothing, eight at once, accepted and finished.
//!
//! Sixteen jobs with the default overlap are fired in turn so that some 64 runs always wait; every run counted was
//! accepted, claimed, supervised and its outcome committed.

use super::daemon::{Daemon, Scratch};
use super::http::{Client, counter};
use super::limits::Limits;
use super::{Effort, Row, jobs};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

const JOBS: u32 = 16;
const WAITING: f64 = 64.0;
const RUNS: &str = "bog_runs_total";

/// Counts for 30 seconds (5 when quick), after two seconds of warming up.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let data = Scratch::new("runs")?;
    data.max_concurrent(8)?;
    for n in 0..JOBS {
        jobs::command(&data, &format!("noop-{n}"), &["true"], "")?;
    }
    let daemon = Daemon::start(&data)?;
    let mut feeder = Feeder { client: daemon.connect()?, fired: 0 };
    feeder.feed(Duration::from_secs(2))?;
    let (before, start) = (feeder.finished("outcome=\"succeeded\"")?, Instant::now());
    feeder.feed(Duration::from_secs(effort.pick(30, 5)))?;
    let (after, elapsed) = (feeder.finished("outcome=\"succeeded\"")?, start.elapsed());
    let failed = feeder.finished("")? - after;
    let mut measured = format!("{:.0} a second", (after - before) / elapsed.as_secs_f64());
    if failed > 0.0 {
        measured += &format!("; {failed} did not succeed");
    }
    let what = format!("no-op command runs, 8 at once, over {:.0} s", elapsed.as_secs_f64());
    Ok(vec![Row::new(what, measured, "100 a second")])
}

struct Feeder {
    client: Client,
    fired: u32,
}

impl Feeder {
    /// Keeps enough runs waiting for that long.
    fn feed(&mut self, window: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < window {
            let finished = self.finished("")?;
            while f64::from(self.fired) - finished < WAITING {
                let path = format!("/jobs/noop-{}/run", self.fired % JOBS);
                self.client.post(&path)?.json(202)?;
                self.fired += 1;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn finished(&mut self, label: &str) -> Result<f64> {
        let text = String::from_utf8(self.client.get("/metrics")?.body)?;
        counter(&text, RUNS, label).with_context(|| format!("`/metrics` has no `{RUNS}`"))
    }
}
