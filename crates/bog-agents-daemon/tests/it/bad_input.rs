//! Bad input on the real binary: each is named to a person with what is wrong and where, nothing is lost by it, and
//! every other job goes on.

use super::support::{Daemon, Home, eventually};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const GOOD: &str = "agent: {command: [echo, good]}\n";

fn goes_on(daemon: &Daemon, job: &str, says: &str) {
    let run = daemon.finished(&daemon.fire(job));
    assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!(says)), "{run}");
}

/// Contents of job files that are no jobs.
fn bad_jobs() -> Vec<(&'static str, Vec<u8>)> {
    let text = |more: &str| format!("{GOOD}{more}\n").into_bytes();
    vec![
        ("malformed YAML", text("name: [x")),
        ("unknown field", text("naem: x")),
        ("unknown field of a trigger", text("triggers:\n  - {type: cron, crno: '@daily'}")),
        ("bad cron", text("triggers:\n  - type: cron\n    cron: '61 * * * *'")),
        ("bad zone", text("timezone: Mars/Olympus")),
        ("bad type", text("max_runs: many")),
        ("no agent", b"name: x\n".to_vec()),
        ("empty", Vec::new()),
        ("10 MB", vec![b'#'; 10 << 20]),
        ("no text", vec![0xff, 0xfe, 0, 1]),
    ]
}

#[test]
fn files_that_are_no_jobs_are_named_and_the_others_go_on() {
    let home = Home::new();
    home.job("good", GOOD);
    let daemon = home.start();
    let mut said = Vec::new();
    let named = |(what, bytes)| (what, "bad.yaml".to_owned(), bytes);
    let names = ["Not A Slug.yaml", "con.yaml", "old.yml"].map(|name| ("bad name", name.to_owned(), GOOD.into()));
    for (what, name, bytes) in bad_jobs().into_iter().map(named).chain(names) {
        let path = home.data().join("jobs").join(&name);
        fs::write(&path, bytes).unwrap();
        said.push(format!("{what}: {}", home.plain(&daemon.problem(&name))));
        assert_eq!(daemon.list("/jobs").len(), 1, "{what}");
        fs::remove_file(&path).unwrap();
        daemon.well();
    }
    insta::assert_snapshot!(said.join("\n"));
    goes_on(&daemon, "good", "good\n");
}

#[test]
fn bad_files_do_not_keep_the_daemon_from_starting() {
    let home = Home::new();
    home.job("good", GOOD);
    for (number, (_, bytes)) in bad_jobs().into_iter().enumerate() {
        fs::write(home.data().join(format!("jobs/bad-{number}.yaml")), bytes).unwrap();
    }
    let daemon = home.start();
    assert_eq!(daemon.list("/jobs").len(), 1);
    let problem = daemon.problem("not a job");
    assert!(problem.ends_with("; and 5 more"), "{problem}");
    goes_on(&daemon, "good", "good\n");
}

#[test]
fn an_invalid_edit_leaves_the_last_good_revision_running() {
    let home = Home::new();
    home.job("edited", GOOD);
    home.job("other", "agent: {command: [echo, other]}\n");
    let daemon = home.start();
    let mut said = Vec::new();
    for (what, bytes) in bad_jobs() {
        home.job("edited", &bytes);
        let job = job_when(&daemon, |job| job["state"]["invalid_edit"].is_string());
        assert_eq!(job["revision"], 1, "{what}");
        said.push(format!("{what}: {}", home.plain(job["state"]["invalid_edit"].as_str().unwrap())));
        goes_on(&daemon, "edited", "good\n");
        // Put right as it was, it is no new revision.
        home.job("edited", GOOD);
        let job = job_when(&daemon, |job| job["state"]["invalid_edit"].is_null());
        assert_eq!(job["revision"], 1, "{what}");
    }
    insta::assert_snapshot!(said.join("\n"));
    home.job("edited", &format!("{GOOD}naem: x\n"));
    job_when(&daemon, |job| job["state"]["invalid_edit"].is_string());
    let list = home.run(&["job", "list"]);
    insta::assert_snapshot!("job_list_shows_an_invalid_edit", home.plain(&String::from_utf8(list.stdout).unwrap()));
    // What is invalid when the daemon starts has not lost its good revision either.
    assert!(daemon.stop().success());
    let daemon = home.start();
    assert!(job_when(&daemon, |_| true)["state"]["invalid_edit"].is_string());
    goes_on(&daemon, "edited", "good\n");
    goes_on(&daemon, "other", "other\n");
}

