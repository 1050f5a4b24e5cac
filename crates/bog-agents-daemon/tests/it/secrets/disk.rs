//! No byte of a secret reaches the disk, whatever a job does with it and however it ends.
//!
//! Every kind of job is run with secrets from every place, by an agent that first shows that it has them (their digests)
//! and then says them plain, in pieces and encoded. Then every file that the daemon or its runs wrote is searched.

use crate::support::keyring::Keyring;
use crate::support::{Daemon, Home, eventually};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the agent gets: names and values.
const AGENT: [(&str, &str); 4] = [
    ("ENV_KEY", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("FILE_KEY", "p@ss \"word\"/with\\every%kind+of&character"),
    ("CREDENTIAL_KEY", "Zugangsschlüssel-für-Ünïcode-🦀"),
    ("KEYRING_KEY", "xoxb-123456789012-AbCdEfGhIjKl"),
];

/// What only triggers and outputs are to have, by name.
const OTHERS: [(&str, &str); 5] = [
    ("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("SIGNING_SECRET", "outbound-signing-secret-42"),
    ("SLACK_BOT_TOKEN", "xoxb-another-slack-bot-token"),
    ("SMTP_PASSWORD", "smtp password of the relay"),
    ("GITHUB_TOKEN", "github_pat_11ABCDEFG0123456789"),
];

/// What the agent says last in each stream, as it is heard.
const LAST_WORDS: &str = "child was given [ENV_KEY]";

const OUTPUTS: &str = "
outputs:
  - {type: file, path: 'HOME/out.md'}
  - {type: file, path: 'HOME/whole.md', mode: replace, template: '{{ run.error }} {{ run.output }} {{ event }}'}
  - {type: log}
  - {type: stdout}
  - {type: webhook, url: 'http://127.0.0.1:9/', hmac_secret_env: SIGNING_SECRET, retry: {max: 0}}
  - {type: slack, channel: '#x', retry: {max: 0}}
  - {type: email, to: a@example.com, retry: {max: 0}}
  - {type: github_comment, repo: a/b, issue: 1, api_url: 'http://127.0.0.1:9', retry: {max: 0}}
";

/// A world in which every secret is where it belongs.
struct World {
    home: Home,
    keyring: Keyring,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let keyring = Keyring::start(home.path());
        assert!(keyring.store("KEYRING_KEY", AGENT[3].1));
        for folder in ["work", "places"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        fs::write(home.path().join("places/file"), format!("{}\n", AGENT[1].1)).unwrap();
        fs::write(home.path().join("places/CREDENTIAL_KEY"), AGENT[2].1).unwrap();
        fs::write(home.path().join("work/speak.py"), include_str!("speak.py")).unwrap();
        let nowhere = "[outputs]\nslack_api_url = 'http://127.0.0.1:9'\n";
        fs::write(home.data().join("config.toml"), nowhere).unwrap();
        let world = Self { home, keyring };
        world.job("stdin", "wait", "prompt: 'do it'", "");
        world.job("argument", "end", "prompt: 'do it'", "'--', '{{prompt}}'");
        world.job("environment", "end", "", "");
        world.job("failing", "fail", "retry: {max: 1, backoff: 10ms}", "");
        world.job("slow", "hang", "limits: {wall_clock: 10s, grace: 100ms}", "");
        world.job("cancelled", "hang", "limits: {grace: 100ms}", "");
        world.job("orphaned", "hang", "on_interrupt: fail", "");
        let missing = "agent: {command: [no-such-program]}\nsecrets: [ENV_KEY]\n";
        world.home.job("missing", missing);
        let hook = "agent: {command: ['true']}\ntriggers: [{type: webhook, path: /hooks/x, secret_env: HOOK_SECRET}]\n";
        world.home.job("hook", hook);
        world
    }

    /// A job whose agent speaks and then ends so.
    fn job(&self, id: &str, how: &str, more: &str, words: &str) {
        let home = self.home.path().display();
        let names = AGENT.map(|(name, _)| name).join(", ");
        let words = if words.is_empty() { String::new() } else { format!(", {words}") };
        self.home.job(
            id,
            &format!(
                "agent: {{command: [python3, speak.py, {how}{words}]}}\nworking_dir: '{home}/work'\n\
                 secrets: [{names}]\n{more}\n{}",
                OUTPUTS.replace("HOME", home.to_string().as_str())
            ),
        );
    }

    fn start(&self) -> Daemon {
        let path = |name: &str| self.home.path().join("places").join(name).to_str().unwrap().to_owned();
        let (file, credentials, bus) = (path("file"), path(""), self.keyring.address());
        let places = [
            AGENT[0],
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", "9"),
            ("SMTP_USER", "me"),
            ("FILE_KEY_FILE", file.as_str()),
            ("CREDENTIALS_DIRECTORY", credentials.as_str()),
            ("DBUS_SESSION_BUS_ADDRESS", bus.as_str()),
        ];
        self.home.start_with(&[&places[..], &OTHERS].concat()).unwrap()
    }

    /// Fires a job and waits until all that its agent says was heard.
    fn spoken(&self, daemon: &Daemon, job: &str) -> String {
        let run = daemon.fire(job);
        let heard = || self.events(&run).iter().all(|said| said.contains(LAST_WORDS));
        eventually(&format!("the agent of `{job}` has spoken"), heard);
        run
    }

    fn work(&self, name: &str) -> PathBuf {
        self.home.path().join("work").join(name)
    }

    /// The agent of this run had every secret.
    fn had_all(&self, run: &str) {
        let proof = fs::read_to_string(self.work(&format!("proof-{run}"))).unwrap();
        let line = |(name, value)| format!("{name} {}\n", hex::encode(Sha256::digest(value)));
        assert_eq!(proof, AGENT.map(line).concat(), "the agent did not have its secrets: nothing is proven");
    }

    /// Searches all that the daemon and its runs wrote.
    fn search(&self) {
        let searched = ["data", "work", "daemon.log", "out.md", "whole.md"].map(|name| self.home.path().join(name));
        let found = Search::new().leaks(&searched);
        assert!(found.is_empty(), "secrets on the disk:\n{}", found.join("\n"));
    }

    /// What a run's agent said on standard output and on standard error, as its log has it.
    fn events(&self, run: &str) -> [String; 2] {
        let text = fs::read_to_string(self.home.data().join(format!("runs/{run}/1/events.jsonl"))).unwrap_or_default();
        // The last line may be half written.
        let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        ["stdout", "stderr"].map(|kind| {
            let of_kind = events.iter().filter(|event| event["kind"] == kind);
            of_kind.map(|event| event["data"]["text"].as_str().unwrap()).collect()
        })
    }
}

/// How a value looks: as it is, in base64 at each offset, in hexadecimal, escaped and percent-encoded.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let json = Value::from(value).to_string();
    let mut forms = vec![value.as_bytes().to_vec(), json.trim_matches('"').as_bytes().to_vec()];
    forms.extend([hex::encode(value), hex::encode_upper(value)].map(String::into_bytes));
    for before in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            // Without the digits that the value shares with its neighbours.
            let digits = engine.encode(format!("{}{value}", &"uu"[..before]));
            let first = (before * 8_usize).div_ceil(6);
            forms.push(digits.as_bytes()[first..(before + value.len()) * 8 / 6].to_vec());
        }
    }
    forms
}

