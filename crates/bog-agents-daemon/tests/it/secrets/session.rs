//! The keyring and what else answers in the user's session: an agent that may reach it could ask for every secret there is.

use crate::support::Home;
use crate::support::keyring::Keyring;
use std::fs;
use std::os::unix::net::UnixListener;

/// Asks the keyring for what no job names, by the bus that it is told of.
const ASKS: &str =
    "DBUS_SESSION_BUS_ADDRESS=$1 secret-tool lookup service bog-agents-daemon name KEY 2>/dev/null || echo refused";
/// Connects to a socket.
const CONNECTS: &str = "python3 -c \"import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])\" \"$1\" 2>/dev/null \
                        && echo reached || echo refused";

/// What an agent may be granted that has all of the session's sockets in it.
const GRANTS: [&str; 3] = ["{}", "{network: full, read: ['~']}", "{network: full, write: ['~']}"];
const HOST: &str = "{shell: host}";

#[test]
fn the_keyring_cannot_be_asked_from_within() {
    let home = Home::new();
    let keyring = Keyring::start(home.path());
    assert!(keyring.store("KEY", "value-of-the-keyring"));
    let address = keyring.address();
    let runtime = home.path().join("keyring");
    // It is found by its address, and by its usual place.
    for variable in [("DBUS_SESSION_BUS_ADDRESS", address.as_str()), ("XDG_RUNTIME_DIR", runtime.to_str().unwrap())] {
        attack(&home, ASKS, &address, &[variable]).reaches("value-of-the-keyring", "refused");
    }
}

#[test]
fn agents_for_keys_and_runners_of_others_are_out_of_reach() {
    let home = Home::new();
    let runtime = home.path().join("runtime");
    fs::create_dir_all(runtime.join("gnupg")).unwrap();
    let sockets = [runtime.join("gnupg/S.gpg-agent"), home.path().join("agent.1")];
    let _listeners = sockets.each_ref().map(|socket| UnixListener::bind(socket).unwrap());
    let [_, agent] = &sockets;
    let variables = [("XDG_RUNTIME_DIR", runtime.to_str().unwrap()), ("SSH_AUTH_SOCK", agent.to_str().unwrap())];
    for socket in &sockets {
        attack(&home, CONNECTS, socket.to_str().unwrap(), &variables).reaches("reached", "refused");
    }
    // Where the runners listen that cancel for whoever may connect.
    let runners = runtime.join("bog-agents");
    attack(&home, "ls \"$1\" | grep -c . || true", runners.to_str().unwrap(), &variables).reaches("1", "0");
}

/// What an attack says on the host, and under each grant.
struct Said {
    on_host: String,
    within: Vec<String>,
}

impl Said {
    /// The host's own is what shows that the attack is one.
    #[track_caller]
    fn reaches(&self, on_host: &str, within: &str) {
        assert_eq!(self.on_host, on_host);
        assert!(self.within.iter().all(|said| said == within), "{:?} under {GRANTS:?}", self.within);
    }
}

fn attack(home: &Home, script: &str, target: &str, variables: &[(&str, &str)]) -> Said {
    let file = home.path().join("work/attack.sh");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("set -- '{target}'\n{script}\n")).unwrap();
    for (number, grant) in GRANTS.iter().chain(&[HOST]).enumerate() {
        let text = format!(
            "agent: {{command: [sh, attack.sh]}}\nworking_dir: '{}'\nsandbox: {grant}\n",
            file.parent().unwrap().display()
        );
        home.job(&format!("attack-{number}"), &text);
    }
    let daemon = home.start_with(variables).unwrap();
    let mut outputs: Vec<String> = (0..=GRANTS.len())
        .map(|number| {
            let run = daemon.finished(&daemon.fire(&format!("attack-{number}")));
            assert_eq!(run["outcome"], "succeeded", "{run}");
            run["output"].as_str().unwrap().trim().to_owned()
        })
        .collect();
    assert!(daemon.stop().success());
    Said { on_host: outputs.pop().unwrap(), within: outputs }
}