fn job_when(daemon: &Daemon, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut job = Value::Null;
    eventually("the job is as wanted", || {
        job = daemon.get("/jobs/edited");
        wanted(&job)
    });
    job
}

#[test]
fn a_hand_edit_runs_at_once_and_a_removed_file_is_a_removed_job() {
    let home = Home::new();
    home.job("edited", GOOD);
    let daemon = home.start();
    let begun = Instant::now();
    home.job("edited", "agent: {command: [echo, better]}\n");
    job_when(&daemon, |job| job["revision"] == 2);
    // A second by itself; this machine may be busy.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let revisions = daemon.list("/jobs/edited/revisions");
    let authors: Vec<_> = revisions.iter().map(|revision| (&revision["revision"], &revision["author"])).collect();
    assert_eq!(authors, [(&json!(1), &json!("file")), (&json!(2), &json!("file"))]);
    goes_on(&daemon, "edited", "better\n");

    fs::remove_file(home.data().join("jobs/edited.yaml")).unwrap();
    let gone = || daemon.request("GET", "/jobs/edited", &[], None).unwrap();
    eventually("the job is gone", || gone().status == 404);
    insta::assert_snapshot!(gone().json()["detail"].as_str().unwrap(), @"there is no job `edited`: `bog-agents-daemon job list` or `GET /jobs` shows those there are");
    assert_eq!(daemon.list("/runs?job=edited").len(), 1, "its history stays");
}

#[test]
fn a_file_replaced_while_it_is_read_is_the_old_one_or_the_new_one() {
    let home = Home::new();
    let text = |letter: &str| {
        let long = letter.repeat(100_000);
        format!("prompt: {long}\nagent: {{command: [cat]}}\nname: {long}\n")
    };
    let (one, two) = (text("a"), text("b"));
    home.job("edited", &one);
    let daemon = home.start();
    let path = home.data().join("jobs/edited.yaml");
    let aside = home.path().join("aside");
    let mut revisions = 0;
    for round in 0.. {
        fs::write(&aside, if round % 2 == 0 { &two } else { &one }).unwrap();
        fs::rename(&aside, &path).unwrap();
        if round % 10 == 0 {
            let job = daemon.get("/jobs/edited");
            assert_eq!(job["state"]["invalid_edit"], Value::Null);
            assert!(whole(&job), "half a file was read");
            revisions = job["revision"].as_u64().unwrap();
        }
        if revisions >= 4 {
            break;
        }
    }
    fs::write(&aside, text("c")).unwrap();
    fs::rename(&aside, &path).unwrap();
    let job = job_when(&daemon, |job| job["name"].as_str().unwrap().starts_with('c'));
    assert!(whole(&job));
    for revision in daemon.list("/jobs/edited/revisions") {
        assert!(whole(&revision["spec"]), "half a file was saved");
    }
}

fn whole(job: &Value) -> bool {
    let (name, prompt) = (job["name"].as_str().unwrap(), job["prompt"].as_str().unwrap());
    name == prompt && name.len() == 100_000 && name.bytes().all(|byte| byte == name.as_bytes()[0])
}

#[test]
fn a_jobs_folder_that_cannot_be_read_leaves_the_jobs_running() {
    let home = Home::new();
    home.job("good", GOOD);
    let (jobs, other) = (home.data().join("jobs"), home.data().join("other"));
    fs::write(&other, "not a folder").unwrap();
    let exchange = || renameat_with(CWD, &jobs, CWD, &other, RenameFlags::EXCHANGE).unwrap();
    let daemon = home.start();
    exchange();
    insta::assert_snapshot!(home.plain(&daemon.problem("cannot be read")));
    goes_on(&daemon, "good", "good\n");
    assert!(daemon.stop().success());
    let daemon = home.start();
    daemon.problem("cannot be read");
    goes_on(&daemon, "good", "good\n");
    exchange();
    daemon.well();
    home.job("good", "agent: {command: [echo, again]}\n");
    eventually("edits are followed again", || daemon.get("/jobs/good")["revision"] == 2);
}

