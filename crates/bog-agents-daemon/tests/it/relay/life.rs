//! The relay's own life: it ends with its control socket and with its runner, not before what was sent last is passed on.

use super::namespace::{connect, echo, empty, enter, inside, read_all, relay, serve};
use crate::support::{PATIENCE, PROGRAM, eventually, reexec};
use bog_agents_daemon::relay::{Reach, Relay};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

fn is_there(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"bog-agents-daemon\0relay\0"))
}

fn pid(relay: &Relay) -> i32 {
    relay.pid().as_raw()
}

#[test]
fn what_the_agent_says_last_is_passed_on_before_the_end() {
    let (heard, tell) = mpsc::channel();
    let port = serve("127.0.0.1:0", move |mut stream| heard.send(read_all(&mut stream)).unwrap());
    let relay = relay(&Reach::Loopback, &[]);
    let pid = pid(&relay);
    inside(&relay, empty(), "relay::life::child_says_and_dies", &json!({ "port": port }));
    drop(relay);
    assert!(!is_there(pid));
    assert_eq!(tell.recv_timeout(PATIENCE).unwrap().len(), 100_000);
}

#[test]
fn child_says_and_dies() {
    let Some(inside) = enter() else { return };
    let mut stream = connect(&format!("127.0.0.1:{}", inside.port("port")));
    stream.write_all(&[b'x'; 100_000]).unwrap();
}

#[test]
fn a_connection_that_stays_open_does_not_keep_it() {
    // This server never ends what it serves.
    let (keep, _kept) = mpsc::channel();
    let port = serve("127.0.0.1:0", move |stream| keep.send(stream).unwrap());
    let relay = relay(&Reach::Loopback, &[]);
    let pid = pid(&relay);
    inside(&relay, empty(), "relay::life::child_says_and_dies", &json!({ "port": port }));
    drop(relay);
    assert!(!is_there(pid));
}

#[test]
fn it_ends_with_its_control_socket_also_before_the_hand_over() {
    let relay = relay(&Reach::Loopback, &[]);
    let pid = pid(&relay);
    eventually("the relay is up", || is_there(pid));
    drop(relay);
    eventually("the relay ends", || !is_there(pid));
}

#[test]
fn it_ends_with_its_runner() {
    let said = reexec::kill_after(reexec::this("relay::life::child_runner", Path::new("runner")), "relay ", 1);
    let pid: i32 = said[0].parse().unwrap();
    eventually("the relay ends", || !is_there(pid));
}

#[test]
fn child_runner() {
    if reexec::argument().is_none() {
        return;
    }
    let relay = relay(&Reach::Loopback, &[]);
    println!("\nrelay {}", pid(&relay));
    // Until it is killed.
    std::thread::sleep(PATIENCE);
}

#[test]
fn its_environment_holds_no_secret_and_its_arguments_no_password() {
    let mut command = reexec::this("relay::life::child_shows_its_relay", Path::new("x"));
    command.env("SOME_KEY", "a-secret").env("HTTPS_PROXY", "http://me:a-password@127.0.0.1:1").env("BOG_RUN_ID", "7");
    let said = reexec::output(command);
    assert!(said.contains("BOG_RUN_ID=7"), "{said}");
    assert!(said.contains("HTTPS_PROXY=http://me:a-password@127.0.0.1:1"), "{said}");
    assert!(!said.contains("a-secret"), "{said}");
    let arguments = said.split("arguments: ").nth(1).unwrap();
    assert!(arguments.contains("api.example.com:443") && !arguments.contains("a-password"), "{arguments}");
}

#[test]
fn child_shows_its_relay() {
    if reexec::argument().is_none() {
        return;
    }
    let relay = relay(&Reach::hosts(&["api.example.com:443".to_owned()]).unwrap(), &[]);
    let show = |file: &str| String::from_utf8(std::fs::read(format!("/proc/{}/{file}", pid(&relay))).unwrap()).unwrap();
    println!("\nenvironment: {}\narguments: {}", show("environ"), show("cmdline"));
    drop(relay);
}

#[test]
fn by_hand_it_says_whose_it_is() {
    let output = Command::new(PROGRAM).args(["relay", "{}"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "`relay` is for the runner only; use `bog-agents-daemon job run ID` to run a job\n");
    assert!(!output.status.success());
}

#[test]
fn a_door_that_nobody_opened_hinders_nothing() {
    // One runner may have several relays after each other; each has its own doors.
    let port = serve("127.0.0.1:0", echo);
    for _ in 0..3 {
        let relay = relay(&Reach::Loopback, &[]);
        inside(&relay, empty(), "relay::life::child_says_and_dies", &json!({ "port": port }));
        drop(relay);
    }
}
