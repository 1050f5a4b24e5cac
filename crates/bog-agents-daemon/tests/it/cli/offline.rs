//! Without a daemon: jobs are files.

use super::{cli, cli_with};
use crate::support::Home;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const BRIEF: [&str; 10] = [
    "job",
    "add",
    "--name",
    "morning-brief",
    "--cron",
    "0 9 * * 1-5",
    "--prompt",
    "What changed?",
    "--output",
    "slack:#engineering",
];

fn file(home: &Home, id: &str) -> String {
    std::fs::read_to_string(home.data().join(format!("jobs/{id}.yaml"))).unwrap()
}

#[test]
fn the_tour_writes_a_job_file_with_warnings_and_exit_0() {
    let home = Home::new();
    std::fs::remove_dir_all(home.data()).unwrap();
    let said = cli(&home, &BRIEF);
    assert_eq!(said.code, 0, "{said:?}");
    insta::assert_snapshot!(said.err);
    assert!(
        said.out.starts_with("created job `morning-brief`: `HOME/data/jobs/morning-brief.yaml`\nnext slot: "),
        "{said:?}"
    );
    insta::assert_snapshot!(file(&home, "morning-brief").replace(home.path().to_str().unwrap(), "HOME"));
    let path = home.data().join("jobs/morning-brief.yaml");
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(home.data()), mode(home.data().join("jobs")), mode(path)), (0o700, 0o700, 0o600));
}

#[test]
fn a_job_is_never_overwritten() {
    let home = Home::new();
    assert_eq!(cli(&home, &BRIEF).code, 0);
    let was = file(&home, "morning-brief");
    let said = cli(&home, &["job", "add", "--id", "morning-brief", "--", "true"]);
    insta::assert_snapshot!(said.whole());
    assert_eq!(file(&home, "morning-brief"), was);
}

#[test]
fn a_job_lives_and_goes() {
    let home = Home::new();
    home.job("brief", "# mine\nname: Brief\nagent: {command: [echo, hi]} # just so\n");
    let disabled = cli(&home, &["job", "disable", "brief"]);
    assert_eq!((disabled.code, disabled.out.as_str()), (0, "job `brief` is disabled: only `job run` fires it\n"));
    let text = file(&home, "brief");
    assert!(text.starts_with("# mine\nname: Brief\nagent: {command: [echo, hi]} # just so\n"), "{text}");
    assert_eq!(cli(&home, &["job", "list", "--json"]).json()[0]["enabled"], false);
    assert_eq!(cli(&home, &["job", "enable", "brief"]).out, "job `brief` is enabled\n");
    insta::assert_snapshot!(cli(&home, &["job", "show", "brief"]).whole());
    assert_eq!(cli(&home, &["job", "show", "--yaml", "brief"]).out, file(&home, "brief"));
    assert_eq!(cli(&home, &["job", "rm", "brief"]).out, "removed job `brief`\n");
    let gone = cli(&home, &["job", "rm", "brief"]);
    assert_eq!(gone.code, 4);
    insta::assert_snapshot!(gone.whole());
}

