//! The outbox of the real daemon: what is promised is told, once it can be, and nobody waits for somebody else's target.

mod alerts;
mod kills;
mod many;
mod policy;
mod receiver;

use super::support::{Daemon, Home, eventually};
use serde_json::Value;

/// A job's deliveries, oldest first.
fn deliveries(daemon: &Daemon, query: &str) -> Vec<Value> {
    daemon.list(&format!("/deliveries?{query}"))
}

/// Waits until the one delivery that there is in a run is in a state, and returns it.
fn delivery_when(daemon: &Daemon, run: &str, state: &str) -> Value {
    let mut found = Value::Null;
    eventually(&format!("the delivery of run {run} is {state}"), || {
        found = deliveries(daemon, &format!("run={run}")).pop().unwrap_or_default();
        found["state"] == state
    });
    found
}

/// A home whose jobs may write beside the data folder, and whose settings are these.
fn home_with(settings: &str) -> Home {
    let home = Home::new();
    std::fs::write(home.data().join("config.toml"), settings).unwrap();
    home
}

/// A clock that the test sets: the variable that names it, and how far it is off in milliseconds.
struct Clock(std::path::PathBuf);

impl Clock {
    fn of(home: &Home) -> Self {
        let clock = Self(home.path().join("clock"));
        clock.set(0);
        clock
    }

    fn set(&self, seconds: i64) {
        let aside = self.0.with_extension("aside");
        std::fs::write(&aside, (seconds * 1000).to_string()).unwrap();
        std::fs::rename(aside, &self.0).unwrap();
    }

    fn variable(&self) -> (&str, &str) {
        ("BOG_TEST_CLOCK", self.0.to_str().unwrap())
    }
}
