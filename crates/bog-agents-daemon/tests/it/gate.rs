//! Gates on the real binary: what opens and closes them, what an agent learns from them, and that neither a crash nor a
//! sandbox is a way round.

use super::support::{Daemon, Home, eventually, violations};
use serde_json::{Value, json};

/// A job with a gate; its agent says what it was asked.
fn gated(gate: &str, more: &str) -> String {
    format!(
        "prompt: 'gate said: {{{{ event.gate }}}}'\nagent: {{command: [sh, -c, 'echo ran >> ran; cat']}}\nwhen: {{command: \
         [sh, -c, {}]{more}}}\nworking_dir: HOME/work\noutputs: [{{type: file, path: HOME/work/out.md}}]\n",
        json!(gate)
    )
}

fn home(gate: &str, more: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path().join("work")).unwrap();
    home.job("j", &gated(gate, more).replace("HOME", home.path().to_str().unwrap()));
    home
}

fn file(home: &Home, name: &str) -> String {
    std::fs::read_to_string(home.path().join("work").join(name)).unwrap_or_default()
}

/// The one fire of the job once it is skipped.
fn skipped(daemon: &Daemon) -> Value {
    let mut fires = Vec::new();
    eventually("the fire is skipped", || {
        fires = daemon.list("/fires?disposition=skipped");
        !fires.is_empty()
    });
    assert_eq!(fires.len(), 1, "{fires:?}");
    fires.remove(0)
}

#[test]
fn an_open_gate_lets_the_agent_run_and_tells_it_what_it_said() {
    let home = home("echo three new commits", "");
    let daemon = home.start();
    let run = daemon.finished(&daemon.fire("j"));
    assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!("gate said: three new commits\n")));
    eventually("it is delivered", || file(&home, "out.md").contains("three new commits"));
    assert_eq!(file(&home, "ran"), "ran\n");
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn a_closed_gate_leaves_a_skipped_fire_and_nothing_else() {
    let home = home("echo looking; echo nothing new; exit 1", "");
    let daemon = home.start();
    let run = daemon.fire("j");
    let fire = skipped(&daemon);
    assert_eq!((&fire["reason"], &fire["run_id"]), (&json!("gate: nothing new"), &Value::Null));
    assert_eq!(daemon.request("GET", &format!("/runs/{run}"), &[], None).unwrap().status, 404);
    assert_eq!((file(&home, "ran"), file(&home, "out.md")), (String::new(), String::new()));
    eventually("its folder is gone", || !home.data().join("runs").join(&run).exists());
    let said = String::from_utf8(home.run(&["explain", "j"]).stdout).unwrap();
    assert!(said.contains("was skipped: gate: nothing new"), "{said}");
    let waited = home.run(&["job", "run", "j", "--wait"]);
    let said = String::from_utf8(waited.stderr).unwrap();
    assert!(said.contains("no agent ran: the fire was skipped: gate: nothing new"), "{said}");
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn a_gate_that_cannot_tell_is_a_failed_run_that_says_so() {
    let home = home("sleep 1000", ", timeout: 200ms");
    home.job("missing", "agent: {command: ['true']}\nwhen: {command: [no-such-program-here]}\n");
    let daemon = home.start();
    let run = daemon.finished(&daemon.fire("j"));
    assert_eq!(run["outcome"], "timed_out");
    assert!(run["error"].as_str().unwrap().starts_with("`when`: the limit of `200ms` was reached"), "{run}");
    let run = daemon.finished(&daemon.fire("missing"));
    assert_eq!(run["outcome"], "start_failed");
    assert!(run["error"].as_str().unwrap().starts_with("`when`: "), "{run}");
    assert_eq!(file(&home, "ran"), "");
}

#[test]
fn a_gate_is_held_by_its_jobs_sandbox() {
    let home = home("echo x > HOME/outside; test -e HOME/data/daemon.db && echo it sees the ledger; echo done", "");
    let daemon = home.start();
    let run = daemon.finished(&daemon.fire("j"));
    assert_eq!(run["output"], "gate said: done\n", "{run}");
    assert!(!home.path().join("outside").exists());
}

#[test]
fn a_crash_around_the_gate_runs_the_agent_once() {
    for failpoint in
        ["dispatcher.spawned", "runner.started", "runner.after_outcome", "dispatcher.before_settle", "store.finish"]
    {
        let home = home("echo open", "");
        let mut dying = home.start_with(&[("BOG_FAILPOINTS", &format!("{failpoint}=kill"))]).unwrap();
        // It may die before it has answered.
        let run = dying.request("POST", "/jobs/j/run", &[], None);
        let run = run.ok().map(|answer| answer.json()["run_id"].as_str().unwrap().to_owned());
        if failpoint.starts_with("runner") {
            eventually("a runner was started", || dying.list("/runs").iter().any(|run| run["attempt"] != 0));
            dying.kill();
        } else {
            eventually("the daemon dies at its failpoint", || dying.has_ended());
        }
        let daemon = home.start();
        let run = run.unwrap_or_else(|| daemon.list("/runs")[0]["id"].as_str().unwrap().to_owned());
        let run = daemon.finished(&run);
        assert_eq!(
            (&run["outcome"], file(&home, "ran").as_str()),
            (&json!("succeeded"), "ran\n"),
            "{failpoint}: {run}"
        );
        assert_eq!(violations(&home.data()), Vec::<String>::new(), "{failpoint}");
    }
}
