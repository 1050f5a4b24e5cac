//! Changes in files: from the edit to the agent's first instruction, and what 50,000 watched files cost that nobody changes.

use super::daemon::{Daemon, Scratch};
use super::http::Client;
use super::limits::Limits;
use super::stats::Samples;
use super::{Effort, Row, jobs, proc};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Files of the big tree, and how many lie in one folder.
const FILES: usize = 50_000;
const IN_ONE: usize = 50;

/// The shortest quiet time there is. It is taken off.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An edit after the other, 200 of them (20 when quick), on an idle daemon; then half a minute (5 s when quick) of nothing.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let mut rows = vec![edits(effort.pick(200, 20))?];
    rows.extend(idle(effort)?);
    Ok(rows)
}

fn edits(count: usize) -> Result<Row> {
    let (data, tree) = (Scratch::new("files-edit")?, Scratch::new("files-edit-tree")?);
    let program = std::env::current_exe()?;
    watching(&data, tree.path(), &[&*program.to_string_lossy(), "stamp"])?;
    let file = tree.path().join("file.txt");
    let daemon = Daemon::start(&data)?;
    let mut client = daemon.connect()?;
    let mut samples = Vec::with_capacity(count);
    // The first ones warm caches.
    for number in 0..count + 3 {
        let edited = SystemTime::now().duration_since(UNIX_EPOCH)?;
        fs::write(&file, number.to_string())?;
        let begun = begun(&mut client, number + 1)?;
        samples.push(begun.saturating_sub(edited).saturating_sub(DEBOUNCE));
    }
    let samples = Samples::new(samples.split_off(3));
    daemon.stop()?;
    let what = format!("file edit to agent's first instruction, beyond the debounce, {} edits", samples.len());
    Ok(Row::new(what, samples.p50_p99(), "p50 30 ms"))
}

/// When the agent of the newest of so many runs began, since 1970.
fn begun(client: &mut Client, runs: usize) -> Result<Duration> {
    let deadline = Instant::now() + PATIENCE;
    // Asking would take time from what is measured: by then the agent has begun in all but the worst cases.
    std::thread::sleep(Duration::from_millis(150));
    while Instant::now() < deadline {
        let page = client.get("/runs?limit=1000")?.json(200)?;
        let items = page["items"].as_array().context("`/runs` has no `items`")?;
        if items.len() == runs && items[0]["state"] == "finished" {
            let output = items[0]["output"].as_str().unwrap_or_default().trim();
            return Ok(Duration::from_nanos(
                output.parse().with_context(|| format!("the run ended with {}", items[0]))?,
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("there were no {runs} runs within {PATIENCE:?}");
}

fn idle(effort: Effort) -> Result<[Row; 2]> {
    let (data, tree) = (Scratch::new("files-idle")?, Scratch::new("files-idle-tree")?);
    for folder in 0..FILES / IN_ONE {
        let folder = tree.path().join(folder.to_string());
        fs::create_dir(&folder)?;
        (0..IN_ONE).try_for_each(|file| fs::write(folder.join(format!("{file}.txt")), "1"))?;
    }
    watching(&data, tree.path(), &["true"])?;
    let daemon = Daemon::start(&data)?;
    let mut client = daemon.connect()?;
    until_watched(&mut client, FILES / IN_ONE)?;
    std::thread::sleep(Duration::from_secs(effort.pick(10, 3)));
    let (start, before) = (Instant::now(), proc::cpu_by_thread(daemon.pid())?);
    std::thread::sleep(Duration::from_secs(effort.pick(30, 5)));
    let spent = proc::cpu_between(&before, &proc::cpu_by_thread(daemon.pid())?);
    let percent = spent.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    let mb = Duration::from_micros(proc::pss_kib(daemon.pid())? * 1024).as_secs_f64();
    daemon.stop()?;
    let watched = format!("{FILES} files in {} folders watched", FILES / IN_ONE);
    Ok([
        Row::new(format!("idle memory, {watched}"), format!("{mb:.1} MB"), "-"),
        Row::new(format!("idle CPU, {watched}"), format!("{percent:.3} % of a core"), "-"),
    ])
}

fn until_watched(client: &mut Client, folders: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let text = String::from_utf8(client.get("/metrics")?.body)?;
        let watched = text.lines().find_map(|line| line.strip_prefix("bog_watched_folders ")?.parse::<usize>().ok());
        if watched.is_some_and(|watched| watched >= folders) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{folders} folders were not watched within {PATIENCE:?}");
}

/// A job that watches a tree.
fn watching(data: &Scratch, tree: &Path, command: &[&str]) -> Result<()> {
    let pattern = tree.join("**/*.txt");
    let more = format!(
        "triggers:\n  - {{type: file_change, patterns: [\"{}\"], debounce_seconds: {}, own_writes: fire}}\n",
        pattern.display(),
        DEBOUNCE.as_secs_f64()
    );
    jobs::command(data, "watch", command, &more)
}
