//! Metrics, in the text format of Prometheus (OpenMetrics 1.0) and the same samples as JSON. What is counted since the
//! start is kept here; what can be looked up (queue depth, jobs, ...) comes from the store with the call.

use crate::store::Counts;
use bog_domain::delivery::DeliveryState;
use bog_domain::fire::Disposition;
use bog_domain::run::Outcome;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use utoipa::ToSchema;

type Labelled<M> = Family<Vec<(&'static str, &'static str)>, M>;
type Seconds = Gauge<f64, AtomicU64>;

/// The daemon's metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    fires: Labelled<Counter>,
    runs: Labelled<Counter>,
    deliveries: Labelled<Counter>,
    commit: Histogram,
    operations: Counter,
    late: Histogram,
    start: Histogram,
    watched_folders: Gauge,
    file_news_lost: Counter,
    file_watch_refused: Counter,
    gauges: Gauges,
    /// Gauges are set and written out by one caller at a time, so that no answer mixes two looks at the store.
    encoding: Arc<Mutex<()>>,
}

/// What is set from the store's figures just before it is written out.
#[derive(Clone, Debug, Default)]
struct Gauges {
    jobs: Gauge,
    invalid_edits: Gauge,
    queued: Gauge,
    running: Gauge,
    open_deliveries: Labelled<Gauge>,
    lag: Seconds,
    /// Counted in the store, over every life of the daemon.
    orphans_ended: Counter,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// Its name, with the unit.
    pub name: String,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// The figure.
    pub value: f64,
}

/// Upper bounds in seconds, finest around what the scheduler promises: 50 ms.
const LATE_BUCKETS: [f64; 20] = [
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.075, 0.1, 0.25, 1.0, 5.0,
    60.0, 3600.0,
];

