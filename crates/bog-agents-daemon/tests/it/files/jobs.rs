//! Jobs that are made, changed, disabled and deleted while their files are watched.

use super::{Place, fires, fires_are};
use crate::support::eventually;
use std::fs;

#[test]
fn jobs_that_share_a_folder_are_told_of_what_is_theirs() {
    let place = Place::new();
    place.job("py", "patterns: ['**/*.py'], debounce_seconds: 0.3");
    place.job("all", "patterns: ['**'], debounce_seconds: 0.3");
    let two = "agent: {command: ['true']}\nworking_dir: WORK\ntriggers:\n\
               - {type: file_change, id: a, patterns: ['a/*'], debounce_seconds: 0.3}\n\
               - {type: file_change, id: b, patterns: ['b/*'], debounce_seconds: 0.3}\n";
    place.home.job("two", &two.replace("WORK", place.path("").to_str().unwrap()));
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("a/x.py", "1");
    place.write("b/y.rs", "1");
    fires_are(&daemon, "py", &["+a/x.py"]);
    fires_are(&daemon, "all", &["+a/x.py +b/y.rs"]);
    eventually("both of its triggers fire", || fires(&daemon, "two").len() == 2);
    let mut told: Vec<_> = daemon.list("/fires?job=two").iter().map(|fire| fire["trigger"].clone()).collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["a", "b"]);
    place.sound(&daemon);
}

#[test]
fn a_changed_job_watches_what_it_says_now() {
    let place = Place::new();
    place.write("a.txt", "1");
    place.write("b.md", "1");
    place.job("j", "id: t, patterns: ['*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let same = place
        .text("id: t, patterns: ['*.txt'], debounce_seconds: 0.2, own_writes: fire", "agent: {command: [echo, x]}\n");
    place.home.job("j", &same);
    eventually("the edit is taken up", || daemon.get("/jobs/j")["revision"] == 2);
    // Its memory is what it was.
    place.write("a.txt", "22");
    fires_are(&daemon, "j", &["~a.txt"]);
    place.job("j", "id: t, patterns: ['*.md'], debounce_seconds: 0.3");
    eventually("the edit is taken up", || daemon.get("/jobs/j")["revision"] == 3);
    place.write("a.txt", "333");
    place.write("b.md", "22");
    fires_are(&daemon, "j", &["~a.txt", "~b.md"]);
    assert_eq!(daemon.request("POST", "/jobs/j/disable", &[], None).unwrap().status, 200);
    place.write("b.md", "333");
    fires_are(&daemon, "j", &["~a.txt", "~b.md", "skipped disabled: ~b.md"]);
    assert_eq!(daemon.request("DELETE", "/jobs/j", &[], None).unwrap().status, 204);
    eventually("nothing is watched any more", || super::metric(&daemon, "bog_watched_folders") == 0.0);
    place.sound(&daemon);
}

#[test]
fn what_is_written_after_a_job_was_made_fires_it() {
    let place = Place::new();
    place.write("old.txt", "1");
    let daemon = place.home.start();
    let folder = place.path("");
    for number in 0..5 {
        let job = format!("j{number}");
        let body = serde_json::json!({"id": job, "agent": {"command": ["true"]}, "working_dir": folder,
            "triggers": [{"type": "file_change", "patterns": [format!("*.{job}")], "debounce_seconds": 0.1}]});
        assert_eq!(daemon.post("/jobs", Some(&body)).status, 201);
        place.write(&format!("x.{job}"), "1");
        fires_are(&daemon, &job, &[&format!("+x.{job}")]);
    }
    let warnings = daemon.get("/jobs/j0");
    assert!(!warnings.to_string().contains("does not arm"), "{warnings}");
    place.sound(&daemon);
}

#[test]
fn a_job_that_is_deleted_and_made_again_begins_anew() {
    let place = Place::new();
    place.job("j", "patterns: ['*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    fs::remove_file(place.home.data().join("jobs/j.yaml")).unwrap();
    eventually("it is deleted", || daemon.request("GET", "/jobs/j", &[], None).unwrap().status == 404);
    place.write("meanwhile.txt", "1");
    place.job("j", "patterns: ['*.txt'], debounce_seconds: 0.3");
    eventually("it is there again", || daemon.request("GET", "/jobs/j", &[], None).unwrap().status == 200);
    super::armed(&place, &daemon);
    place.write("later.txt", "1");
    fires_are(&daemon, "j", &["+later.txt"]);
    place.sound(&daemon);
}
