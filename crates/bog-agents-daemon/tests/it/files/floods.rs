//! More than the system can tell of, more folders than it watches, many files, and many changes at once.

use super::{Place, changes_are, metric};
use crate::support::{Daemon, Home, eventually};
use std::fs;
use std::path::Path;

/// Files of the big tree.
const FILES: usize = 50_000;

/// A folder of its own, in memory where there is one: what a disk can do is not what is tested.
fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Writes the big tree, 250 files a folder.
fn plant(tree: &Path, text: &str) {
    for folder in 0..FILES / 250 {
        let path = tree.join(folder.to_string());
        fs::create_dir_all(&path).unwrap();
        for file in 0..250 {
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
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    for number in 0..most.trim().parse::<usize>().unwrap() / 2 + 1 {
        fs::write(place.path("noise"), number.to_string()).unwrap();
        fs::remove_file(place.path("noise")).unwrap();
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

/// The limit is that of a user namespace of the daemon's own.
#[cfg(target_os = "linux")]
#[test]
fn folders_over_the_systems_limit_are_looked_at_again_and_again() {
    let few = "echo 20 > /proc/sys/user/max_inotify_watches; exec \"$0\" \"$@\"";
    let place = Place::in_home(Home::started_by(&["unshare", "-Ur", "sh", "-c", few]));
    for folder in 0..40 {
        place.write(&format!("{folder}/x.txt"), "1");
    }
    place.job("j", "patterns: ['**/*.txt'], debounce_seconds: 0.2");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let problem = daemon.problem("fs.inotify.max_user_watches");
    assert!(problem.contains("are looked at every 5 seconds instead"), "{problem}");
    assert!(daemon.log().contains("fs.inotify.max_user_watches"), "{}", daemon.log());
    assert!(metric(&daemon, "bog_file_watch_refused_total") >= 1.0);
    let mut expected = Vec::new();
    for folder in 0..40 {
        place.write(&format!("{folder}/x.txt"), "22");
        expected.push(format!("~{folder}/x.txt"));
    }
    changes_are(&daemon, "j", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    // With fewer folders it can watch again.
    for folder in 5..40 {
        fs::remove_dir_all(place.path(&folder.to_string())).unwrap();
    }
    daemon.well();
    eventually("what is gone is told", || told(&daemon, "removed_count") == 35);
    place.sound(&daemon);
}

#[test]
fn fifty_thousand_files_are_watched_and_a_burst_of_a_hundred_thousand_changes_is_told() {
    let (place, folder) = (Place::new(), fast_folder());
    let tree = folder.path().join("tree");
    plant(&tree, "1");
    place.job("j", &format!("patterns: ['{}/**/*.txt'], debounce_seconds: 1", tree.display()));
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let above = tree.ancestors().skip(1).count();
    assert_eq!(metric(&daemon, "bog_watched_folders"), (FILES / 250 + 1 + above) as f64);
    // Each file twice: written, and written again.
    plant(&tree, "22");
    plant(&tree, "333");
    eventually("all of it is told", || told(&daemon, "modified_count") >= FILES as u64);
    fs::write(tree.join("witness.txt"), "1").unwrap();
    eventually("and what comes then", || told(&daemon, "created_count") == 1);
    assert_eq!(told(&daemon, "removed_count"), 0);
    let modified = told(&daemon, "modified_count");
    assert!((FILES as u64..=2 * FILES as u64).contains(&modified), "{modified}");
    place.sound(&daemon);
}
