//! Starting, stopping and what happens to runs meanwhile: locks, signals, draining, overlap, retries, limits, secrets.

use super::support::{Daemon, Home, eventually, violations};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A home with a job per text, in which `HOME` is the home's folder. The agents work in its folder `work`; they wait for a
/// file `go` there.
fn home_of(jobs: &[(&str, &str)]) -> Home {
    let home = Home::new();
    fs::create_dir(home.path().join("work")).unwrap();
    for (id, yaml) in jobs {
        let yaml = yaml.replace("HELD", "until [ -e go ]; do sleep 0.01; done") + "working_dir: HOME/work\n";
        home.job(id, &yaml.replace("HOME", home.path().to_str().unwrap()));
    }
    home
}

/// An agent that says when it begins and ends, and ends when it is let go.
const HELD: &str = r#"
agent: {command: [sh, -c, 'echo "begin $BOG_RUN_ID" >> ran; HELD; echo "end $BOG_RUN_ID" >> ran; echo done']}
limits: {grace: 1s}
sandbox: {write: [HOME]}
"#;

fn go(home: &Home) {
    fs::write(home.path().join("work/go"), "").unwrap();
}

/// What the agents said, in order.
fn ran(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.path().join("work/ran")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn begun(home: &Home, count: usize) {
    eventually("the agents have begun", || ran(home).len() == count);
}

fn config(home: &Home, text: &str) {
    fs::write(home.data().join("config.toml"), text).unwrap();
}

fn fired(daemon: &Daemon, job: &str, body: &Value) -> Value {
    let answer = daemon.post(&format!("/jobs/{job}/run"), Some(body));
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()
}

fn sound(home: &Home) {
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

/// Processes of these runs: runners, agents and whatever these started.
fn processes(runs: &[&str]) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let marked = all.filter(|process| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        environment.split('\0').any(|line| line.strip_prefix("BOG_RUN_ID=").is_some_and(|run| runs.contains(&run)))
    });
    marked.map(|process| process.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn runner_of(run: &str) -> String {
    let is_runner = |pid: &String| {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().starts_with(b"bog-agents-daemon\0runner\0")
    };
    processes(&[run]).into_iter().find(is_runner).unwrap()
}

#[test]
fn one_daemon_holds_a_folder() {
    let home = home_of(&[]);
    let daemon = home.start();
    let second = home.run(&["run", "--port", "0"]);
    assert_eq!(second.status.code(), Some(5));
    let said = home.plain(&String::from_utf8(second.stderr).unwrap());
    let said = said.replace(&daemon.pid().to_string(), "PID").replace(&daemon.address, "ADDRESS");
    insta::assert_snapshot!(said);
    daemon.well();
}

#[test]
fn a_folder_that_is_about_to_be_let_go_is_waited_for() {
    let home = home_of(&[]);
    let lock = std::fs::File::create(home.data().join("daemon.lock")).unwrap();
    lock.lock().unwrap();
    // Held, until a daemon that has found it so has been there for some time.
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| home.start());
        eventually("a daemon looks at the folder", || home.data().join("revisions").exists());
        drop(lock);
        starting.join().unwrap().well();
    });
}

