//! What the sandbox and the limits add to a run: the same job with and without them, turn by turn on one daemon.

use super::daemon::{Daemon, Scratch};
use super::http::Client;
use super::limits::Limits;
use super::request_to_agent::{Once, once};
use super::stats::{Samples, ms};
use super::{Effort, Row, jobs};
use anyhow::Result;
use std::time::Duration;

/// No sandbox and no limit but the wall clock.
const BARE: &str = "sandbox: {shell: host}\n";
/// The sandbox as it is by default, and every limit set.
const HELD: &str = "sandbox: {network: none}\n\
                    limits: {memory: 1GiB, cpu: 1.5, cpu_seconds: 60, pids: 64, open_files: 256, disk: 1GiB}\n";

/// 200 runs of each (40 when quick), one after the other, each on an idle daemon.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let data = Scratch::new("containment")?;
    data.max_concurrent(8)?;
    let program = std::env::current_exe()?;
    let program = program.to_string_lossy();
    jobs::command(&data, "bare", &[&program, "stamp"], BARE)?;
    jobs::command(&data, "held", &[&program, "stamp"], HELD)?;
    let daemon = Daemon::start(&data)?;
    let mut client = daemon.connect()?;
    for _ in 0..5 {
        pair(&mut client)?;
    }
    let pairs: Vec<[Once; 2]> = (0..effort.pick(200, 40)).map(|_| pair(&mut client)).collect::<Result<_>>()?;
    let samples =
        |which: usize, what: fn(&Once) -> Duration| Samples::new(pairs.iter().map(|pair| what(&pair[which])).collect());
    let row = |name: &str, what: fn(&Once) -> Duration| {
        let [bare, held] = [samples(0, what), samples(1, what)];
        let added = held.percentile(50).saturating_sub(bare.percentile(50));
        let measured = format!("{} -> {} ({} added)", ms(bare.percentile(50)), ms(held.percentile(50)), ms(added));
        Row::new(format!("sandbox and limits: {name}, p50 of {}", held.len()), measured, "10 ms added")
    };
    Ok(vec![row("request to first instruction", |once| once.begun), row("request to the run's end", |once| once.ended)])
}

fn pair(client: &mut Client) -> Result<[Once; 2]> {
    Ok([once(client, "bare")?, once(client, "held")?])
}