/// A search by a program of somebody else's for every form of every secret.
struct Search {
    folder: tempfile::TempDir,
}

impl Search {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let forms: Vec<_> = AGENT.iter().chain(&OTHERS).flat_map(|(_, value)| forms(value)).collect();
        fs::write(folder.path().join("forms"), forms.join(&b'\n')).unwrap();
        fs::create_dir(folder.path().join("joined")).unwrap();
        Self { folder }
    }

    /// Where below these paths a secret stands, also where it goes over a line break.
    fn leaks(&self, paths: &[PathBuf]) -> Vec<String> {
        let joined = self.folder.path().join("joined");
        for (number, file) in paths.iter().flat_map(|path| files(path)).enumerate() {
            // A file may go while the daemon works.
            let Ok(bytes) = fs::read(&file) else { continue };
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| !b"\r\n".contains(byte)).collect();
            fs::write(joined.join(format!("{number}-{}", file.file_name().unwrap().display())), bytes).unwrap();
        }
        let mut grep = Command::new("grep");
        grep.args(["--recursive", "--text", "--only-matching", "--fixed-strings", "--devices=skip", "--no-messages"]);
        grep.arg("--file").arg(self.folder.path().join("forms")).args(paths).arg(joined);
        let found = grep.env("LC_ALL", "C").output().unwrap().stdout;
        String::from_utf8_lossy(&found).lines().map(str::to_owned).collect()
    }

    fn leaks_in(&self, text: &str) -> Vec<String> {
        let file = self.folder.path().join("text");
        fs::write(&file, text).unwrap();
        self.leaks(&[file])
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.flat_map(|entry| files(&entry.path())).collect()
        }
        Ok(metadata) if metadata.is_file() => vec![path.to_owned()],
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// The runner of a run.
fn runner_of(run: &str) -> String {
    let mut pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_runner = |pid: &String| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with("bog-agents-daemon\0runner\0") && line.contains(run)
    };
    pids.find(is_runner).unwrap_or_else(|| panic!("run {run} has no runner"))
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let search = Search::new();
    for (name, value) in AGENT.iter().chain(&OTHERS) {
        for text in [value.to_string(), hex::encode(value), hex::encode_upper(value), Value::from(*value).to_string()] {
            assert!(!search.leaks_in(&text).is_empty(), "{name} as {text}");
        }
        for before in ["", "u", "us", "user:"] {
            let text = STANDARD_NO_PAD.encode(format!("{before}{value}\n"));
            let (one, two) = text.split_at(text.len() / 2);
            for text in [text.clone(), format!("{one}\n{two}")] {
                assert!(!search.leaks_in(&text).is_empty(), "{name} as {text}");
            }
        }
    }
    assert_eq!(search.leaks_in("[ENV_KEY] and nothing else"), Vec::<String>::new());
}