#[test]
fn addresses_that_cannot_or_should_not_be_listened_on() {
    let home = home_of(&[]);
    let remote = home.run(&["run", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(remote.status.code(), Some(2));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let busy = home.run(&["run", "--port", &port]);
    assert_eq!(busy.status.code(), Some(1));
    let said = String::from_utf8(remote.stderr).unwrap() + &String::from_utf8(busy.stderr).unwrap();
    insta::assert_snapshot!(said.replace(&port, "PORT"));
}

#[test]
fn the_token_is_shown_once_and_only_its_owner_may_read_it() {
    let home = home_of(&[]);
    let daemon = home.start();
    let (address, pid) = (home.data().join("daemon.addr"), home.data().join("daemon.pid"));
    assert_eq!(daemon.said.matches(&daemon.token).count(), 1, "{}", daemon.said);
    assert!(!daemon.log().contains(&daemon.token));
    assert_eq!(fs::read_to_string(&address).unwrap().trim(), format!("http://{}", daemon.address));
    assert_eq!(fs::read_to_string(&pid).unwrap().trim(), daemon.pid().to_string());
    for entry in fs::read_dir(home.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    assert_eq!(fs::metadata(home.data()).unwrap().permissions().mode() & 0o777, 0o700);
    let token = daemon.token.clone();
    assert!(daemon.stop().success());
    assert!(!address.exists() && !pid.exists());
    let daemon = home.start();
    assert_eq!((daemon.said.as_str(), &daemon.token), ("", &token));
}

#[test]
fn a_short_run_is_waited_for() {
    let home = home_of(&[("j", HELD)]);
    let mut daemon = home.start();
    let run = daemon.fire("j");
    begun(&home, 1);
    daemon.signal("TERM");
    eventually("it is stopping", || daemon.log().contains("stopping"));
    go(&home);
    assert!(daemon.wait().success());
    assert_eq!(processes(&[&run]), Vec::<String>::new());
    // Recorded by the one that stopped: there is nothing to take over.
    let daemon = home.start();
    assert_eq!(daemon.get(&format!("/runs/{run}"))["outcome"], "succeeded");
    assert!(!daemon.log().contains("taken over"));
    sound(&home);
}

#[test]
fn a_long_run_lives_on_for_the_next_daemon() {
    let home = home_of(&[("j", HELD)]);
    config(&home, "shutdown_grace = '50ms'\n");
    let daemon = home.start();
    let run = daemon.fire("j");
    begun(&home, 1);
    assert!(daemon.stop().success());
    assert!(!processes(&[&run]).is_empty(), "it was ended");
    let daemon = home.start();
    assert_eq!(daemon.get(&format!("/runs/{run}"))["state"], "running");
    go(&home);
    let finished = daemon.finished(&run);
    assert_eq!((&finished["outcome"], &finished["output"]), (&json!("succeeded"), &json!("done\n")), "{finished}");
    assert_eq!(ran(&home), [format!("begin {run}"), format!("end {run}")]);
    sound(&home);
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    let home = home_of(&[("j", HELD)]);
    config(&home, "shutdown_grace = '1h'\n");
    let mut daemon = home.start();
    let run = daemon.fire("j");
    begun(&home, 1);
    daemon.signal("TERM");
    eventually("it is stopping", || daemon.log().contains("stopping"));
    assert!(!daemon.has_ended());
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let daemon = home.start();
    go(&home);
    assert_eq!(daemon.finished(&run)["outcome"], "succeeded");
    assert_eq!(ran(&home).len(), 2);
    sound(&home);
}

#[test]
fn draining_refuses_what_is_new_and_lets_the_rest_end() {
    let home = home_of(&[("j", HELD)]);
    let daemon = home.start();
    let run = daemon.fire("j");
    begun(&home, 1);
    assert_eq!(daemon.post("/drain", None).status, 202);
    assert_eq!(daemon.get("/health")["status"], "draining");
    let refused = daemon.post("/jobs/j/run", None);
    assert_eq!(refused.status, 503);
    insta::assert_snapshot!(refused.body);
    let fires = daemon.list("/fires?disposition=refused");
    assert_eq!((fires.len(), &fires[0]["reason"]), (1, &json!("draining")));
    go(&home);
    assert_eq!(daemon.finished(&run)["outcome"], "succeeded");
    assert_eq!(daemon.list("/runs").len(), 1);
    assert!(daemon.stop().success());
    // Draining is of the process, not of the folder.
    let daemon = home.start();
    assert_eq!(daemon.finished(&daemon.fire("j"))["outcome"], "succeeded");
    sound(&home);
}

#[test]
fn overlap_queue_runs_one_after_the_other_in_order() {
    let home = home_of(&[("j", &format!("{HELD}overlap: queue\nmax_queued: 3\n"))]);
    let daemon = home.start();
    let first = daemon.fire("j");
    daemon.run_when(&first, "running", |run| run["state"] == "running");
    let waiting = (0..3).map(|_| daemon.fire("j"));
    let runs: Vec<String> = std::iter::once(first).chain(waiting).collect();
    let refused = daemon.post("/jobs/j/run", None);
    assert_eq!(refused.status, 429, "{refused:?}");
    go(&home);
    for run in &runs {
        assert_eq!(daemon.finished(run)["outcome"], "succeeded");
    }
    let expected: Vec<String> = runs.iter().flat_map(|run| [format!("begin {run}"), format!("end {run}")]).collect();
    assert_eq!(ran(&home), expected);
    assert_eq!(daemon.list("/fires?disposition=refused")[0]["reason"], "queue full");
    sound(&home);
}

#[test]
fn overlap_coalesce_merges_what_waits_and_sees_every_event() {
    let says = "prompt: '{{ event.payload }} of {% for one in event.events %}{{ one.payload }}{% endfor %}'\noverlap: coalesce\n";
    let agent = "agent: {command: [sh, -c, 'HELD; cat']}\nsandbox: {write: [HOME]}\n";
    let home = home_of(&[("j", &format!("{agent}{says}"))]);
    let daemon = home.start();
    let first = fired(&daemon, "j", &json!({"payload": "a"}))["run_id"].as_str().unwrap().to_owned();
    daemon.run_when(&first, "running", |run| run["state"] == "running");
    let second = fired(&daemon, "j", &json!({"payload": "b"}));
    assert_eq!(second["disposition"], "run");
    for payload in ["c", "d"] {
        let merged = fired(&daemon, "j", &json!({"payload": payload}));
        assert_eq!((&merged["disposition"], &merged["run_id"]), (&json!("coalesced"), &second["run_id"]));
    }
    go(&home);
    assert_eq!(daemon.finished(&first)["output"], "a of a");
    let second = daemon.finished(second["run_id"].as_str().unwrap());
    assert_eq!((&second["output"], &second["fires"]), (&json!("d of bcd"), &json!(3)));
    assert_eq!(daemon.list("/runs").len(), 2);
    sound(&home);
}

#[test]
fn overlap_skip_and_replace() {
    let with = |overlap: &str| format!("{HELD}overlap: {overlap}\n");
    let home = home_of(&[("skips", &with("skip")), ("replaces", &with("replace"))]);
    let daemon = home.start();
    let kept = daemon.fire("skips");
    let skipped = fired(&daemon, "skips", &json!({}));
    assert_eq!((&skipped["disposition"], &skipped["reason"]), (&json!("skipped"), &json!("overlap")));
    assert_eq!(skipped["run_id"], Value::Null);
    let old = daemon.fire("replaces");
    begun(&home, 2);
    let new = daemon.fire("replaces");
    let ended = daemon.finished(&old);
    assert_eq!(ended["outcome"], "cancelled", "{ended}");
    assert_eq!(processes(&[&old]), Vec::<String>::new());
    begun(&home, 3);
    go(&home);
    assert_eq!(daemon.finished(&new)["outcome"], "succeeded");
    assert_eq!(daemon.finished(&kept)["outcome"], "succeeded");
    sound(&home);
}

/// The most agents that were under way at once.
fn at_once(home: &Home) -> i32 {
    let steps = ran(home);
    let running = steps.iter().scan(0, |running, step| {
        *running += if step.starts_with("begin") { 1 } else { -1 };
        Some(*running)
    });
    running.max().unwrap()
}

#[test]
fn parallel_runs_up_to_their_number() {
    let home = home_of(&[("j", &format!("{HELD}overlap: parallel\nmax_parallel: 2\n"))]);
    let daemon = home.start();
    let runs: Vec<String> = (0..4).map(|_| daemon.fire("j")).collect();
    begun(&home, 2);
    let health = daemon.get("/health");
    assert_eq!((&health["running"], &health["queued"]), (&json!(2), &json!(2)));
    go(&home);
    for run in &runs {
        assert_eq!(daemon.finished(run)["outcome"], "succeeded");
    }
    assert_eq!(at_once(&home), 2);
    sound(&home);
}

#[test]
fn no_more_runs_than_the_daemon_allows() {
    let ids = ["a", "b", "c", "d", "e"];
    let home = home_of(&ids.map(|id| (id, HELD)));
    config(&home, "max_concurrent = 2\n");
    let daemon = home.start();
    let runs = ids.map(|id| daemon.fire(id));
    begun(&home, 2);
    let health = daemon.get("/health");
    assert_eq!((&health["running"], &health["queued"]), (&json!(2), &json!(3)));
    go(&home);
    for run in &runs {
        assert_eq!(daemon.finished(run)["outcome"], "succeeded");
    }
    assert_eq!(at_once(&home), 2);
    sound(&home);
}

#[test]
fn running_and_waiting_runs_are_cancelled() {
    let home = home_of(&[("j", HELD)]);
    let daemon = home.start();
    let (running, waiting) = (daemon.fire("j"), daemon.fire("j"));
    begun(&home, 1);
    for run in [&waiting, &running] {
        let answer = daemon.post(&format!("/runs/{run}/cancel"), None);
        assert!(answer.status < 300, "{answer:?}");
        assert_eq!(daemon.finished(run)["outcome"], "cancelled");
    }
    assert_eq!(processes(&[&running, &waiting]), Vec::<String>::new());
    assert_eq!(ran(&home), [format!("begin {running}")]);
    sound(&home);
}

#[test]
fn failures_are_retried_as_often_as_was_said() {
    let with = |test: &str| {
        format!(
            "agent: {{command: [sh, -c, 'date +%s%N >> ran; [ $BOG_ATTEMPT {test} ]']}}\nretry: {{max: 2, backoff: 200ms}}\nsandbox: {{write: [HOME]}}\n"
        )
    };
    let home = home_of(&[("third", &with("= 3")), ("never", &with("= 0"))]);
    let daemon = home.start();
    let third = daemon.finished(&daemon.fire("third"));
    assert_eq!(
        (&third["outcome"], &third["attempt"], &third["max_attempts"]),
        (&json!("succeeded"), &json!(3), &json!(3))
    );
    let at: Vec<u64> = ran(&home).iter().map(|line| line.parse().unwrap()).collect();
    // Spread by chance, but never at once.
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] > 50_000_000), "{at:?}");
    let never = daemon.finished(&daemon.fire("never"));
    assert_eq!((&never["outcome"], &never["attempt"]), (&json!("failed"), &json!(3)));
    sound(&home);
}

