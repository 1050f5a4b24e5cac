//! Where secrets come from, in which order, and what is said of those that are missing.

use crate::support::keyring::Keyring;
use crate::support::{Home, eventually};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Says which value the agent has, and not the value.
const DIGEST: &str = "agent: {command: [sh, -c, 'printf %s \"$KEY\" | sha256sum | cut -c1-64']}\nsecrets: [KEY]\n";

fn digest(value: &str) -> String {
    hex::encode(Sha256::digest(value)) + "\n"
}

/// A file that only its owner may read.
fn private(home: &Home, name: &str, content: &[u8]) -> PathBuf {
    let path = home.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn run(home: &Home, variables: &[(&str, &str)]) -> Value {
    let daemon = home.start_with(variables).unwrap();
    let run = daemon.finished(&daemon.fire("j"));
    assert!(daemon.stop().success());
    run
}

#[test]
fn the_environment_comes_before_files_credentials_and_the_keyring() {
    let home = Home::new();
    home.job("j", DIGEST);
    let keyring = Keyring::start(home.path());
    assert!(keyring.store("KEY", "value-of-the-keyring"));
    let address = keyring.address();
    let file = private(&home, "key", b"value-of-the-file\n");
    let credentials = private(&home, "credentials/KEY", b"value-of-the-credential").parent().unwrap().to_owned();
    let all = [
        ("KEY", "value-of-the-variable"),
        ("KEY_FILE", file.to_str().unwrap()),
        ("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap()),
        ("DBUS_SESSION_BUS_ADDRESS", address.as_str()),
    ];
    let values = ["value-of-the-variable", "value-of-the-file", "value-of-the-credential", "value-of-the-keyring"];
    for (from, value) in values.iter().enumerate() {
        let run = run(&home, &all[from..]);
        assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!(digest(value))), "{value}: {run}");
    }
    // An empty variable is none, and a credential of another name is not this one.
    let mut variables = all.to_vec();
    variables[0].1 = "";
    assert_eq!(run(&home, &variables)["output"], digest("value-of-the-file"));
    fs::rename(credentials.join("KEY"), credentials.join("OTHER")).unwrap();
    assert_eq!(run(&home, &all[2..])["output"], digest("value-of-the-keyring"));
}

#[test]
fn a_run_without_its_secret_does_not_start_and_says_where_it_was_looked_for() {
    let home = Home::new();
    let names = ["FOLDER", "MISSING", "LARGE", "RELATIVE", "BINARY", "NOWHERE"];
    for name in names {
        home.job(&name.to_lowercase(), &format!("agent: {{command: ['true']}}\nsecrets: [{name}]\n"));
    }
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    private(&home, "large", &[b'x'; 64 * 1024 + 1]);
    private(&home, "binary", b"\xff\xfe\xfd");
    let keyring = Keyring::locked(home.path());
    let daemon = home
        .start_with(&[
            ("FOLDER_FILE", &path("")),
            ("MISSING_FILE", &path("missing")),
            ("LARGE_FILE", &path("large")),
            ("RELATIVE_FILE", "large"),
            ("BINARY_FILE", &path("binary")),
            ("DBUS_SESSION_BUS_ADDRESS", &keyring.address()),
        ])
        .unwrap();
    let error = |name: &&str| {
        let id = daemon.fire(&name.to_lowercase());
        let run = daemon.finished(&id);
        assert_eq!(run["outcome"], "start_failed", "{run}");
        assert!(!home.data().join(format!("runs/{id}/1/verdict")).exists(), "an agent ran without its secret");
        home.plain(run["error"].as_str().unwrap())
    };
    let errors = names.iter().map(error).collect::<Vec<_>>().join("\n");
    // What follows is the program's own complaint.
    let (ours, _) = errors.split_once(" ended with ").unwrap_or_else(|| panic!("the keyring was asked: {errors}"));
    insta::assert_snapshot!(ours);
}