#[test]
fn what_a_jobs_runs_really_get_is_shown() {
    let home = Home::new();
    std::fs::write(home.data().join("config.toml"), "[ceilings]\nmemory = '1GiB'\n").unwrap();
    home.job(
        "hooked",
        "agent: {command: [\"true\"]}\nworking_dir: /srv\nsecrets: [ANTHROPIC_API_KEY, GITHUB_TOKEN]\n\
         limits: {cpu: 1.5}\nsandbox: {shell: host, network: full, write: [./out], read: [~/notes]}\n\
         triggers:\n  - {type: cron, id: nine, cron: 0 9 * * *}\n  \
         - {type: webhook, id: hook, path: /hooks/x, secret_env: X_SECRET}\n",
    );
    let shown = cli(&home, &["job", "show", "--effective", "hooked"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    insta::assert_snapshot!(shown.out);
    let told = cli(&home, &["job", "show", "--effective", "hooked", "--json"]).json();
    let hook = &told["triggers"][1];
    assert_eq!(
        (&hook["trigger"], &hook["tier"], &hook["sandbox"]),
        (&"hook".into(), &"event".into(), &"enforce".into())
    );
    assert_eq!(hook["secrets"], serde_json::json!(["ANTHROPIC_API_KEY"]));
    let _daemon = home.start();
    let asked = cli(&home, &["job", "show", "--effective", "hooked", "--json"]).json();
    assert_eq!(
        (&asked["triggers"], &asked["limits"]),
        (&told["triggers"], &told["limits"]),
        "with a daemon as without"
    );
    assert_eq!(cli(&home, &["job", "show", "--effective", "nothing"]).code, 4);
}

#[test]
fn a_file_keeps_its_comments_and_standard_input_will_do() {
    let home = Home::new();
    let text = "name: Good one # mine\nagent: {command: [\"true\"]}\n";
    let said = cli_with(&home, &["job", "add", "--file", "-"], &[], text);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(file(&home, "good-one"), text);
    let said = cli_with(&home, &["job", "add", "--file", "-", "--id", "other", "--disabled"], &[], text);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(cli(&home, &["job", "show", "other", "--json"]).json()["enabled"], false);
}

#[test]
fn what_is_wrong_with_a_job_is_said_with_line_and_column() {
    let home = Home::new();
    let texts = [
        "agent: {command: [\"true\"]}\ntriggers:\n  - {type: cron, cron: \"61 * * * *\"}\n",
        "agent: {command: [\"true\"]}\npromt: x\n",
        "agent: {command: [\"true\"]}\ntimezone: Mars/Olympus\n",
        "name: [unclosed\n",
        "id: No Slug\nagent: {command: [\"true\"]}\n",
        "",
    ];
    let mut all = String::new();
    for text in texts {
        home.job("brief", text);
        let said = cli(&home, &["job", "validate", "data/jobs/brief.yaml"]);
        assert_eq!(said.code, 2, "{said:?}");
        all += &format!("{text}=> {}\n", said.out);
        let added = cli(&home, &["job", "add", "--id", "new", "--file", "data/jobs/brief.yaml"]);
        assert_eq!((added.code, added.out.as_str()), (2, ""), "{added:?}");
    }
    insta::assert_snapshot!(all);
    home.job("brief", texts[0]);
    insta::assert_snapshot!(cli(&home, &["job", "list"]).whole());
}

#[test]
fn a_job_of_10_mb_is_refused() {
    let home = Home::new();
    let text = format!("prompt: \"{}\"\n", "x".repeat(10 << 20));
    let said = cli_with(&home, &["job", "add", "--id", "big", "--file", "-"], &[], &text);
    assert_eq!(said.code, 2, "{said:?}");
    insta::assert_snapshot!(said.err);
    assert!(!home.data().join("jobs/big.yaml").exists());
}

#[test]
fn an_editor_changes_a_job_and_a_bad_edit_is_kept_aside() {
    let home = Home::new();
    home.job("brief", "agent: {command: [echo, one]} # why\n");
    let edit = |script: &str| {
        let variables = [("VISUAL", script), ("TMPDIR", home.path().to_str().unwrap())];
        cli_with(&home, &["job", "edit", "brief"], &variables, "")
    };
    let same = edit("true");
    assert_eq!((same.code, same.out.as_str()), (0, ""), "{same:?}");
    assert!(same.err.ends_with("job `brief` is as it was\n"), "{same:?}");
    let saved = edit("sed -i s/one/two/");
    assert_eq!(saved.out, "saved job `brief`: `HOME/data/jobs/brief.yaml`\n", "{saved:?}");
    assert_eq!(file(&home, "brief"), "agent: {command: [echo, two]} # why\n");
    let bad = edit("sed -i s/agent/agnet/");
    assert_eq!(bad.code, 2, "{bad:?}");
    let kept = bad
        .err
        .split('`')
        .find(|word| word.starts_with("HOME/brief-"))
        .unwrap()
        .replace("HOME", home.path().to_str().unwrap());
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "agnet: {command: [echo, two]} # why\n");
    assert_eq!(file(&home, "brief"), "agent: {command: [echo, two]} # why\n");
    assert_eq!(edit("false").code, 1);
}

#[test]
fn what_only_a_daemon_can_do_says_how_to_start_it() {
    let home = Home::new();
    let run = "01890a5d-ac96-774b-bcce-b302099a8057";
    let commands: [&[&str]; 9] = [
        &["status"],
        &["job", "run", "brief"],
        &["runs", "list"],
        &["runs", "show", run],
        &["runs", "logs", run],
        &["runs", "cancel", run],
        &["fires", "list"],
        &["explain", "brief"],
        &["drain"],
    ];
    for command in commands {
        let said = cli(&home, command);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{command:?}");
        assert_eq!(
            said.err, "error: the daemon is not running: start it with `bog-agents-daemon run`\n",
            "{command:?}"
        );
    }
}

#[test]
fn an_address_nobody_listens_at_is_a_daemon_that_is_not_running() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    std::fs::write(home.data().join("daemon.addr"), &url).unwrap();
    std::fs::write(home.data().join(".token"), "t").unwrap();
    let said = cli(&home, &["status"]);
    assert_eq!(said.code, 3, "{said:?}");
    // The address was only left behind: the files will do. One that was named may belong to other files.
    assert_eq!(cli(&home, &["job", "list"]).code, 0);
    let named = cli_with(&home, &["job", "list"], &[("BOG_DAEMON_URL", &url)], "");
    assert_eq!(named.code, 3, "{named:?}");
    assert_eq!(cli_with(&home, &["status"], &[("BOG_DAEMON_URL", "https://example.com")], "").code, 2);
}