#[test]
fn a_killed_runner_is_an_interruption() {
    let retries = format!("{HELD}on_interrupt: retry\nretry: {{backoff: 10ms}}\n");
    let home = home_of(&[("retries", &retries), ("fails", &format!("{HELD}on_interrupt: fail\n"))]);
    let daemon = home.start();
    let (retried, failed) = (daemon.fire("retries"), daemon.fire("fails"));
    begun(&home, 2);
    for run in [&retried, &failed] {
        let runner = runner_of(run);
        assert!(Command::new("kill").args(["-9", &runner]).status().unwrap().success());
    }
    let run = daemon.finished(&failed);
    assert_eq!((&run["outcome"], &run["attempt"]), (&json!("interrupted"), &json!(1)), "{run}");
    assert_eq!(processes(&[&failed]), Vec::<String>::new());
    begun(&home, 3);
    go(&home);
    let run = daemon.finished(&retried);
    assert_eq!((&run["outcome"], &run["attempt"]), (&json!("succeeded"), &json!(2)), "{run}");
    sound(&home);
}

#[test]
fn a_run_over_its_time_is_ended_with_all_it_started() {
    let stubborn = "trap \"\" TERM; setsid sh -c \"trap \\\"\\\" TERM; touch begun; while :; do sleep 1; done\" & while :; do sleep 1; done";
    let yaml = format!(
        "agent: {{command: [sh, -c, {}]}}\nlimits: {{wall_clock: 500ms, grace: 100ms}}\nsandbox: {{write: [HOME]}}\n",
        json!(stubborn)
    );
    let home = home_of(&[("j", &yaml)]);
    let daemon = home.start();
    let run = daemon.fire("j");
    let finished = daemon.finished(&run);
    assert_eq!(finished["outcome"], "timed_out", "{finished}");
    assert!(home.path().join("work/begun").exists(), "the grandchild never ran, so this proves nothing");
    assert_eq!(processes(&[&run]), Vec::<String>::new());
    insta::assert_snapshot!(finished["error"].as_str().unwrap());
    sound(&home);
}

