//! What changes while no daemon runs, and daemons that die at any instant: every change is told once.

use super::{Place, changes_are, fires_are};
use crate::support::eventually;
use std::fs;

#[test]
fn what_changed_while_no_daemon_ran_fires_at_start_and_what_was_there_first_does_not() {
    let place = Place::new();
    for file in ["a.txt", "d/b.txt", "d/c.txt"] {
        place.write(file, "1");
    }
    place.job("j", "patterns: ['**/*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    daemon.kill();
    place.write("d/b.txt", "22");
    place.write("e/new.txt", "1");
    fs::remove_file(place.path("d/c.txt")).unwrap();
    let daemon = place.home.start();
    fires_are(&daemon, "j", &["~d/b.txt -d/c.txt +e/new.txt"]);
    // They were told, and are not told again.
    daemon.kill();
    let daemon = place.home.start();
    place.write("e/new.txt", "22");
    fires_are(&daemon, "j", &["~d/b.txt -d/c.txt +e/new.txt", "~e/new.txt"]);
    place.sound(&daemon);
}

#[test]
fn a_change_and_its_memory_are_one_commit() {
    for failpoints in ["files.before_observe=kill", "store.observe=kill", "files.after_observe=kill"] {
        let place = Place::new();
        place.write("a.txt", "1");
        place.job("j", "patterns: ['*.txt'], debounce_seconds: 0.1");
        let mut daemon = place.home.start_with(&[("BOG_FAILPOINTS", failpoints)]).unwrap();
        super::armed(&place, &daemon);
        place.write("a.txt", "22");
        place.write("b.txt", "1");
        eventually("the daemon dies at its failpoint", || daemon.has_ended());
        let daemon = place.home.start();
        place.write("c.txt", "1");
        changes_are(&daemon, "j", &["~a.txt", "+b.txt", "+c.txt"]);
        place.sound(&daemon);
    }
}

#[test]
fn a_first_look_that_is_cut_off_begins_anew_and_fires_nothing() {
    let place = Place::new();
    for number in 0..100 {
        place.write(&format!("{number}.txt"), "1");
    }
    place.job("j", "patterns: ['*.txt'], debounce_seconds: 0.1");
    // Its first commit of what it saw, whichever that is by then.
    for hits in 1..6 {
        let failpoints = format!("store.before_commit=kill@{hits}");
        if let Ok(mut daemon) = place.home.start_with(&[("BOG_FAILPOINTS", &failpoints)])
            && hits < 5
        {
            eventually("the daemon dies at its failpoint", || daemon.has_ended());
        }
    }
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("new.txt", "1");
    fires_are(&daemon, "j", &["+new.txt"]);
    place.sound(&daemon);
}

#[test]
fn a_draining_daemon_leaves_changes_to_the_next() {
    let place = Place::new();
    place.job("j", "patterns: ['*.txt'], debounce_seconds: 0.05");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    assert!(daemon.post("/drain", None).status < 300);
    place.write("a.txt", "1");
    let health = || daemon.get("/health")["status"] == "draining";
    eventually("it drains", health);
    assert!(daemon.stop().success());
    let daemon = place.home.start();
    fires_are(&daemon, "j", &["+a.txt"]);
    place.sound(&daemon);
}
