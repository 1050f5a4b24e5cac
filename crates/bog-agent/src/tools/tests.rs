//! The tools, called as a model calls them.

use super::{Roots, Tool, Toolbox};
use crate::chat::{Arguments, ToolCall};
use crate::environment::Environment;
use crate::model::http;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

struct World {
    folder: tempfile::TempDir,
    toolbox: Toolbox,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let environment =
        Environment::new(vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), folder.path().into())]);
    let client = http::client(&environment).unwrap();
    let toolbox = Toolbox::new(Roots::open(folder.path(), &[], &[]).unwrap(), environment, client);
    World { folder, toolbox }
}

impl World {
    fn put(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn call(&self, tool: Tool, arguments: Value) -> Result<String, String> {
        let call = ToolCall {
            id: "c".to_owned(),
            name: tool.as_str().to_owned(),
            arguments: Arguments::from_value(arguments),
        };
        self.toolbox.call(tool, &call).await
    }

    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main"]);
        assert!(command.args(args).current_dir(self.folder.path()).output().unwrap().status.success(), "{args:?}");
    }
}

#[test]
fn every_tool_has_a_schema_that_names_its_parameters() {
    for tool in Tool::ALL {
        let spec = tool.spec();
        assert_eq!(Tool::of_name(&spec.name), Some(tool));
        assert_eq!(spec.parameters["type"], "object", "{}", spec.name);
        for required in spec.parameters["required"].as_array().unwrap() {
            assert!(spec.parameters["properties"].get(required.as_str().unwrap()).is_some(), "{}", spec.name);
        }
    }
}

