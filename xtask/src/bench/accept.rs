//! Durable accepts over 64 connections.
//!
//! Through `POST /jobs/ID/run`, which stands on the same commit as a webhook does. The job's first run waits until its
//! data folder is gone, so that every further fire is accepted and queued, and nothing but accepting is measured.

use super::daemon::{Daemon, Scratch};
use super::limits::Limits;
use super::stats::{Samples, per_second};
use super::{Effort, Row, jobs};
use anyhow::{Context as _, Result, anyhow};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 64;

/// Fires as fast as 64 connections can for 10 seconds (2 when quick).
pub fn measure(effort: Effort, limits: &Limits) -> Result<Vec<Row>> {
    let data = Scratch::new("accept")?;
    data.max_concurrent(1)?;
    let folder = data.path().to_string_lossy();
    let hold = ["sh", "-c", "while [ -d \"$0\" ]; do sleep 0.2; done", &*folder];
    jobs::command(&data, "held", &hold, "overlap: queue\nmax_queued: 1000000\n")?;
    let daemon = Daemon::start(&data)?;
    daemon.connect()?.post("/jobs/held/run")?.json(202)?;

    let window = Duration::from_secs(effort.pick(10, 2));
    let start = Instant::now();
    let samples: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| fire(&daemon, start, window))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a connection panicked"))?);
        joined.collect::<Result<Vec<_>>>().map(|all| all.concat())
    })?;
    let elapsed = start.elapsed();
    let rate = per_second(samples.len(), elapsed);
    let (least, why) = limits.accept_target();
    let samples = Samples::new(samples);
    let measured = format!("{}, {rate:.0} a second", samples.p50_p99());
    let what = format!("durable accept by `POST /jobs/ID/run`, {CONNECTIONS} connections, job held");
    Ok(vec![Row::new(what, measured, format!("p99 50 ms; {least:.0} a second ({why})"))])
}

fn fire(daemon: &Daemon, start: Instant, window: Duration) -> Result<Vec<Duration>> {
    let mut client = daemon.connect()?;
    let mut samples = Vec::new();
    while start.elapsed() < window {
        let before = Instant::now();
        let answer = client.post("/jobs/held/run").context("after some fires")?;
        samples.push(before.elapsed());
        answer.json(202)?;
    }
    Ok(samples)
}