#[test]
fn completions_and_help_survive_a_reader_that_leaves() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = cli(&home, &["completions", shell]);
        assert!(said.code == 0 && said.out.contains("bog-agents-daemon"), "{shell}: {said:?}");
    }
    let mut child =
        home.command().args(["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn bad_input_ends_with_2() {
    let home = Home::new();
    for line in ["", "job", "job add", "job add --id x", "nonsense", "job show", "runs show 7", "job next x --count 0"]
    {
        let said = cli(&home, &line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(said.code, 2, "{line}: {said:?}");
        assert!(said.out.is_empty() && !said.err.is_empty(), "{line}: {said:?}");
    }
}

#[test]
fn doctor_names_what_is_wrong_and_ends_with_1() {
    let home = Home::new();
    std::fs::set_permissions(home.data(), PermissionsExt::from_mode(0o755)).unwrap();
    home.job("brief", "secrets: [MY_SECRET]\nagent: {command: [\"true\"]}\n");
    home.job("broken", "promt: x\n");
    let said = cli_with(&home, &["doctor", "--json"], &[("MY_SECRET", "short")], "");
    assert_eq!(said.code, 1, "{said:?}");
    let findings = said.json();
    let detail = |verdict: &str, check: &str| {
        let found = findings.as_array().unwrap().iter().find(|it| it["verdict"] == verdict && it["check"] == check);
        found.unwrap_or_else(|| panic!("no {verdict} {check}: {findings}"))["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(detail("fail", "permissions"), "others may look into `HOME/data` (755): chmod 700 'HOME/data'");
    assert!(detail("fail", "jobs").starts_with("`HOME/data/jobs/broken.yaml`: line 1, column 1: "));
    assert_eq!(
        detail("warn", "secrets"),
        "secret `MY_SECRET` is shorter than 8 characters and is not masked (job brief)"
    );
    assert_eq!(detail("warn", "daemon"), "not running: `bog-agents-daemon run` starts it");
    assert!(!said.out.contains("short\""), "a value was shown: {said:?}");
}