#[test]
fn nothing_secret_is_on_the_disk_whatever_jobs_do() {
    let world = World::new();
    let daemon = world.start();
    // It goes on beside the others until its time is up.
    let slow = world.spoken(&daemon, "slow");
    let mut runs = vec![slow.clone()];
    for (job, outcome) in [("argument", "succeeded"), ("environment", "succeeded"), ("failing", "failed")] {
        let run = world.spoken(&daemon, job);
        assert_eq!(daemon.finished(&run)["outcome"], outcome, "{job}");
        runs.push(run);
    }
    let missing = daemon.finished(&daemon.fire("missing"));
    assert_eq!(missing["outcome"], "start_failed", "{missing}");

    let run = world.spoken(&daemon, "cancelled");
    let reason = json!({ "reason": format!("because of {}", AGENT[1].1) });
    assert_eq!(daemon.post(&format!("/runs/{run}/cancel"), Some(&reason)).status, 202);
    let cancelled = daemon.finished(&run);
    let error = cancelled["error"].as_str().unwrap();
    assert!(cancelled["outcome"] == "cancelled" && error.contains("because of [FILE_KEY]"), "{cancelled}");
    runs.push(run);

    let run = world.spoken(&daemon, "orphaned");
    assert!(Command::new("kill").args(["-9", &runner_of(&run)]).status().unwrap().success());
    assert_eq!(daemon.finished(&run)["outcome"], "interrupted");
    runs.push(run);

    // An event that holds secrets: the agent is given it without them.
    let payload = json!({ "payload": { "key": AGENT[0].1, AGENT[3].1: [OTHERS[0].1] } });
    let answer = daemon.post("/jobs/environment/run", Some(&payload));
    let run = answer.json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.finished(&run)["outcome"], "succeeded");
    runs.push(run);

    // A mistake in a job's file, which is told as long as it is there.
    let good = fs::read_to_string(world.home.data().join("jobs/hook.yaml")).unwrap();
    world.home.job("hook", &format!("{good}'{}': 1\n", AGENT[3].1));
    let mut edit = Value::Null;
    eventually("the mistake is noticed", || {
        edit = daemon.get("/jobs/hook")["state"]["invalid_edit"].clone();
        edit.is_string()
    });
    assert!(edit.as_str().unwrap().contains("[KEYRING_KEY]"), "{edit}");
    world.home.job("hook", &good);
    eventually("it was put right", || daemon.get("/jobs/hook")["state"]["invalid_edit"].is_null());

    assert_eq!(daemon.finished(&slow)["outcome"], "timed_out");
    let run = world.spoken(&daemon, "stdin");
    eventually("all else is delivered", || daemon.get("/health")["deliveries_pending"] == 0);
    world.search();
    // The daemon dies in the middle of a run, its log of the database not folded in; the next one takes the run over.
    let said = daemon.kill_and_read();
    world.search();
    let daemon = world.start();
    fs::write(world.work("go"), "").unwrap();
    assert_eq!(daemon.finished(&run)["outcome"], "succeeded");
    runs.push(run);
    eventually("everything is delivered", || daemon.get("/health")["deliveries_pending"] == 0);
    answers_hold_none(&daemon);
    let said = said + &daemon.stop_and_read();
    assert_eq!(Search::new().leaks_in(&said), Vec::<String>::new(), "on the daemon's standard output");
    runs.iter().for_each(|run| world.had_all(run));
    world.search();
    what_was_said_was_recorded(&world, &runs, &said);
}

