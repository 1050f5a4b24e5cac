//! From the last byte of a request to the first instruction of the agent it starts.
//!
//! The agent is this very program, which prints the wall clock first thing in `main`; the run's output brings it back.

use super::daemon::{Daemon, Scratch};
use super::http::Client;
use super::limits::Limits;
use super::stats::Samples;
use super::{Effort, Row, jobs};
use anyhow::{Context as _, Result, bail};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// One run after the other, 300 of them (50 when quick), each on an idle daemon.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let data = Scratch::new("request-to-agent")?;
    data.max_concurrent(8)?;
    let program = std::env::current_exe()?;
    jobs::command(&data, "stamp", &[&*program.to_string_lossy(), "stamp"], "")?;
    let daemon = Daemon::start(&data)?;
    let mut client = daemon.connect()?;
    // The first ones warm caches.
    for _ in 0..5 {
        once(&mut client, "stamp")?;
    }
    let samples: Vec<Duration> =
        (0..effort.pick(300, 50)).map(|_| Ok(once(&mut client, "stamp")?.begun)).collect::<Result<_>>()?;
    let samples = Samples::new(samples);
    let what = format!("last request byte to agent's first instruction, {} runs", samples.len());
    Ok(vec![Row::new(what, samples.p50_p99(), "p50 25 ms, p99 60 ms")])
}

/// One run, as times from the last byte of its request.
pub struct Once {
    /// To the agent's first instruction.
    pub begun: Duration,
    /// To the end of its process tree, as the ledger has it: in whole milliseconds.
    pub ended: Duration,
}

/// Fires a job whose agent is `stamp`, and waits for its end.
///
/// # Errors
/// When it does not end well in time.
pub fn once(client: &mut Client, job: &str) -> Result<Once> {
    let accepted = client.post(&format!("/jobs/{job}/run"))?;
    let sent = accepted.sent_at.duration_since(UNIX_EPOCH)?;
    let answer = accepted.json(202)?;
    finished(client, answer["run_id"].as_str().context("the answer has no `run_id`")?, sent)
}

/// Waits for the end of a run whose agent is `stamp`, of a request that was `sent` so long after 1970.
///
/// # Errors
/// When it does not end well in time.
pub fn finished(client: &mut Client, run: &str, sent: Duration) -> Result<Once> {
    let deadline = Instant::now() + Duration::from_secs(10);
    // Asking would take time from what is measured: by then the agent has begun in all but the worst cases.
    std::thread::sleep(Duration::from_millis(100));
    loop {
        let run = client.get(&format!("/runs/{run}"))?.json(200)?;
        if run["state"] == "finished" {
            let output = run["output"].as_str().unwrap_or_default().trim();
            let begun: u64 = output.parse().with_context(|| format!("the run ended with {run}"))?;
            let finished = run["finished_at"].as_str().context("the run has no `finished_at`")?;
            let finished: jiff::Timestamp = finished.parse()?;
            let ended = Duration::try_from(finished.as_duration()).context("it ended before 1970")?;
            let begun = Duration::from_nanos(begun).saturating_sub(sent);
            return Ok(Once { begun, ended: ended.saturating_sub(sent) });
        }
        if Instant::now() > deadline {
            bail!("the run had not finished after 10 s: {run}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