#[test]
fn a_secret_is_written_nowhere() {
    let secret = "correct-horse-battery-staple";
    let yaml = r#"
agent: {command: [sh, -c, 'echo "out $API_KEY"; echo "err $API_KEY" >&2; exit $CODE']}
secrets: [API_KEY]
env: [CODE]
outputs: [{type: file, path: "HOME/out.md"}, {type: log}]
"#;
    let home = home_of(&[("good", yaml), ("bad", &yaml.replace("$CODE", "3"))]);
    let daemon = home.start_with(&[("API_KEY", secret), ("CODE", "0")]).unwrap();
    let good = daemon.finished(&daemon.fire("good"));
    assert_eq!((&good["outcome"], &good["output"]), (&json!("succeeded"), &json!("out [API_KEY]\n")), "{good}");
    let bad = daemon.finished(&daemon.fire("bad"));
    assert_eq!((&bad["outcome"], &bad["exit_code"]), (&json!("failed"), &json!(3)));
    assert!(bad["error"].as_str().unwrap().contains("err [API_KEY]"), "{bad}");
    eventually("everything is delivered", || daemon.get("/health")["deliveries_pending"] == 0);
    assert!(fs::read_to_string(home.path().join("out.md")).unwrap().contains("out [API_KEY]"));
    let events = daemon.request("GET", &format!("/runs/{}/events", good["id"].as_str().unwrap()), &[], None).unwrap();
    assert!(events.body.contains("err [API_KEY]") && !events.body.contains(secret), "{events:?}");
    assert!(daemon.stop().success());
    let found = Command::new("grep").args(["-rlF", secret]).arg(home.path()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "the secret is in {}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn a_file_output_stays_within_its_roots() {
    let outside = tempfile::tempdir().unwrap();
    let targets =
        ["OUTSIDE/out.md", "HOME/data/out.md", "HOME/link/out.md", "HOME/../out-of-home.md", "HOME/.ssh/out.md"];
    let outputs = targets.map(|path| format!("  - {{type: file, path: '{path}'}}\n")).concat();
    let yaml = format!("agent: {{command: [echo, said]}}\noutputs:\n{outputs}  - {{type: file, path: HOME/good.md}}\n");
    let home = home_of(&[("j", &yaml.replace("OUTSIDE", outside.path().to_str().unwrap()))]);
    std::os::unix::fs::symlink(outside.path(), home.path().join("link")).unwrap();
    let daemon = home.start();
    let run = daemon.fire("j");
    let gave_up = |run: &Value| run["dispatch_errors"].as_array().unwrap().len() == targets.len();
    let run = daemon.run_when(&run, "delivered as far as it can be", gave_up);
    assert_eq!(run["outcome"], "succeeded");
    let errors = run["dispatch_errors"].as_array().unwrap().iter();
    let errors: Vec<String> =
        errors.map(|one| format!("{}: {}", one["target"].as_str().unwrap(), one["error"].as_str().unwrap())).collect();
    let errors = home.plain(&errors.join("\n")).replace(outside.path().to_str().unwrap(), "OUTSIDE");
    let errors = errors.replace(home.path().parent().unwrap().to_str().unwrap(), "ABOVE");
    insta::assert_snapshot!(errors);
    eventually("the good one is delivered", || home.path().join("good.md").exists());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!home.data().join("out.md").exists() && !home.path().join(".ssh").exists());
    assert!(!home.path().parent().unwrap().join("out-of-home.md").exists());
}