#[test]
fn a_jobs_folder_that_may_not_be_read_leaves_the_jobs_running() {
    let home = Home::of_ordinary_user();
    home.job("good", GOOD);
    let jobs = home.data().join("jobs");
    let daemon = home.start();
    fs::set_permissions(&jobs, Permissions::from_mode(0o000)).unwrap();
    insta::assert_snapshot!(home.plain(&daemon.problem("cannot be read")));
    goes_on(&daemon, "good", "good\n");
    assert!(daemon.stop().success());
    let daemon = home.start();
    daemon.problem("cannot be read");
    goes_on(&daemon, "good", "good\n");
    fs::set_permissions(&jobs, Permissions::from_mode(0o700)).unwrap();
    daemon.well();
}

#[test]
fn a_lost_jobs_folder_is_written_again() {
    let home = Home::new();
    home.job("good", &format!("# as written\n{GOOD}"));
    let daemon = home.start();
    fs::remove_dir_all(home.data().join("jobs")).unwrap();
    let path = home.data().join("jobs/good.yaml");
    eventually("the file is back", || path.exists());
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("# as written\n{GOOD}"));
    goes_on(&daemon, "good", "good\n");
    home.job("good", "agent: {command: [echo, again]}\n");
    eventually("edits are followed again", || daemon.get("/jobs/good")["revision"] == 2);
}

#[test]
fn a_config_that_is_not_valid_is_named_with_its_line() {
    let home = Home::new();
    let mut said = Vec::new();
    for config in ["port = 0\nprot = 1\n", "max_concurrent = 'many'\n", "[limits]\nwall_clock = 'soon'\n", "port = \n"]
    {
        fs::write(home.data().join("config.toml"), config).unwrap();
        let output = home.run(&["run", "--port", "0"]);
        assert_eq!(output.status.code(), Some(2), "{config}");
        said.push(home.plain(&String::from_utf8(output.stderr).unwrap()));
    }
    insta::assert_snapshot!(said.join("----\n"));
    fs::remove_file(home.data().join("config.toml")).unwrap();
    home.start();
}

#[test]
fn bad_bodies_are_refused_and_change_nothing() {
    let home = Home::new();
    home.job("good", GOOD);
    let daemon = home.start();
    let large = format!("{{\"id\": \"large\", \"prompt\": \"{}\"}}", "x".repeat(2 << 20));
    let cases = [
        ("POST", "/jobs", "{\"id\": \"a\", "),
        ("POST", "/jobs", ""),
        ("POST", "/jobs", "[]"),
        ("POST", "/jobs", r#"{"id": "a", "agent": {"command": ["true"]}, "naem": 1}"#),
        ("POST", "/jobs", r#"{"id": "Not A Slug", "agent": {"command": ["true"]}}"#),
        ("POST", "/jobs", r#"{"id": "con", "agent": {"command": ["true"]}}"#),
        ("POST", "/jobs", r#"{"agent": {"command": ["true"]}}"#),
        ("POST", "/jobs", r#"{"id": "a", "agent": {"command": "true"}}"#),
        (
            "POST",
            "/jobs",
            r#"{"id": "a", "agent": {"command": ["true"]}, "triggers": [{"type": "cron", "cron": "x"}]}"#,
        ),
        ("POST", "/jobs", r#"{"id": "a", "agent": {"command": ["true"]}, "timezone": "Mars/Olympus"}"#),
        ("POST", "/jobs", &large),
        ("POST", "/jobs/good/run", r#"{"paylaod": 1}"#),
        ("POST", "/jobs/good/run", "{"),
        ("PUT", "/jobs/good", r#"{"max_runs": "many"}"#),
        ("PATCH", "/jobs/good", "[1]"),
        ("PATCH", "/jobs/good", r#"{"triggers": [{"type": "corn"}]}"#),
    ];
    let mut said = Vec::new();
    for (method, path, body) in cases {
        let answer = daemon.request(method, path, &[], Some(body)).unwrap();
        assert!(answer.headers.to_lowercase().contains("content-type: application/problem+json"), "{answer:?}");
        let shown = if body.len() > 200 { "(2 MB)" } else { body };
        said.push(format!("{method} {path} {shown}\n    {}", answer.body));
    }
    insta::assert_snapshot!(said.join("\n"));
    assert_eq!(daemon.list("/jobs").len(), 1);
    assert_eq!(fs::read_dir(home.data().join("jobs")).unwrap().count(), 1, "no file is left");
    assert_eq!(daemon.get("/jobs/good")["revision"], 1);
    assert_eq!(daemon.list("/runs").len(), 0);
    goes_on(&daemon, "good", "good\n");
    daemon.well();
}
