//! When a delivery is tried again, and when it is not any more.

use super::receiver::Receiver;
use super::{Clock, deliveries, delivery_when, home_with};
use crate::support::{Home, eventually, violations};
use serde_json::json;

fn seconds_until(at: &serde_json::Value, from: &serde_json::Value) -> f64 {
    let time = |value: &serde_json::Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    time(at).duration_since(time(from)).as_secs_f64()
}

/// A job that says something to a webhook.
fn told(home: &Home, id: &str, url: &str, more: &str) {
    home.job(id, &format!("agent: {{command: [echo, said]}}\noutputs: [{{type: webhook, url: '{url}'{more}}}]\n"));
}

#[test]
fn what_the_target_asks_for_is_kept_to() {
    let (home, receiver) = (Home::new(), Receiver::start());
    told(&home, "j", &receiver.url("/wait/7200"), "");
    let clock = Clock::of(&home);
    let daemon = home.start_with(&[clock.variable()]).unwrap();
    let run = daemon.fire("j");
    let waiting = delivery_when(&daemon, &run, "retrying");
    let asked = seconds_until(&waiting["next_attempt_at"], &waiting["updated_at"]);
    assert!((7199.0..=7201.0).contains(&asked), "{waiting}");
    receiver.be_willing();
    clock.set(7100);
    daemon.kill();
    let daemon = home.start_with(&[clock.variable()]).unwrap();
    assert_eq!(delivery_when(&daemon, &run, "retrying")["attempts"], 1, "not before, and not by a new daemon either");
    clock.set(7205);
    let taken = delivery_when(&daemon, &run, "delivered");
    assert_eq!(taken["attempts"], 2);
    let keys: Vec<_> = receiver.requests().iter().map(|request| request.key()).collect();
    assert_eq!(keys, [taken["id"].as_str().unwrap(), taken["id"].as_str().unwrap()]);
}

#[test]
fn after_a_day_it_gives_up_with_a_last_attempt() {
    let (home, receiver) = (Home::new(), Receiver::start());
    told(&home, "j", &receiver.url("/wait/999999"), "");
    let clock = Clock::of(&home);
    let daemon = home.start_with(&[clock.variable()]).unwrap();
    let run = daemon.fire("j");
    let waiting = delivery_when(&daemon, &run, "retrying");
    let left = seconds_until(&waiting["next_attempt_at"], &waiting["created_at"]);
    assert!((86_399.0..=86_401.0).contains(&left), "bounded by the deadline: {waiting}");
    clock.set(86_400);
    let gave_up = delivery_when(&daemon, &run, "gave_up");
    assert_eq!((&gave_up["attempts"], receiver.count("/wait/999999")), (&json!(2), 2));
    let run = daemon.get(&format!("/runs/{run}"));
    assert_eq!((&run["outcome"], run["dispatch_errors"].as_array().unwrap().len()), (&json!("succeeded"), 1));
    assert_eq!(daemon.get("/health")["deliveries_lost"], 1);
    daemon.well();
}

#[test]
fn a_target_that_takes_nothing_for_long_is_a_problem() {
    let (home, receiver) = (Home::new(), Receiver::start());
    told(&home, "j", &receiver.url("/later/x"), "");
    let clock = Clock::of(&home);
    let daemon = home.start_with(&[clock.variable()]).unwrap();
    let run = daemon.fire("j");
    delivery_when(&daemon, &run, "retrying");
    clock.set(1000);
    let problem = daemon.problem("has taken nothing for 1");
    assert!(problem.contains("1 delivery waits") && problem.contains("503"), "{problem}");
    receiver.be_willing();
    clock.set(2000);
    delivery_when(&daemon, &run, "delivered");
    daemon.well();
}

#[test]
fn one_that_got_no_answer_is_unknown_until_it_has_one() {
    let (home, receiver) = (home_with("[outputs]\ntimeout = '1s'\n"), Receiver::start());
    told(&home, "j", &receiver.url("/hang"), "");
    let daemon = home.start();
    let run = daemon.fire("j");
    let unknown = delivery_when(&daemon, &run, "unknown");
    assert!(unknown["next_attempt_at"].is_string(), "it is tried again: {unknown}");
    receiver.be_willing();
    let taken = delivery_when(&daemon, &run, "delivered");
    assert!(receiver.requests().iter().all(|request| request.key() == taken["id"].as_str().unwrap()));

    let (home, receiver) = (home_with("[outputs]\ntimeout = '1s'\n"), Receiver::start());
    told(&home, "j", &receiver.url("/hang"), ", retry: {max: 1, backoff: 10ms}");
    let daemon = home.start();
    let run = daemon.fire("j");
    eventually("it is given up", || daemon.get("/health")["deliveries_lost"] == 1);
    let unknown = delivery_when(&daemon, &run, "unknown");
    assert_eq!((&unknown["next_attempt_at"], &unknown["attempts"]), (&serde_json::Value::Null, &json!(2)));
    let said = daemon.get(&format!("/runs/{run}"))["dispatch_errors"][0]["error"].to_string();
    assert!(said.contains("it may have arrived; gave up after 2 attempts"), "{said}");
}

