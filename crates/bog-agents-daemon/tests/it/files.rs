//! Changes in files, on the real daemon and real folders.

mod down;
mod floods;
mod jobs;
mod own_writes;
mod roots;
mod rules;
mod saves;

use super::support::{Daemon, Home, eventually, violations};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A home with a folder `w` that jobs watch.
struct Place {
    home: Home,
}

impl Place {
    fn new() -> Self {
        Self::in_home(Home::new())
    }

    fn in_home(home: Home) -> Self {
        let place = Self { home };
        fs::create_dir(place.path("")).unwrap();
        place
    }

    /// A path below the watched folder.
    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join("w").join(below)
    }

    fn write(&self, below: &str, text: &str) {
        fs::create_dir_all(self.path(below).parent().unwrap()).unwrap();
        fs::write(self.path(below), text).unwrap();
    }

    /// A job that works in the folder and does nothing when its one trigger fires it. It never takes what the test writes
    /// for its own.
    fn job(&self, id: &str, trigger: &str) {
        self.job_with(id, &format!("{trigger}, own_writes: fire"), "agent: {command: ['true']}\n");
    }

    fn job_with(&self, id: &str, trigger: &str, more: &str) {
        self.home.job(id, &self.text(trigger, more));
    }

    fn text(&self, trigger: &str, more: &str) -> String {
        let folder = self.path("");
        let folder = folder.to_str().unwrap().trim_end_matches('/');
        format!("working_dir: {folder}\n{more}triggers: [{{type: file_change, {trigger}}}]\n")
    }

    /// All is settled and the ledger is sound.
    fn sound(&self, daemon: &Daemon) {
        let over = |run: &Value| run["state"] == "finished";
        eventually("all runs are finished", || daemon.list("/runs").iter().all(over));
        assert_eq!(violations(&self.home.data()), Vec::<String>::new());
    }
}

/// What became of a job's changes, oldest first: each fire with its paths, `+` created, `~` modified, `-` removed.
fn fires(daemon: &Daemon, job: &str) -> Vec<String> {
    daemon.list(&format!("/fires?job={job}")).iter().map(told).collect()
}

fn told(fire: &Value) -> String {
    let disposition = match fire["disposition"].as_str().unwrap() {
        "run" | "coalesced" => String::new(),
        other => format!("{other} {}: ", fire["reason"].as_str().unwrap_or_default()),
    };
    let event = &fire["context"];
    let marked = |mark: &str, kind: &str| {
        let paths = event[kind].as_array().unwrap_or_else(|| panic!("{fire}")).iter();
        paths.map(|path| format!("{mark}{}", path.as_str().unwrap())).collect::<Vec<_>>()
    };
    let mut paths = [marked("+", "created"), marked("~", "modified"), marked("-", "removed")].concat();
    paths.sort_by(|a, b| a[1..].cmp(&b[1..]));
    disposition + &paths.join(" ")
}

/// Waits for exactly these fires.
fn fires_are(daemon: &Daemon, job: &str, expected: &[&str]) {
    let mut found = Vec::new();
    let matches = || {
        found = fires(daemon, job);
        found == expected
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually("the fires", matches)));
    assert!(outcome.is_ok(), "{job}: expected {expected:#?}, found {found:#?}\n{}", daemon.log());
}

/// Waits until all these changes were told, in whatever fires, and none other.
fn changes_are(daemon: &Daemon, job: &str, expected: &[&str]) {
    let mut found = Vec::new();
    let mut expected: Vec<_> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    let matches = || {
        found = fires(daemon, job).iter().flat_map(|fire| fire.split(' ')).map(str::to_owned).collect();
        found.sort();
        found == expected
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually("the changes", matches)));
    assert!(outcome.is_ok(), "{job}: expected {expected:#?}, found {found:#?}\n{}", daemon.log());
}

/// The figure of a metric.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    let text = daemon.request("GET", "/metrics", &[], None).unwrap().body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// Waits until the daemon has looked at what is there when a trigger begins.
fn armed(place: &Place, daemon: &Daemon) {
    eventually("the first look is over", || {
        let database = rusqlite::Connection::open(place.home.data().join("daemon.db")).unwrap();
        let open = "SELECT count(*) FROM triggers t LEFT JOIN file_memories m ON m.job_uid = t.job_uid AND m.trigger_id = t.id \
                    WHERE t.kind = 'file_change' AND coalesce(m.version, 0) = 0";
        let all = "SELECT count(*) FROM triggers WHERE kind = 'file_change'";
        let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        count(all) > 0 && count(open) == 0
    });
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}
