//! From the instant a slot is due to its fire being committed: 10,000 jobs, 1,000 of them due in one second.
//!
//! All 1,000 share one instant. The counter of fires goes up after their commit, so that the moment at which an
//! observer sees it pass `k` is an upper bound of the commit of fire number `k`. The observer asks `/metrics` every two
//! milliseconds, which costs the daemon a little and is part of the figure.

use super::daemon::{Daemon, Scratch};
use super::http::{Client, counter};
use super::limits::Limits;
use super::stats::{Samples, ms};
use super::{Effort, Row, jobs};
use anyhow::{Context as _, Result, bail};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DUE: u32 = 1000;
const OTHERS: usize = 9000;
const FIRES: &str = "bog_fires_total";

/// One second with 1,000 slots.
pub fn measure(_: Effort, _: &Limits) -> Result<Vec<Row>> {
    let data = Scratch::new("cron")?;
    data.max_concurrent(2)?;
    // Time enough for the daemon to take 10,000 new files in.
    let due = Timestamp::from_second(Timestamp::now().as_second() + 45)?;
    let slot = due.to_zoned(TimeZone::UTC).strftime("%-S %-M %-H %-d %-m *").to_string();
    jobs::cron(&data, "due", usize::try_from(DUE)?, &slot)?;
    jobs::cron(&data, "idle", OTHERS, jobs::NEVER_DUE)?;
    let daemon = Daemon::start(&data)?;
    if Timestamp::now() + 2.seconds() > due {
        bail!("the daemon was not ready in time for the slot");
    }
    let due_at = UNIX_EPOCH + Duration::from_nanos(u64::try_from(due.as_nanosecond())?);
    if let Ok(left) = due_at.duration_since(SystemTime::now()) {
        std::thread::sleep(left.saturating_sub(Duration::from_millis(100)));
    }
    // Only now: the daemon closes connections that stay silent.
    let mut client = daemon.connect()?;
    let before = fires(&mut client)?;
    let committed = watch(&mut client, before, due_at)?;
    let seen = seen_after(&mut client, due)?;
    let measured = format!("{}, worst {}", committed.p50_p99(), ms(committed.percentile(100)));
    let noticed = format!("{}, worst {}", seen.p50_p99(), ms(seen.percentile(100)));
    Ok(vec![
        Row::new("cron: due instant to fire committed, 10000 jobs, 1000 due at once", measured, "p99 50 ms"),
        Row::new("  of which: due instant to fire noticed (`seen_at`)", noticed, "-"),
    ])
}

fn fires(client: &mut Client) -> Result<f64> {
    let answer = client.get("/metrics")?;
    let text = String::from_utf8(answer.body)?;
    counter(&text, FIRES, "").with_context(|| format!("`/metrics` has no `{FIRES}`"))
}

/// When each of the fires was seen to be committed, relative to `due_at`.
fn watch(client: &mut Client, before: f64, due_at: SystemTime) -> Result<Samples> {
    let mut samples = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    while samples.len() < usize::try_from(DUE)? {
        if Instant::now() > deadline {
            bail!("only {} of {DUE} fires were committed within 30 s", samples.len());
        }
        let count = fires(client)? - before;
        let after = SystemTime::now().duration_since(due_at).unwrap_or_default();
        let new = (0..DUE).filter(|n| f64::from(*n) < count).count();
        samples.resize(new.max(samples.len()), after);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(Samples::new(samples))
}

/// `seen_at` of every fire of that instant, relative to it; fails where one is missing or double.
fn seen_after(client: &mut Client, due: Timestamp) -> Result<Samples> {
    let page = client.get("/fires?limit=1000")?.json(200)?;
    let items = page["items"].as_array().context("`/fires` has no `items`")?;
    let mut samples = Vec::new();
    for fire in items {
        let at = |name: &str| -> Result<Timestamp> {
            let text = fire[name].as_str().with_context(|| format!("a fire has no `{name}`: {fire}"))?;
            text.parse().with_context(|| format!("`{text}` is no time"))
        };
        if at("due_at")? == due {
            samples.push(Duration::try_from(at("seen_at")?.duration_since(due)).unwrap_or_default());
        }
    }
    if samples.len() != usize::try_from(DUE)? {
        bail!("the ledger has {} fires for the instant instead of {DUE}", samples.len());
    }
    Ok(Samples::new(samples))
}
