//! A clock that is set forward and back, a daemon that was down, and zones: what becomes of slots, on the real binary.

use super::support::{Daemon, Home, eventually, violations};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A home whose daemon has a clock that the test sets. It goes on from there at the usual speed.
struct Clocked {
    home: Home,
}

impl Clocked {
    fn at(time: &str) -> Self {
        let clocked = Self { home: Home::new() };
        clocked.set(time);
        clocked
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("clock")
    }

    /// Sets the clock, by one rename: the daemon sees the old time or the new one.
    fn set(&self, time: &str) {
        let shift = time.parse::<Timestamp>().unwrap().duration_since(Timestamp::now());
        let aside = self.file().with_extension("aside");
        std::fs::write(&aside, shift.as_millis().to_string()).unwrap();
        std::fs::rename(&aside, self.file()).unwrap();
    }

    fn start(&self) -> Daemon {
        self.home.start_with(&[("BOG_TEST_CLOCK", self.file().to_str().unwrap())]).unwrap()
    }

    fn cron(&self, id: &str, cron: &str, more: &str) {
        let yaml = format!(
            "agent: {{command: [echo, '{id}']}}\noverlap: queue\ntriggers:\n  - {{type: cron, cron: '{cron}'{more}}}\n"
        );
        self.home.job(id, &yaml);
    }

    fn hourly(&self, policy: &str) {
        self.cron(policy, "0 * * * *", &format!(", catch_up: {{policy: {policy}}}"));
    }
}

/// What became of a job's slots: each row of the ledger, oldest slot first, its times without the date.
fn slots(daemon: &Daemon, job: &str) -> Vec<String> {
    let mut fires = daemon.list(&format!("/fires?job={job}"));
    fires.sort_by_key(|fire| fire["due_at"].as_str().unwrap().to_owned());
    fires.iter().map(row).collect()
}

fn row(fire: &Value) -> String {
    let text = |name: &str| {
        fire[name].as_str().unwrap_or_default().trim_end_matches('Z').trim_start_matches("2031-").to_owned()
    };
    let until = if fire["until_at"].is_null() { String::new() } else { format!(" to {}", text("until_at")) };
    let reason = if fire["reason"].is_null() { String::new() } else { format!(": {}", text("reason")) };
    format!("{}{until} x{} {}{reason}", text("due_at"), fire["count"], text("disposition"))
}

fn slots_when(daemon: &Daemon, job: &str, expected: &[&str]) {
    let mut found = Vec::new();
    let matches = || {
        found = slots(daemon, job);
        found == expected
    };
    // The last ones say more than "in vain" would.
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually("the slots are recorded", matches)));
    assert!(outcome.is_ok(), "{job}: expected {expected:#?}, found {found:#?}");
}

/// The scheduler has looked at everything that was due: a job made now has had its first slot.
fn looked(daemon: &Daemon, witness: &str) {
    let every_second =
        json!({"id": witness, "agent": {"command": ["true"]}, "triggers": [{"type": "cron", "cron": "* * * * * *"}]});
    assert_eq!(daemon.post("/jobs", Some(&every_second)).status, 201);
    eventually("the witness fires", || !daemon.list(&format!("/fires?job={witness}")).is_empty());
    assert_eq!(daemon.request("DELETE", &format!("/jobs/{witness}"), &[], None).unwrap().status, 204);
}

fn sound(clocked: &Clocked, daemon: &Daemon) {
    // Those of a witness that was deleted are cancelled.
    let over = |run: &Value| run["state"] == "finished";
    eventually("all runs are finished", || daemon.list("/runs").iter().all(over));
    assert_eq!(violations(&clocked.home.data()), Vec::<String>::new());
}

/// What the policies make of 11:00, 12:00 and 13:00, found at half past one.
fn three_hours_later(daemon: &Daemon) {
    slots_when(daemon, "none", &["03-05T11:00:00 to 03-05T13:00:00 x3 missed: catch_up"]);
    slots_when(daemon, "once", &["03-05T11:00:00 to 03-05T12:00:00 x2 missed: catch_up", "03-05T13:00:00 x1 run"]);
    slots_when(daemon, "all", &["03-05T11:00:00 x1 run", "03-05T12:00:00 x1 run", "03-05T13:00:00 x1 run"]);
}

