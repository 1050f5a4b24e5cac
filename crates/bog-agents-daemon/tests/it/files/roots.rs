//! Folders that come, go, and are replaced; and those that can only be looked at again and again.

use super::{Place, changes_are, fires, fires_are};
use crate::support::eventually;
use std::fs;

#[test]
fn a_folder_that_does_not_exist_yet_is_watched_when_it_appears() {
    let place = Place::new();
    place.job("j", "patterns: ['deep/er/**/*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("deep/other.txt", "1");
    place.write("deep/er/a.txt", "1");
    fires_are(&daemon, "j", &["+deep/er/a.txt"]);
    place.write("deep/er/b/c.txt", "1");
    fires_are(&daemon, "j", &["+deep/er/a.txt", "+deep/er/b/c.txt"]);
    place.sound(&daemon);
}

#[test]
fn a_replaced_folder_is_watched_again() {
    let place = Place::new();
    place.write("src/a.txt", "1");
    place.write("src/b.txt", "1");
    place.job("j", "patterns: ['src/*.txt'], debounce_seconds: 0.5");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    fs::remove_dir_all(place.path("src")).unwrap();
    place.write("src/a.txt", "22");
    fires_are(&daemon, "j", &["~src/a.txt -src/b.txt"]);
    place.write("src/a.txt", "333");
    fires_are(&daemon, "j", &["~src/a.txt -src/b.txt", "~src/a.txt"]);
    // Another folder in its place, and all that lies above it too.
    place.write("new/src/a.txt", "4444");
    fs::rename(place.path("src"), place.path("old")).unwrap();
    fs::rename(place.path("new/src"), place.path("src")).unwrap();
    let mut told = vec!["~src/a.txt -src/b.txt", "~src/a.txt", "~src/a.txt"];
    fires_are(&daemon, "j", &told);
    fs::create_dir_all(place.home.path().join("w2/src")).unwrap();
    fs::rename(place.path(""), place.home.path().join("w1")).unwrap();
    fs::rename(place.home.path().join("w2"), place.path("")).unwrap();
    told.push("-src/a.txt");
    fires_are(&daemon, "j", &told);
    place.write("src/c.txt", "1");
    told.push("+src/c.txt");
    fires_are(&daemon, "j", &told);
    place.sound(&daemon);
}

#[test]
fn what_a_folder_held_that_is_not_there_at_start_is_not_gone() {
    let place = Place::new();
    place.write("disk/a.txt", "1");
    place.job("j", "patterns: ['disk/**'], debounce_seconds: 0.3");
    place.job("witness", "patterns: ['*'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    assert!(daemon.stop().success());
    fs::rename(place.path("disk"), place.path("away")).unwrap();
    let daemon = place.home.start();
    place.write("x", "1");
    fires_are(&daemon, "witness", &["+x"]);
    place.write("away/b.txt", "1");
    fs::rename(place.path("away"), place.path("disk")).unwrap();
    fires_are(&daemon, "j", &["+disk/b.txt"]);
    place.sound(&daemon);
}

#[test]
fn a_folder_can_be_looked_at_again_and_again() {
    let place = Place::new();
    place.write("a/x.txt", "1");
    place.job("j", "patterns: ['**/*.txt'], watch: poll, poll_seconds: 0.1, debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    assert_eq!(super::metric(&daemon, "bog_watched_folders"), 0.0);
    place.write("a/x.txt", "22");
    changes_are(&daemon, "j", &["~a/x.txt"]);
    place.write("b/c/y.txt", "1");
    changes_are(&daemon, "j", &["~a/x.txt", "+b/c/y.txt"]);
    fs::remove_dir_all(place.path("b")).unwrap();
    changes_are(&daemon, "j", &["~a/x.txt", "+b/c/y.txt", "-b/c/y.txt"]);
    place.sound(&daemon);
}

#[test]
fn what_is_written_all_the_time_fires_at_the_limit() {
    let place = Place::new();
    place.job("j", "patterns: ['*.log'], debounce_seconds: 30, max_wait_seconds: 30");
    place.job("k", "patterns: ['*.log'], debounce_seconds: 3600, max_wait_seconds: 3600");
    place.job("quick", "patterns: ['*.log'], debounce_seconds: 0.2, max_wait_seconds: 0.4");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let mut length = 0;
    eventually("it fires though it is never quiet", || {
        length += 1;
        place.write("a.log", &"x".repeat(length));
        !fires(&daemon, "quick").is_empty()
    });
    assert_eq!(fires(&daemon, "k"), Vec::<String>::new());
}
