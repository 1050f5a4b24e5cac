//! From the instant a slot is due to its fire being committed: 10,000 jobs, 1,000 of them due in one second.
//!
//! All 1,000 share one instant. The daemon notes for each, once its commit is on disk, how long after the instant that
//! is, in the histogram `bog_scheduler_late_seconds`; a figure is the upper bound of the bucket it falls in. Asking from
//! outside while it happens would take a core away from what is measured. The ledger is checked for exactly 1,000 fires.

use super::daemon::{Daemon, Scratch};
use super::http::Client;
use super::limits::Limits;
use super::stats::{Samples, ms};
use super::{Effort, Row, jobs};
use anyhow::{Context as _, Result, bail};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DUE: u32 = 1000;
const OTHERS: usize = 9000;
const LATE: &str = "bog_scheduler_late_seconds";

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
    // Nobody asks the daemon anything meanwhile: the answer would compete for the two cores that are measured.
    let over = due_at + Duration::from_secs(3);
    std::thread::sleep(over.duration_since(SystemTime::now()).unwrap_or_default());
    let mut client = daemon.connect()?;
    let committed = committed(&mut client)?;
    let seen = seen_after(&mut client, due)?;
    let worst = ms(committed.percentile(100));
    let measured = format!("at most: {}, worst {worst}", committed.p50_p99());
    let noticed = format!("{}, worst {}", seen.p50_p99(), ms(seen.percentile(100)));
    Ok(vec![
        Row::new("cron: due instant to fire committed, 10000 jobs, 1000 due at once", measured, "p99 50 ms"),
        Row::new("  of which: due instant to fire noticed (`seen_at`)", noticed, "-"),
    ])
}

/// The daemon's own histogram, as upper bounds of each fire's time from its instant to its commit.
fn committed(client: &mut Client) -> Result<Samples> {
    let text = String::from_utf8(client.get("/metrics")?.body)?;
    let mut samples = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(LATE)) {
        let bucket = line.strip_prefix("_bucket{le=\"").and_then(|rest| rest.split_once("\"} "));
        let Some((bound, count)) = bucket else { continue };
        let count: usize = count.trim().parse().with_context(|| format!("`{count}` is no count"))?;
        let bound = bound.parse::<f64>().ok().filter(|bound| bound.is_finite()).unwrap_or(f64::from(u32::MAX));
        samples.resize(count.max(samples.len()), Duration::from_secs_f64(bound));
    }
    if samples.len() != usize::try_from(DUE)? {
        bail!("`{LATE}` tells of {} slots instead of {DUE}", samples.len());
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
