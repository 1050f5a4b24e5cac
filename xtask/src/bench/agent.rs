//! The built-in agent: from a signed webhook to the first call of the model, what a step takes without the model, what memory it
//! needs, and ten at once. The model is one on loopback that answers at once, reached as every provider is: through the
//! relay of the sandbox.

use super::daemon::{Daemon, Scratch};
use super::http::Client;
use super::limits::Limits;
use super::llm::{Call, Llm};
use super::proc::pss_kib;
use super::stats::Samples;
use super::{Effort, Row, hooks};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};

/// Tool calls of a conversation.
const STEPS: usize = 5;
/// Where the first job's webhook is sent to.
const HOOK: &str = "/hooks/agent";
/// Runs at once.
const AT_ONCE: usize = 10;

/// 100 runs (20 when quick) one after the other, then ten at once.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let llm = Llm::start(STEPS, Duration::ZERO)?;
    let (data, daemon) = daemon("agent", &llm)?;
    let mut client = daemon.connect()?;
    let mut first = Vec::new();
    let mut between = Vec::new();
    for round in 0..effort.pick(105, 25) {
        let accepted = client.exchange(&hooks::request(HOOK, round))?;
        let sent = accepted.sent_at;
        finished(&mut client, run_of(&accepted.json(202)?["fires"][0])?)?;
        let mut calls = llm.take();
        calls.sort_by_key(|call| call.came);
        // The first ones warm caches.
        if round >= 5 {
            let begun = calls.first().context("the model was never called")?.came;
            first.push(begun.duration_since(sent).unwrap_or_default());
            between.extend(calls.windows(2).map(gap));
        }
    }
    let (first, between) = (Samples::new(first), Samples::new(between));
    let begun = Instant::now();
    let runs: Vec<String> = (0..AT_ONCE).map(|n| fire(&mut client, &format!("agent-{n}"))).collect::<Result<_>>()?;
    for run in &runs {
        finished(&mut client, run)?;
    }
    let all = format!("{:.0} ms in all", begun.elapsed().as_secs_f64() * 1e3);
    drop((daemon, data));
    Ok(vec![
        Row::new(
            format!("last byte of a signed webhook to the first model call, {} runs", first.len()),
            first.p50_p99(),
            "p50 60 ms",
        ),
        Row::new(
            format!("a step of the agent without the model, {} steps", between.len()),
            between.p50_p99(),
            "p50 5 ms",
        ),
        Row::new(format!("{AT_ONCE} runs of {} model calls at once", STEPS + 1), all, ""),
        memory()?,
    ])
}

/// Runner, init, host with the agent in it, and relay, while the model takes its time.
fn memory() -> Result<Row> {
    let llm = Llm::start(1, Duration::from_secs(2))?;
    let (data, daemon) = daemon("agent-memory", &llm)?;
    let mut client = daemon.connect()?;
    let run = fire(&mut client, "agent-0")?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while llm.take().is_empty() {
        if Instant::now() > deadline {
            bail!("the model was never called");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    let processes = below(daemon.pid())?;
    let total: u64 = processes.iter().map(|pid| pss_kib(*pid)).sum::<Result<_>>()?;
    let what = format!("memory of a run of the built-in agent, {} processes", processes.len());
    finished(&mut client, &run)?;
    drop((daemon, data));
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let megabytes = total as f64 * 1024.0 / 1e6;
    Ok(Row::new(what, format!("{megabytes:.1} MB"), "40 MB"))
}

/// A daemon with ten jobs of the built-in agent.
fn daemon(name: &str, llm: &Llm) -> Result<(Scratch, Daemon)> {
    let data = Scratch::new(name)?;
    data.max_concurrent(u32::try_from(AT_ONCE)?)?;
    for n in 0..AT_ONCE {
        let hook = if n == 0 { hooks::trigger(HOOK) } else { String::new() };
        let text = format!("name: agent-{n}\nprompt: Look around\nmodel: openai:gpt-4o\n{hook}");
        fs::write(data.path().join(format!("jobs/agent-{n}.yaml")), text)?;
    }
    let url = format!("{}/v1", llm.url);
    let daemon = Daemon::start_with(
        &data,
        &[("OPENAI_BASE_URL", &url), ("OPENAI_API_KEY", "sk-of-the-benchmark"), hooks::SECRET],
    )?;
    Ok((data, daemon))
}

/// Fires a job by hand, and says which run that is.
fn fire(client: &mut Client, job: &str) -> Result<String> {
    Ok(run_of(&client.post(&format!("/jobs/{job}/run"))?.json(202)?)?.to_owned())
}

fn run_of(fired: &Value) -> Result<&str> {
    fired["run_id"].as_str().context("the answer has no `run_id`")
}

/// Waits for a run's end.
fn finished(client: &mut Client, run: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let run = client.get(&format!("/runs/{run}"))?.json(200)?;
        if run["state"] == "finished" {
            if run["outcome"] != "succeeded" {
                bail!("the run did not succeed: {run}");
            }
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the run had not finished after 30 s: {run}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// From the end of one answer to the next request.
fn gap(calls: &[Call]) -> Duration {
    calls[1].came.duration_since(calls[0].gone).unwrap_or_default()
}

/// Every process below another, by what `/proc` says of parents.
fn below(ancestor: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("`/proc` cannot be read")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent: u32| (pid, parent)));
    }
    let mut found = vec![ancestor];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(found.split_off(1))
}