#[test]
fn a_permanent_refusal_is_not_tried_again_and_telling_again_runs_no_agent() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let url = receiver.url("/status/404");
    let work = home.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let yaml = format!(
        "agent: {{command: [sh, -c, 'echo once >> ran; echo said']}}\nworking_dir: {0}\n\
         outputs: [{{type: webhook, url: '{url}'}}, {{type: file, path: '{0}/out'}}]\n",
        work.display()
    );
    home.job("j", &yaml);
    let daemon = home.start();
    let run = daemon.fire("j");
    eventually("both are settled", || {
        daemon.finished(&run)["deliveries"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| matches!(one["state"].as_str().unwrap(), "gave_up" | "delivered"))
    });
    let both = deliveries(&daemon, &format!("run={run}"));
    assert_eq!(
        (&both[0]["state"], &both[0]["attempts"], &both[1]["state"]),
        (&json!("gave_up"), &json!(1), &json!("delivered"))
    );
    std::fs::remove_file(work.join("out")).unwrap();
    for delivery in &both {
        let said = home.run(&["deliveries", "redeliver", delivery["id"].as_str().unwrap()]);
        assert!(said.status.success(), "{said:?}");
    }
    eventually("both were told again", || receiver.count("/status/404") == 2 && work.join("out").exists());
    let keys: Vec<_> = receiver.requests().iter().map(|request| request.key()).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(std::fs::read_to_string(work.join("ran")).unwrap(), "once\n", "the agent ran once");
    assert_eq!(daemon.list("/runs").len(), 1);
    eventually("all is settled", || daemon.get("/health")["deliveries_pending"] == 0);
    daemon.stop();
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn what_a_deleted_job_had_to_say_is_still_told() {
    let (home, receiver) = (Home::new(), Receiver::start());
    told(&home, "j", &receiver.url("/later/x"), ", retry: {backoff: 50ms}");
    let daemon = home.start();
    let run = daemon.fire("j");
    delivery_when(&daemon, &run, "retrying");
    assert_eq!(daemon.request("DELETE", "/jobs/j", &[], None).unwrap().status, 204);
    receiver.be_willing();
    assert_eq!(delivery_when(&daemon, &run, "delivered")["job_id"], "j");
}

#[test]
fn only_what_has_changed_is_told() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let says = home.path().join("says");
    let set = |text: &str| {
        std::fs::write(home.path().join("says.aside"), text).unwrap();
        std::fs::rename(home.path().join("says.aside"), &says).unwrap();
    };
    let yaml = format!(
        "agent: {{command: [cat, '{}']}}\nsandbox: {{read: ['{}']}}\n\
         outputs: [{{type: webhook, url: '{}', when: changed, template: '{{{{ now }}}} {{{{ run.output }}}}'}}]\n",
        says.display(),
        home.path().display(),
        receiver.url("/changed")
    );
    home.job("j", &yaml);
    let daemon = home.start();
    let mut told = Vec::new();
    for text in ["a", "a", "a  \n\n", "b", "b", "a"] {
        set(text);
        let run = daemon.fire("j");
        daemon.finished(&run);
        told.push(deliveries(&daemon, &format!("run={run}")).len());
    }
    assert_eq!(told, [1, 0, 0, 1, 0, 1]);
    eventually("each change was told", || receiver.count("/changed") == 3);
}

#[test]
fn outputs_are_tried_without_a_run() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let yaml = format!(
        "agent: {{command: [echo, said]}}\noutputs: [{{type: webhook, url: '{}'}}, {{type: webhook, url: '{}'}}]\n",
        receiver.url("/status/200"),
        receiver.url("/status/404")
    );
    home.job("j", &yaml);
    let daemon = home.start();
    let said = home.run(&["outputs", "test", "j"]);
    assert_eq!(said.status.code(), Some(1), "one of them refuses: {said:?}");
    let table = String::from_utf8(said.stdout).unwrap();
    assert!(table.contains("delivered") && table.contains("refused") && table.contains("404"), "{table}");
    let sent = receiver.requests();
    assert!(sent.len() == 2 && sent.iter().all(|request| request.body.contains("[sample] ")), "{sent:?}");
    assert_eq!((daemon.list("/runs").len(), deliveries(&daemon, "").len()), (0, 0));
}