/// The API tells no secret either.
fn answers_hold_none(daemon: &Daemon) {
    let mut paths: Vec<String> = ["/runs?limit=1000", "/fires?limit=1000", "/jobs", "/health", "/jobs/failing/explain"]
        .map(str::to_owned)
        .to_vec();
    for run in daemon.list("/runs") {
        let id = run["id"].as_str().unwrap();
        paths.extend([format!("/runs/{id}"), format!("/runs/{id}/events")]);
    }
    let search = Search::new();
    for path in paths {
        let answer = daemon.request("GET", &path, &[], None).unwrap();
        assert_eq!((answer.status, search.leaks_in(&answer.body)), (200, Vec::new()), "{path}");
    }
}

/// The search would find nothing either where nothing was written.
fn what_was_said_was_recorded(world: &World, runs: &[String], said: &str) {
    let log = fs::read_to_string(world.home.path().join("daemon.log")).unwrap();
    let ledger = String::from_utf8_lossy(&fs::read(world.home.data().join("daemon.db")).unwrap()).into_owned();
    let outputs = ["out.md", "whole.md"].map(|name| fs::read_to_string(world.home.path().join(name)).unwrap());
    for (name, _) in AGENT {
        let mark = format!("{name} is [{name}] and ");
        for (place, text) in [("log", &log), ("ledger", &ledger), ("out.md", &outputs[0]), ("whole.md", &outputs[1])] {
            assert!(text.contains(&mark), "{place} has no `{mark}`");
        }
        assert!(said.contains(&mark), "standard output has no `{mark}`");
        for (run, said) in runs.iter().flat_map(|run| world.events(run).map(|said| (run, said))) {
            for told in [mark.as_str(), "Basic dXNlcj[", LAST_WORDS] {
                assert!(said.contains(told), "{run}: no `{told}` in its events");
            }
        }
    }
    assert!(ledger.contains("cannot go on with [ENV_KEY]"), "no error in the ledger");
}