#[tokio::test]
async fn files_are_listed_read_and_found() {
    let world = world();
    world.put("src/main.rs", "fn main() {\n    hello();\n}\n");
    world.put("src/deep/lib.rs", "pub fn hello() {}\n");
    world.put("target/junk.rs", "fn hello() {}");
    world.put(".gitignore", "target\n");
    world.put("data.bin", "a\0b");
    let ls = world.call(Tool::Ls, json!({})).await.unwrap();
    assert_eq!(ls, ".gitignore 7\ndata.bin 3\nsrc/\ntarget/");
    let glob = world.call(Tool::Glob, json!({"pattern": "**/*.rs"})).await.unwrap();
    assert_eq!(glob, "src/deep/lib.rs\nsrc/main.rs");
    let grep =
        world.call(Tool::Grep, json!({"pattern": "HELLO", "ignore_case": true, "include": "*.rs"})).await.unwrap();
    assert_eq!(grep, "src/deep/lib.rs:1: pub fn hello() {}\nsrc/main.rs:2:     hello();");
    let read = world.call(Tool::Read, json!({"path": "src/main.rs", "offset": 2, "limit": 1})).await.unwrap();
    assert_eq!(read, "2\t    hello();\n[there is more; `offset: 3` shows it]");
    for (tool, arguments, expected) in [
        (Tool::Read, json!({"path": "data.bin"}), "no text file"),
        (Tool::Read, json!({"path": "src"}), "no regular file"),
        (Tool::Read, json!({"path": "src/main.rs", "offset": 9}), "only 3 lines"),
        (Tool::Read, json!({"path": "nothing"}), "does not exist"),
        (Tool::Read, json!({"path": "../x"}), "outside"),
        (Tool::Read, json!({"file": "x"}), "unknown field `file`"),
        (Tool::Grep, json!({"pattern": "("}), "no regular expression"),
        (Tool::Glob, json!({"pattern": "["}), "no glob"),
    ] {
        let error = world.call(tool, arguments).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn long_files_lists_and_results_come_in_parts() {
    let world = world();
    world.put("long", &(1..=10_000).map(|number| format!("line {number}\n")).collect::<String>());
    world.put("wide", &"x".repeat(100_000));
    let read = world.call(Tool::Read, json!({"path": "long"})).await.unwrap();
    assert!(read.ends_with("`offset: 2001` shows it]") && read.len() < 33_000, "{}", read.len());
    let rest = world.call(Tool::Read, json!({"path": "long", "offset": 9999})).await.unwrap();
    assert_eq!(rest, "9999\tline 9999\n10000\tline 10000\n");
    let wide = world.call(Tool::Read, json!({"path": "wide"})).await.unwrap();
    assert!(wide.contains("[line cut]") && wide.len() < 3000);
    let grep = world.call(Tool::Grep, json!({"pattern": "line", "path": "long", "offset": 200})).await.unwrap();
    assert!(grep.starts_with("long:201: line 201") && grep.ends_with("`offset: 400` shows more]"));
    let cut = world.toolbox.cut("c", "y\n".repeat(100_000));
    assert!(cut.contains("`result:c`"));
    let part = world.call(Tool::Read, json!({"path": "result:c", "offset": 90_000, "limit": 1})).await.unwrap();
    assert!(part.starts_with("90000\ty\n"));
}

#[tokio::test]
async fn commands_have_a_deadline_and_a_status() {
    let world = world();
    let shell = |command: &str| json!({"command": command, "timeout_seconds": 60});
    assert_eq!(
        world.call(Tool::Shell, shell("pwd")).await.unwrap().trim_end(),
        world.toolbox.roots.cwd().to_str().unwrap()
    );
    assert!(world.call(Tool::Shell, shell("echo no; exit 3")).await.unwrap_err().starts_with("no\n[exit status: 3]"));
    let late = json!({"command": "sleep 1000", "timeout_seconds": 1});
    assert!(world.call(Tool::Shell, late).await.unwrap_err().contains("longer than 1 s"));
}

#[tokio::test]
async fn a_repository_is_looked_at() {
    let world = world();
    world.git(&["init"]);
    world.put("a.txt", "one\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-m", "first"]);
    let git = |command: &str| json!({"command": command});
    assert!(world.call(Tool::Git, git("log --oneline")).await.unwrap().ends_with("first\n"));
    world.put("a.txt", "two\n");
    assert!(world.call(Tool::Git, git("diff")).await.unwrap().contains("+two"));
    assert_eq!(world.call(Tool::Git, git("branch --show-current")).await.unwrap(), "main\n");
    assert!(world.call(Tool::Git, git("commit -m x")).await.unwrap_err().contains("only reads"));
}

/// A repository that names programs wherever git would run one.
#[tokio::test]
async fn a_hostile_repository_runs_nothing() {
    let world = world();
    world.git(&["init"]);
    world.put("a.txt", "one\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-m", "first"]);
    let evil = world.folder.path().join("evil.sh");
    fs::write(&evil, format!("#!/bin/sh\ntouch '{}/pwned'\ncat\n", world.folder.path().display())).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    let evil = evil.to_str().unwrap();
    for key in [
        "core.fsmonitor",
        "core.pager",
        "pager.log",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "gpg.program",
        "core.sshCommand",
        "core.alternateRefsCommand",
    ] {
        world.git(&["config", key, evil]);
    }
    world.git(&["config", "filter.evil.required", "true"]);
    world.git(&["config", "log.showSignature", "true"]);
    world.put(".gitattributes", "* filter=evil diff=evil\n");
    world.put("a.txt", "two\n");
    // The proof that it is hostile.
    let plain = Command::new("git").args(["status"]).current_dir(world.folder.path()).output().unwrap();
    assert!(world.folder.path().join("pwned").exists(), "{plain:?}");
    fs::remove_file(world.folder.path().join("pwned")).unwrap();
    for command in
        ["status", "diff", "log -p", "show", "blame a.txt", "grep two", "log --format=%G?", "diff HEAD", "ls-files -m"]
    {
        let _ = world.call(Tool::Git, json!({"command": command})).await;
        assert!(!world.folder.path().join("pwned").exists(), "{command}");
    }
    assert!(world.call(Tool::Git, json!({"command": "diff"})).await.unwrap().contains("+two"));
    world.git(&["config", "core.worktree", "/etc"]);
    let error = world.call(Tool::Git, json!({"command": "grep root"})).await.unwrap_err();
    assert!(error.contains("`/etc`"), "{error}");
}
