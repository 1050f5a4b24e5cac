//! Many targets, most of them broken: the good ones are told at once, and the record stays small.

use super::receiver::Receiver;
use super::{deliveries, home_with};
use crate::support::eventually;
use serde_json::json;

#[test]
fn forty_good_targets_wait_for_none_of_sixty_broken_ones() {
    let receiver = Receiver::start();
    // None of those that hang lets go before the test allows it: the good ones cannot have waited for any of them.
    let home = home_with("[outputs]\ntimeout = '10m'\n");
    let mut outputs = Vec::new();
    for n in 0..30_u8 {
        outputs.push(format!("{{type: webhook, url: '{}'}}", receiver.url_at(100 + n, "/hang")));
        outputs
            .push(format!("{{type: webhook, url: '{}'}}", receiver.url_at(140 + n, &format!("/status/40{}", n % 5))));
    }
    for n in 0..20_u8 {
        outputs.push(format!("{{type: webhook, url: '{}'}}", receiver.url_at(n + 1, "/good")));
        outputs.push(format!("{{type: file, path: '{}/out-{n}.md'}}", home.path().display()));
    }
    home.job("j", &format!("agent: {{command: [echo, said]}}\noutputs: [{}]\n", outputs.join(", ")));
    let daemon = home.start();
    let run = daemon.fire("j");
    let state = |state: &str| deliveries(&daemon, &format!("run={run}&state={state}")).len();
    eventually("the good ones are told", || state("delivered") == 40);
    eventually("those that refuse are given up", || state("gave_up") == 30);
    assert_eq!(state("pending"), 30, "those that hang still hang");
    assert_eq!((receiver.count("/good"), receiver.count("/hang")), (20, 30));

    let record = daemon.get(&format!("/runs/{run}"));
    let errors = record["dispatch_errors"].as_array().unwrap();
    assert_eq!((&record["outcome"], errors.len()), (&json!("succeeded"), 21));
    assert_eq!(errors[20], json!({ "target": "(overflow)", "error": "10 more gave up" }));
    let listed = daemon.get("/runs")["items"][0].to_string();
    assert!(listed.len() < 8192, "{} bytes", listed.len());
    let shown = String::from_utf8(home.run(&["runs", "show", &run]).stdout).unwrap();
    assert!(shown.contains("(overflow): 10 more gave up"), "{shown}");
    receiver.be_willing();
    eventually("the rest is told in the end", || state("delivered") == 70);
}

#[test]
fn a_flood_to_a_host_that_hangs_leaves_the_others_theirs() {
    let receiver = Receiver::start();
    let home = home_with("max_concurrent = 4\n[outputs]\ntimeout = '10m'\n");
    let job = |id: &str, url: String| {
        home.job(id, &format!("agent: {{command: ['true']}}\noutputs: [{{type: webhook, url: '{url}'}}]\n"));
    };
    for n in 0..12 {
        job(&format!("slow-{n}"), receiver.url_at(2, &format!("/hang/{n}")));
    }
    job("good", receiver.url_at(3, "/good"));
    let daemon = home.start();
    for n in 0..12 {
        daemon.fire(&format!("slow-{n}"));
    }
    eventually("as many hang as may", || receiver.requests().len() == 4);
    let run = daemon.fire("good");
    super::delivery_when(&daemon, &run, "delivered");
    assert_eq!(receiver.requests().len(), 5, "and no more than four at once");
    receiver.be_willing();
    eventually("all are told in the end", || daemon.get("/health")["deliveries_pending"] == 0);
}