impl Metrics {
    /// Metrics that begin at zero.
    #[must_use]
    pub fn new() -> Self {
        let fast = || Histogram::new(exponential_buckets(0.000_5, 2.0, 16));
        let mut metrics = Self {
            registry: Arc::default(),
            fires: Labelled::default(),
            runs: Labelled::default(),
            deliveries: Labelled::default(),
            commit: fast(),
            operations: Counter::default(),
            late: Histogram::new(LATE_BUCKETS),
            start: fast(),
            watched_folders: Gauge::default(),
            file_news_lost: Counter::default(),
            file_watch_refused: Counter::default(),
            gauges: Gauges::default(),
            encoding: Arc::default(),
        };
        // A label that has not happened yet is 0, not absent: an alert on it works from the first scrape.
        for disposition in Disposition::ALL {
            metrics.fires(disposition, 0);
        }
        for outcome in Outcome::ALL {
            drop(metrics.runs.get_or_create(&vec![("outcome", outcome.as_str())]));
        }
        for state in DeliveryState::ALL {
            drop(metrics.deliveries.get_or_create(&vec![("state", state.as_str())]));
        }
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    fn register(&self) -> Registry {
        let mut all = Registry::with_prefix("bog");
        all.register("fires", "Fires recorded, by disposition", self.fires.clone());
        all.register("runs", "Runs finished, by outcome", self.runs.clone());
        all.register("deliveries", "Attempts to deliver, by what they came to", self.deliveries.clone());
        let (seconds, gauges) = (|| Unit::Seconds, &self.gauges);
        all.register_with_unit("commit_duration", "How long commits take", seconds(), self.commit.clone());
        all.register("store_operations", "Operations written durably", self.operations.clone());
        let help = "How long after its due instant a slot was recorded";
        all.register_with_unit("scheduler_late", help, seconds(), self.late.clone());
        let help = "From the claim of a run to its runner started";
        all.register_with_unit("start_latency", help, seconds(), self.start.clone());
        all.register("watched_folders", "Folders watched for changes in files", self.watched_folders.clone());
        let help = "Times more files changed at once than the system could tell of";
        all.register("file_news_lost", help, self.file_news_lost.clone());
        let help = "Times the system refused to watch folders";
        all.register("file_watch_refused", help, self.file_watch_refused.clone());
        all.register("jobs", "Active jobs", gauges.jobs.clone());
        all.register("invalid_edits", "Jobs whose file has an edit that is not valid", gauges.invalid_edits.clone());
        all.register("runs_queued", "Runs that wait", gauges.queued.clone());
        all.register("runs_running", "Runs that run", gauges.running.clone());
        let help = "Deliveries still to be made, by state";
        all.register("deliveries_open", help, gauges.open_deliveries.clone());
        let help = "Processes that outlived their run and were ended, ever";
        all.register("orphans_ended", help, gauges.orphans_ended.clone());
        let help = "How overdue the most overdue slot is that is not recorded yet";
        all.register_with_unit("scheduler_lag", help, seconds(), gauges.lag.clone());
        all
    }

    /// Counts fires, or slots that one fire stands for.
    pub fn fires(&self, disposition: Disposition, count: u64) {
        self.fires.get_or_create(&vec![("disposition", disposition.as_str())]).inc_by(count);
    }

    /// Counts a run that ended.
    pub fn run_finished(&self, outcome: Outcome) {
        self.runs.get_or_create(&vec![("outcome", outcome.as_str())]).inc();
    }

    /// Notes a commit and how many operations it held.
    pub fn commit(&self, took: Duration, operations: usize) {
        self.commit.observe(took.as_secs_f64());
        self.operations.inc_by(operations as u64);
    }

    /// Notes how late a slot was recorded.
    pub fn scheduler_late(&self, late: Duration) {
        self.late.observe(late.as_secs_f64());
    }

    /// Notes how many folders are watched for changes in files.
    pub fn watched_folders(&self, count: usize) {
        self.watched_folders.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts that the system could not tell of all changes in files.
    pub fn file_news_lost(&self) {
        self.file_news_lost.inc();
    }

    /// Counts that the system refused to watch folders.
    pub fn file_watch_refused(&self) {
        self.file_watch_refused.inc();
    }

    /// Counts an attempt to deliver by what it came to.
    pub fn delivered(&self, state: DeliveryState) {
        self.deliveries.get_or_create(&vec![("state", state.as_str())]).inc();
    }

    /// Notes how long it took from a claim to its runner started.
    pub fn start_latency(&self, took: Duration) {
        self.start.observe(took.as_secs_f64());
    }

    /// Everything in OpenMetrics text.
    #[must_use]
    pub fn encode(&self, counts: &Counts, now: Timestamp) -> String {
        let _one_at_a_time = self.encoding.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.set(counts, now);
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => unreachable!("writing to a string cannot fail: {error}"),
        }
    }

    /// The same samples, for programs that would rather read JSON.
    #[must_use]
    pub fn samples(&self, counts: &Counts, now: Timestamp) -> Vec<Sample> {
        self.encode(counts, now).lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Gauges {
    fn set(&self, counts: &Counts, now: Timestamp) {
        let signed = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
        self.jobs.set(signed(counts.jobs));
        self.invalid_edits.set(signed(counts.invalid_edits));
        self.queued.set(signed(counts.queued));
        self.running.set(signed(counts.running));
        for state in [DeliveryState::Pending, DeliveryState::Retrying, DeliveryState::Unknown] {
            let open = counts.deliveries.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
            self.open_deliveries.get_or_create(&vec![("state", state.as_str())]).set(signed(open));
        }
        self.lag.set(lag(counts, now).as_secs_f64());
        self.orphans_ended.inner().store(counts.orphans.ended, Ordering::Relaxed);
    }
}

/// How overdue the most overdue slot is that is not recorded yet; zero when none is.
#[must_use]
pub fn lag(counts: &Counts, now: Timestamp) -> Duration {
    counts.next_slot.map_or(Duration::ZERO, |slot| now.duration_since(slot).try_into().unwrap_or_default())
}

/// Reads one line of our own text: `name{key="value",...} figure`. No label of ours holds a quote or a comma.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
    let labels = labels.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect();
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Orphans;

    fn counts() -> Counts {
        Counts {
            jobs: 3,
            invalid_edits: 1,
            queued: 7,
            running: 2,
            deliveries: vec![(DeliveryState::Retrying, 4)],
            next_slot: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            orphans: Orphans { ended: 5, last_at: None },
        }
    }

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.fires(Disposition::Run, 2);
        metrics.fires(Disposition::Missed, 40);
        metrics.run_finished(Outcome::TimedOut);
        metrics.commit(Duration::from_millis(3), 5);
        metrics.scheduler_late(Duration::from_millis(12));
        metrics.delivered(DeliveryState::GaveUp);
        metrics.start_latency(Duration::from_millis(7));
        let text = metrics.encode(&counts(), "2026-01-01T00:00:02.5Z".parse().unwrap());
        assert!(text.ends_with("# EOF\n"));
        // Labels come in no particular order, and the buckets say nothing new.
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains("_bucket{")).collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn json_has_the_same_samples() {
        let (metrics, now) = (Metrics::new(), "2026-01-01T00:00:02.5Z".parse().unwrap());
        metrics.fires(Disposition::Run, 2);
        let samples = metrics.samples(&counts(), now);
        let text = metrics.encode(&counts(), now);
        assert_eq!(samples.len(), text.lines().filter(|line| !line.starts_with('#')).count());
        let value = |name: &str, label: Option<(&str, &str)>| {
            let matches = |sample: &&Sample| {
                sample.name == name
                    && label.is_none_or(|(key, value)| sample.labels.get(key).is_some_and(|is| is == value))
            };
            samples.iter().find(matches).map(|sample| sample.value)
        };
        assert_eq!(value("bog_fires_total", Some(("disposition", "run"))), Some(2.0));
        assert_eq!(value("bog_deliveries_open", Some(("state", "retrying"))), Some(4.0));
        assert_eq!(value("bog_scheduler_lag_seconds", None), Some(2.5));
    }

    #[test]
    fn a_slot_to_come_is_no_lag() {
        assert_eq!(lag(&counts(), "2025-12-31T23:59:59Z".parse().unwrap()), Duration::ZERO);
    }
}