#[test]
fn set_forward_by_three_hours() {
    let clocked = Clocked::at("2031-03-05T10:30:00Z");
    for policy in ["none", "once", "all"] {
        clocked.hourly(policy);
    }
    let daemon = clocked.start();
    looked(&daemon, "before");
    clocked.set("2031-03-05T13:30:00Z");
    three_hours_later(&daemon);
    // Further missed ones join the row that is there.
    clocked.set("2031-03-05T15:30:00Z");
    slots_when(&daemon, "none", &["03-05T11:00:00 to 03-05T15:00:00 x5 missed: catch_up"]);
    sound(&clocked, &daemon);
}

#[test]
fn down_while_slots_were_due() {
    let clocked = Clocked::at("2031-03-05T10:30:00Z");
    for policy in ["none", "once", "all"] {
        clocked.hourly(policy);
    }
    clocked.cron("window", "0 * * * *", ", catch_up: {policy: all, window: 2h}");
    clocked.cron("too-late", "0 11 * * *", ", catch_up: {policy: once, window: 1h}");
    let daemon = clocked.start();
    looked(&daemon, "before");
    daemon.kill();
    clocked.set("2031-03-05T13:30:00Z");
    let daemon = clocked.start();
    three_hours_later(&daemon);
    let outside = "03-05T11:00:00 x1 missed: outside catch-up window";
    slots_when(&daemon, "window", &[outside, "03-05T12:00:00 x1 run", "03-05T13:00:00 x1 run"]);
    slots_when(&daemon, "too-late", &[outside]);
    sound(&clocked, &daemon);
}

#[test]
fn set_back_by_an_hour() {
    let clocked = Clocked::at("2031-03-05T11:59:58Z");
    clocked.cron("j", "0 * * * *", "");
    let daemon = clocked.start();
    slots_when(&daemon, "j", &["03-05T12:00:00 x1 run"]);
    clocked.set("2031-03-05T10:59:59Z");
    looked(&daemon, "back");
    slots_when(&daemon, "j", &["03-05T12:00:00 x1 run"]);
    clocked.set("2031-03-05T11:59:59Z");
    looked(&daemon, "again");
    slots_when(&daemon, "j", &["03-05T12:00:00 x1 run"]);
    clocked.set("2031-03-05T12:59:59Z");
    slots_when(&daemon, "j", &["03-05T12:00:00 x1 run", "03-05T13:00:00 x1 run"]);
    assert_eq!(daemon.list("/runs?job=j").len(), 2);
    sound(&clocked, &daemon);
}

#[test]
fn set_back_by_two_days() {
    let clocked = Clocked::at("2031-03-05T11:59:58Z");
    clocked.cron("j", "0 12 * * *", ", catch_up: {policy: none}");
    let daemon = clocked.start();
    slots_when(&daemon, "j", &["03-05T12:00:00 x1 run"]);
    // The clock was wrong before: it goes on from the new time.
    clocked.set("2031-03-03T11:59:58Z");
    slots_when(&daemon, "j", &["03-03T12:00:00 x1 run", "03-05T12:00:00 x1 run"]);
    clocked.set("2031-03-04T11:59:58Z");
    slots_when(&daemon, "j", &["03-03T12:00:00 x1 run", "03-04T12:00:00 x1 run", "03-05T12:00:00 x1 run"]);
    // The slot that has fired comes once more, and does not fire.
    clocked.set("2031-03-05T11:59:58Z");
    let next = || daemon.get("/jobs/j")["state"]["next_fire_at"].as_str().unwrap().to_owned();
    eventually("it is past the slot", || next() == "2031-03-06T12:00:00Z");
    slots_when(&daemon, "j", &["03-03T12:00:00 x1 run", "03-04T12:00:00 x1 run", "03-05T12:00:00 x1 run"]);
    assert_eq!(daemon.list("/runs?job=j").len(), 3);
    sound(&clocked, &daemon);
}

