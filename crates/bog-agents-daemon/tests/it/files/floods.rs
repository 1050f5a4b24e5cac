//! More than the system can tell of, more folders than it watches, many files, and many changes at once.

use super::{Place, changes_are, fires, fires_are, metric};
use crate::support::{Daemon, eventually};
use std::fs;

/// Files of the big tree.
const FILES: usize = 50_000;

/// Makes files in folders of 250.
fn plant(place: &Place, count: usize, text: &str) {
    for folder in 0..count.div_ceil(250) {
        let path = place.path(&format!("tree/{folder}"));
        fs::create_dir_all(&path).unwrap();
        for file in 0..250.min(count - folder * 250) {
            fs::write(path.join(format!("{file}.txt")), text).unwrap();
        }
    }
}

fn told(daemon: &Daemon, field: &str) -> u64 {
    daemon.list("/fires?job=j").iter().map(|fire| fire["context"][field].as_u64().unwrap()).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_system_could_not_tell_of_is_found() {
    let place = Place::new();
    fs::create_dir_all(place.path("d")).unwrap();
    place.job("j", "patterns: ['**/*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    // Nobody listens while more happens than the system keeps for it.
    daemon.signal("STOP");
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    for number in 0..most {
        fs::write(place.path("noise"), number.to_string()).unwrap();
        fs::remove_file(place.path("noise")).unwrap();
        if number * 2 > most {
            break;
        }
    }
    place.write("d/new/deep/a.txt", "1");
    place.write("d/b.txt", "1");
    daemon.signal("CONT");
    changes_are(&daemon, "j", &["+d/b.txt", "+d/new/deep/a.txt"]);
    assert!(metric(&daemon, "bog_file_news_lost_total") >= 1.0);
    assert!(daemon.log().contains("more files changed at once than the system could tell of"), "{}", daemon.log());
    daemon.well();
    // All of it is watched from then on.
    place.write("d/new/deep/a.txt", "22");
    changes_are(&daemon, "j", &["+d/b.txt", "+d/new/deep/a.txt", "~d/new/deep/a.txt"]);
    place.sound(&daemon);
}

#[test]
fn fifty_thousand_files_are_watched_and_a_burst_of_a_hundred_thousand_changes_is_told() {
    let place = Place::new();
    plant(&place, FILES, "1");
    place.job("j", "patterns: ['tree/**/*.txt'], debounce_seconds: 1");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    assert_eq!(metric(&daemon, "bog_watched_folders"), 201.0 + place.path("tree").ancestors().skip(1).count() as f64);
    place.write("tree/7/7.txt", "22");
    fires_are(&daemon, "j", &["~tree/7/7.txt"]);
    // Each file twice: written, and written again.
    plant(&place, FILES, "333");
    plant(&place, FILES, "4444");
    eventually("all of it is told", || told(&daemon, "modified_count") > FILES as u64);
    assert_eq!((told(&daemon, "created_count"), told(&daemon, "removed_count")), (0, 0));
    eventually("and nothing is left", || {
        let before = fires(&daemon, "j").len();
        place.write("tree/witness.txt", "1");
        let seen = eventually_told(&daemon, "+tree/witness.txt");
        fs::remove_file(place.path("tree/witness.txt")).unwrap();
        seen && before > 0
    });
    place.sound(&daemon);
}

fn eventually_told(daemon: &Daemon, change: &str) -> bool {
    eventually("the witness is told", || fires(daemon, "j").iter().any(|fire| fire.contains(change)));
    true
}
