//! `kill -9` between outcome and delivery, again and again: each delivery arrives at least once, and always under the same
//! key.

use super::deliveries;
use super::receiver::Receiver;
use crate::support::{Home, eventually, violations};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Lives of the daemon.
const LIVES: u32 = 30;

const FAILPOINTS: [&str; 5] =
    ["store.finish", "outbox.intended", "outbox.before_send", "outbox.delivered", "store.deliver"];

#[test]
fn each_delivery_arrives_under_one_key_however_often_the_daemon_dies() {
    let seed = std::env::var("BOG_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("BOG_CHAOS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (home, receiver) = (Home::new(), Receiver::start());
    receiver.be_willing();
    let work = home.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let yaml = format!(
        "agent: {{command: [sh, -c, 'echo $BOG_RUN_ID >> ran; echo said by $BOG_RUN_ID']}}\nworking_dir: {0}\n\
         outputs: [{{type: webhook, url: '{1}'}}, {{type: webhook, url: '{2}'}}, {{type: file, path: '{0}/out'}}]\n",
        work.display(),
        receiver.url_at(1, "/one"),
        receiver.url_at(2, "/two")
    );
    home.job("j", &yaml);
    let mut accepted = BTreeSet::new();
    for _ in 0..LIVES {
        let failpoint = FAILPOINTS[random.random_range(0..FAILPOINTS.len())];
        let armed = format!("{failpoint}=kill@{}", random.random_range(1..5));
        let variables = [("BOG_FAILPOINTS", armed.as_str())];
        let armed = if random.random_bool(0.7) { &variables[..] } else { &[] };
        // Killed before it is ready is a kill like any other.
        let Ok(daemon) = home.start_with(armed) else { continue };
        for _ in 0..random.random_range(1..4) {
            if let Ok(answer) = daemon.request("POST", "/jobs/j/run", &[], None) {
                accepted.insert(answer.json()["run_id"].as_str().unwrap().to_owned());
            }
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..150)));
        daemon.kill();
    }
    let daemon = home.start();
    eventually("everything is told", || {
        let health = daemon.get("/health");
        [&health["running"], &health["queued"], &health["deliveries_pending"]].iter().all(|n| **n == 0)
    });
    assert!(accepted.len() > 10, "the lives did too little to prove anything: {}", accepted.len());
    let ran = std::fs::read_to_string(work.join("ran")).unwrap();
    let mut runs: Vec<&str> = ran.lines().collect();
    runs.sort_unstable();
    assert!(runs.windows(2).all(|pair| pair[0] != pair[1]), "an agent ran again: {runs:?}");

    // Which delivery each request said it was, by run and target.
    let mut keys: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for request in receiver.requests() {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let run = body["run_id"].as_str().unwrap().to_owned();
        keys.entry((run, request.path.clone())).or_default().insert(request.key());
    }
    let told = deliveries(&daemon, "job=j");
    for delivery in &told {
        assert_eq!(delivery["state"], "delivered", "{delivery}");
        let target = delivery["target"].as_str().unwrap();
        let Some((_, path)) = target.strip_prefix("webhook:http://").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let sent = keys.get(&(delivery["run_id"].as_str().unwrap().to_owned(), format!("/{path}")));
        let expected: BTreeSet<String> = [delivery["id"].as_str().unwrap().to_owned()].into();
        assert_eq!(sent, Some(&expected), "{delivery}");
    }
    let of_accepted = told.iter().filter(|one| accepted.contains(one["run_id"].as_str().unwrap())).count();
    assert_eq!(of_accepted, accepted.len() * 3, "what was accepted is told to all three");
    let out = std::fs::read_to_string(work.join("out")).unwrap();
    let mut lines: Vec<&str> = out.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((lines.len(), all), (told.len() / 3, told.len() / 3), "once in the file: {out}");
    daemon.stop();
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}
