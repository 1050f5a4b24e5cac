//! What is not watched: ignored, hidden, excluded, git's own.

use super::{Place, fires_are};
use std::fs;

#[test]
fn ignored_hidden_and_excluded_files_do_not_fire() {
    let place = Place::new();
    fs::create_dir_all(place.path(".git/refs")).unwrap();
    place.write(".gitignore", "build/\n*.log\n!keep.log\n");
    place.write("sub/.ignore", "secret.txt\n");
    place.write("build/old.txt", "1");
    place.job("j", "patterns: ['**', '!**/*.tmp', '!gen/**'], debounce_seconds: 0.3");
    place.job("named", "patterns: ['build/*.txt', '.env', '.github/**'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    for file in
        ["build/a.txt", "build/b/c.txt", "x.log", "sub/secret.txt", ".env", ".github/w.yml", ".git/HEAD", "a.tmp"]
    {
        place.write(file, "1");
    }
    place.write("gen/deep/a.txt", "1");
    place.write("sub/keep.log", "1");
    place.write("sub/seen.txt", "1");
    fires_are(&daemon, "j", &["+sub/keep.log +sub/seen.txt"]);
    // What is spelled out is watched whatever it is.
    fires_are(&daemon, "named", &["+.env +.github/w.yml +build/a.txt"]);
    place.sound(&daemon);
}

#[test]
fn new_rules_are_no_changes() {
    let place = Place::new();
    place.write(".gitignore", "build/\n");
    for file in ["build/a.txt", "out/b.txt", "c.txt"] {
        place.write(file, "1");
    }
    place.job("j", "patterns: ['**/*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write(".gitignore", "out/\n");
    place.write("c.txt", "22");
    fires_are(&daemon, "j", &["~c.txt"]);
    place.write("out/b.txt", "22");
    place.write("build/a.txt", "22");
    fires_are(&daemon, "j", &["~c.txt", "~build/a.txt"]);
    fs::remove_file(place.path(".gitignore")).unwrap();
    place.write("c.txt", "333");
    fires_are(&daemon, "j", &["~c.txt", "~build/a.txt", "~c.txt"]);
    place.write("out/b.txt", "333");
    fires_are(&daemon, "j", &["~c.txt", "~build/a.txt", "~c.txt", "~out/b.txt"]);
    place.sound(&daemon);
}

#[test]
fn rules_above_the_watched_folder_hold_in_it() {
    let place = Place::new();
    fs::create_dir(place.path(".git")).unwrap();
    place.write(".gitignore", "gen/\n");
    place.write("src/gen/a.txt", "1");
    place.job("j", "patterns: ['src/**/*.txt'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("src/gen/a.txt", "22");
    place.write("src/b.txt", "1");
    fires_are(&daemon, "j", &["+src/b.txt"]);
    place.write(".gitignore", "");
    place.write("src/b.txt", "22");
    fires_are(&daemon, "j", &["+src/b.txt", "~src/b.txt"]);
    place.write("src/gen/a.txt", "333");
    fires_are(&daemon, "j", &["+src/b.txt", "~src/b.txt", "~src/gen/a.txt"]);
    place.sound(&daemon);
}

#[test]
fn the_data_folder_is_not_watched() {
    let place = Place::new();
    let link = place.home.path().join("w/link");
    std::os::unix::fs::symlink(place.home.path(), &link).unwrap();
    let text = "working_dir: HOME\nagent: {command: ['true']}\nsandbox: {write: [.]}\n\
                triggers: [{type: file_change, patterns: ['**', '!*.log'], debounce_seconds: 0.3, own_writes: fire}]\n";
    for (job, folder) in [("j", place.home.path()), ("linked", &link), ("inside", place.home.path())] {
        let text = text.replace("HOME", folder.to_str().unwrap());
        place.home.job(job, &if job == "inside" { text.replace("'**'", "'data/**'") } else { text });
    }
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("a", "1");
    super::changes_are(&daemon, "j", &["+w/a"]);
    super::changes_are(&daemon, "linked", &["+w/a"]);
    super::changes_are(&daemon, "inside", &[]);
    place.sound(&daemon);
}
