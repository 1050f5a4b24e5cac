//! The demonstration: the first thing that anybody sees.

use crate::support::Home;
use std::process::Command;

#[test]
fn the_demo_shows_every_kind_of_thing_and_leaves_nothing_behind() {
    let home = Home::new();
    let repository = home.path().join("repository");
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=A U Thor", "-c", "user.email=author@example.com"];
        let status = Command::new("git").arg("-C").arg(&repository).args(who).args(arguments).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    };
    std::fs::create_dir(&repository).unwrap();
    git(&["init", "-q"]);
    std::fs::write(repository.join("a"), "a").unwrap();
    git(&["add", "a"]);
    git(&["commit", "-q", "-m", "the first commit"]);

    let output = home.command().arg("demo").current_dir(&repository).output().unwrap();
    let (said, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}\n{wrong}");
    for part in [
        "the first commit (A U Thor,",
        "5 NOTES.md",
        "3 todo.md",
        "202 Accepted",
        "401 Unauthorized",
        "api is live",
        "begun under one daemon\nended under the next",
        "all of them succeeded",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}\n{wrong}");
    }
    let left = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("bog-demo-")).collect();
    assert!(left.is_empty(), "{left:?}");
}