#[test]
fn set_back_by_two_days_while_the_daemon_was_down() {
    let clocked = Clocked::at("2031-03-05T11:59:58Z");
    clocked.cron("j", "0 12 * * *", ", catch_up: {policy: none}");
    let daemon = clocked.start();
    slots_when(&daemon, "j", &["03-05T12:00:00 x1 run"]);
    daemon.kill();
    clocked.set("2031-03-03T11:59:55Z");
    let daemon = clocked.start();
    slots_when(&daemon, "j", &["03-03T12:00:00 x1 run", "03-05T12:00:00 x1 run"]);
    sound(&clocked, &daemon);
}

#[test]
fn a_slot_in_the_hour_that_is_skipped_fires_once_after_it() {
    // At 01:00 UTC on 30 March 2031 it becomes 03:00 in Berlin.
    let clocked = Clocked::at("2031-03-30T00:59:58Z");
    clocked.cron("j", "30 2 * * *", ", timezone: Europe/Berlin");
    let daemon = clocked.start();
    slots_when(&daemon, "j", &["03-30T01:00:00 x1 run"]);
    clocked.set("2031-03-30T01:30:01Z");
    looked(&daemon, "later");
    slots_when(&daemon, "j", &["03-30T01:00:00 x1 run"]);
    assert_eq!(daemon.get("/jobs/j")["state"]["next_fire_at"], "2031-03-31T00:30:00Z");
    sound(&clocked, &daemon);
}

#[test]
fn a_slot_in_the_hour_that_is_repeated_fires_once() {
    // At 01:00 UTC on 26 October 2031 it becomes 02:00 in Berlin for the second time.
    let clocked = Clocked::at("2031-10-26T00:29:58Z");
    clocked.cron("j", "30 2 * * *", ", timezone: Europe/Berlin");
    let daemon = clocked.start();
    slots_when(&daemon, "j", &["10-26T00:30:00 x1 run"]);
    clocked.set("2031-10-26T01:29:59Z");
    looked(&daemon, "later");
    clocked.set("2031-10-26T01:30:01Z");
    looked(&daemon, "later-still");
    slots_when(&daemon, "j", &["10-26T00:30:00 x1 run"]);
    sound(&clocked, &daemon);
}

#[test]
fn slots_of_a_disabled_job_are_one_row() {
    let clocked = Clocked::at("2031-03-05T10:59:58Z");
    clocked.cron("j", "0 * * * *", "");
    let daemon = clocked.start();
    assert_eq!(daemon.request("POST", "/jobs/j/disable", &[], None).unwrap().status, 200);
    slots_when(&daemon, "j", &["03-05T11:00:00 x1 skipped: disabled"]);
    clocked.set("2031-03-05T11:59:59Z");
    slots_when(&daemon, "j", &["03-05T11:00:00 to 03-05T12:00:00 x2 skipped: disabled"]);
    clocked.set("2031-03-05T12:59:59Z");
    slots_when(&daemon, "j", &["03-05T11:00:00 to 03-05T13:00:00 x3 skipped: disabled"]);
    assert_eq!(daemon.request("POST", "/jobs/j/enable", &[], None).unwrap().status, 200);
    clocked.set("2031-03-05T13:59:59Z");
    slots_when(&daemon, "j", &["03-05T11:00:00 to 03-05T13:00:00 x3 skipped: disabled", "03-05T14:00:00 x1 run"]);
    sound(&clocked, &daemon);
}

#[test]
fn jitter_is_the_same_after_a_restart() {
    let clocked = Clocked::at("2031-03-05T10:30:00Z");
    clocked.cron("j", "0 * * * *", ", jitter: 30m");
    let daemon = clocked.start();
    let next = |daemon: &Daemon| {
        daemon.get("/jobs/j")["state"]["next_fire_at"].as_str().unwrap().parse::<Timestamp>().unwrap()
    };
    let due: Timestamp = "2031-03-05T11:00:00Z".parse().unwrap();
    // Right after a start every trigger is looked at once more, and says so.
    let mut taken = due;
    eventually("the slot has its time", || {
        taken = next(&daemon);
        taken > due
    });
    assert!(taken < due + jiff::SignedDuration::from_mins(30), "{taken}");
    assert!(daemon.stop().success());
    let daemon = clocked.start();
    eventually("it has the same again", || next(&daemon) == taken);
    clocked.set(&(taken - jiff::SignedDuration::from_secs(1)).to_string());
    slots_when(&daemon, "j", &["03-05T11:00:00 x1 run"]);
    sound(&clocked, &daemon);
}