#[test]
fn a_file_that_the_daemon_may_not_read_is_said() {
    let home = Home::of_ordinary_user();
    home.job("j", DIGEST);
    let file = private(&home, "key", b"value-of-the-file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let run = run(&home, &[("KEY_FILE", file.to_str().unwrap())]);
    let error = home.plain(run["error"].as_str().unwrap());
    let begin = "secret `KEY`: the file `HOME/key` that `KEY_FILE` names cannot be read: Permission denied";
    assert!(
        error.starts_with(begin) && error.ends_with("make it readable for the user that the daemon runs as"),
        "{error}"
    );
}

#[test]
fn an_agent_is_not_told_where_its_secrets_come_from() {
    let home = Home::new();
    let names = "env: [KEY_FILE, CREDENTIALS_DIRECTORY, LANG]\nsecrets: [KEY, XDG_KEY]\n";
    home.job("j", &format!("agent: {{command: [sh, -c, 'env | cut -d= -f1 | sort']}}\n{names}"));
    let file = private(&home, "key", b"value-of-the-file");
    let file = file.to_str().unwrap();
    let run =
        run(&home, &[("KEY_FILE", file), ("XDG_KEY_FILE", file), ("CREDENTIALS_DIRECTORY", "/nowhere"), ("LANG", "C")]);
    let names: Vec<&str> = run["output"].as_str().unwrap().lines().collect();
    assert!(["KEY", "XDG_KEY", "LANG", "PATH"].iter().all(|name| names.contains(name)), "{run}");
    assert!(!names.iter().any(|name| name.ends_with("_FILE") && *name != "BOG_EVENT_FILE"), "{names:?}");
    assert!(!names.contains(&"CREDENTIALS_DIRECTORY"), "{names:?}");
}

#[test]
fn an_agent_does_not_see_the_files_that_secrets_come_from() {
    let home = Home::new();
    let folder = home.path().join("work");
    let file = private(&home, "work/.key", b"value-of-the-file");
    let (shown, other) = (folder.display(), folder.join("other"));
    fs::write(&other, "another file\n").unwrap();
    home.job("owner", "agent: {command: ['true']}\nsecrets: [KEY]\n");
    let cat = format!("agent: {{command: [sh, -c, 'cat other .key 2>&1; ls -a']}}\nworking_dir: '{shown}'\n");
    home.job("curious", &cat);
    home.job("host", &format!("{cat}sandbox: {{shell: host}}\n"));
    let daemon = home.start_with(&[("KEY_FILE", file.to_str().unwrap())]).unwrap();
    let output = |job: &str| {
        let run = daemon.finished(&daemon.fire(job));
        run["output"].as_str().unwrap_or_else(|| panic!("no output: {run}")).to_owned()
    };
    // Without a sandbox it would: that what it says is masked does not help then.
    assert!(output("host").starts_with("another file\n[KEY]"), "{}", output("host"));
    let curious = output("curious");
    assert!(curious.starts_with("another file\n") && !curious.contains("[KEY]"), "{curious}");
}

#[test]
fn a_value_may_be_replaced_while_the_daemon_runs_and_both_are_masked() {
    let home = Home::new();
    home.job(
        "j",
        "agent: {command: [sh, -c, 'printf %s \"$KEY\" | sha256sum | cut -c1-64; echo \"$KEY\"']}\nsecrets: [KEY]\n",
    );
    let file = private(&home, "key", b"the-first-value\n");
    let daemon = home.start_with(&[("KEY_FILE", file.to_str().unwrap())]).unwrap();
    for value in ["the-first-value", "the-second-value"] {
        private(&home, "key", value.as_bytes());
        let run = daemon.finished(&daemon.fire("j"));
        assert_eq!(run["output"], digest(value) + "[KEY]\n", "{run}");
    }
    let both = json!({ "payload": "the-first-value, the-second-value" });
    let answer = daemon.post("/jobs/j/run", Some(&both));
    let fire = answer.json()["fire_id"].as_str().unwrap().to_owned();
    let fires = daemon.list("/fires");
    let fire = fires.iter().find(|one| one["id"] == *fire).unwrap();
    assert_eq!(fire["context"]["payload"], "[KEY], [KEY]");
}

#[test]
fn what_one_job_calls_a_secret_is_masked_in_another_that_does_not() {
    let home = Home::new();
    home.job("owner", "agent: {command: ['true']}\nsecrets: [KEY]\n");
    home.job("careless", "agent: {command: [sh, -c, 'echo \"$KEY\"']}\nenv: [KEY]\n");
    let daemon = home.start_with(&[("KEY", "hunter2-hunter2")]).unwrap();
    let id = daemon.fire("careless");
    let run = daemon.finished(&id);
    assert_eq!(run["output"], "[KEY]\n");
    let events = fs::read_to_string(home.data().join(format!("runs/{id}/1/events.jsonl"))).unwrap();
    assert!(events.contains("[KEY]") && !events.contains("hunter2"), "{events}");
}

#[test]
fn a_missing_secret_is_warned_of_at_save_and_by_the_doctor() {
    let home = Home::new();
    let stderr = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let add = |id: &'static str| ["job", "add", "--id", id, "--secret", "KEY", "--no-working-dir", "--", "true"];
    let missing = "secret `KEY` is not there: set the variable `KEY`, or `KEY_FILE` to the file that holds it";
    let said = stderr(&add("offline"));
    assert!(said.contains(missing) && said.contains("looked for from here"), "{said}");
    let doctor = || String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    assert!(doctor().contains("(job offline)"), "{}", doctor());

    let file = home.path().join("key");
    let daemon = home.start_with(&[("KEY_FILE", file.to_str().unwrap())]).unwrap();
    let does_not_exist = format!("secret `KEY`: the file `{}` that `KEY_FILE` names does not exist", file.display());
    let said = stderr(&add("online"));
    assert!(said.contains(&does_not_exist) && !said.contains("from here"), "{said}");
    // The daemon's environment counts, not that of the command.
    let said = doctor();
    assert!(said.contains(&does_not_exist) && said.contains("(job offline, online)"), "{said}");

    private(&home, "key", b"hunter2-hunter2");
    assert!(doctor().contains("2 named by jobs"), "{}", doctor());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = format!("secret `KEY`: others may read it: chmod 600 '{}'", file.display());
    assert!(doctor().contains(&open), "{}", doctor());
    private(&home, "key", b"short");
    assert!(doctor().contains("secret `KEY` is shorter than 8 characters and is not masked"), "{}", doctor());
    assert!(!doctor().contains("short\n") && !daemon.log().contains("hunter2"));
}

#[test]
fn a_keyring_that_never_answers_holds_nothing_up() {
    let home = Home::new();
    home.job("j", DIGEST);
    home.job("other", "agent: {command: [echo, 'done']}\n");
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let (fake, pids) = (bin.join("secret-tool"), home.path().join("pids"));
    fs::write(&fake, format!("#!/bin/sh\necho $$ >> '{}'\nexec sleep 1000\n", pids.display())).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let daemon = home.start_with(&[("PATH", &path), ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")]).unwrap();
    let run = daemon.fire("j");
    eventually("the keyring is asked", || fs::read_to_string(&pids).is_ok_and(|text| text.lines().count() >= 2));
    // Both the run and what keeps the mask up to date wait for it, and nobody else does.
    assert_eq!(daemon.finished(&daemon.fire("other"))["output"], "done\n");
    assert_ne!(daemon.get(&format!("/runs/{run}"))["state"], "finished");
    let failed = daemon.finished(&run);
    assert_eq!(failed["outcome"], "start_failed");
    let error = failed["error"].as_str().unwrap();
    assert!(error.ends_with("`secret-tool` did not answer within 5s: is the keyring locked?"), "{error}");
    let asked = fs::read_to_string(&pids).unwrap();
    let is_there =
        |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("sleep"));
    eventually("whoever was asked is gone", || !asked.lines().any(is_there));
}
