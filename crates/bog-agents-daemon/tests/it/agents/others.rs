//! An agent that others wrote, in the sandbox, against a server of model APIs that others wrote.

use crate::support::Home;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The folder of programs that `cargo xtask test` installs from npm.
fn node() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/npm/node_modules");
    assert!(folder.join(".bin/qwen").exists(), "`{}` is not there: `cargo xtask test` installs it", folder.display());
    folder.canonicalize().unwrap()
}

/// The server of model APIs, ended with the test.
struct Mock {
    child: Child,
    url: String,
}

impl Mock {
    fn start(folder: &Path, fixtures: &Value) -> Self {
        let file = folder.join("fixtures.json");
        std::fs::write(&file, fixtures.to_string()).unwrap();
        let mut command = Command::new(node().join(".bin/llmock"));
        command.args(["--port", "0", "--fixtures"]).arg(file).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.trim().to_owned()));
        Self { child, url: url.expect("`llmock` says where it listens") }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_that_others_wrote_asks_writes_and_answers() {
    let home = Home::new();
    let folder = home.path().join("work");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("notes.md");
    let call = json!({ "name": "write_file", "arguments": { "file_path": file, "content": "It was here.\n" } });
    let fixtures = json!({ "fixtures": [
        { "match": { "userMessage": "Leave a note", "hasToolResult": false }, "response": { "toolCalls": [call] } },
        { "match": { "userMessage": "Leave a note", "hasToolResult": true }, "response": { "content": "There is a note." } },
    ] });
    let mock = Mock::start(home.path(), &fixtures);
    let modules = node();
    home.job(
        "j",
        &format!(
            "agent: {{acp: [node, '{0}/@qwen-code/qwen-code/cli.js', --acp]}}\nprompt: Leave a note\nworking_dir: {1}\n\
             sandbox: {{read: ['{0}'], write: [~/.qwen]}}\nenv: [OPENAI_BASE_URL, OPENAI_MODEL]\nsecrets: [OPENAI_API_KEY]\n",
            modules.display(),
            folder.display(),
        ),
    );
    std::fs::create_dir(home.path().join(".qwen")).unwrap();
    let url = format!("{}/v1", mock.url);
    let variables =
        [("OPENAI_BASE_URL", url.as_str()), ("OPENAI_MODEL", "gpt-4o"), ("OPENAI_API_KEY", "sk-of-the-test")];
    let daemon = home.start_with(&variables).unwrap();
    let run = daemon.fire("j");
    let ended = daemon.finished(&run);
    let events = std::fs::read_to_string(home.data().join(format!("runs/{run}/1/events.jsonl"))).unwrap();
    assert_eq!(
        (&ended["outcome"], &ended["output"]),
        (&json!("succeeded"), &json!("There is a note.")),
        "{ended}\n{events}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "It was here.\n", "{events}");
    assert!(events.contains("\"allowed\":true") && events.contains("\"kind\":\"tool_call\""), "{events}");
    assert!(ended["usage"]["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{ended}");
    assert_eq!(
        (&ended["containment"]["sandbox"], &ended["containment"]["network"]),
        (&json!("enforced"), &json!("provider"))
    );
}
