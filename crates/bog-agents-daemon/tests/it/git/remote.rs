//! Repositories of other machines, which are asked: by path, over git's own protocol and over HTTP.

use super::fixture::{Repos, command, events, git, job, seen};
use crate::support::{Home, eventually};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Of a remote only its refs are known.
fn is_bare_news(event: &Value, branch: &str, new: &str) {
    assert_eq!((&event["branch"], &event["new_sha"]), (&json!(branch), &json!(new)));
    assert_eq!((&event["forced"], &event["commits"], &event["commit_count"]), (&Value::Null, &json!([]), &Value::Null));
}

/// Fires for pushes to a remote, also for those made while it was down, and not for those before it was first seen. There
/// are so many triggers with it.
fn asked(home: &Home, repos: &Repos, address: &str, triggers: usize) {
    job(home, "j", address, ", interval: 1s");
    let daemon = home.start();
    seen(home, triggers);
    let second = repos.commit_and_push("second");
    let told = events(&daemon, "j", 1);
    assert_eq!(told[0]["repo"], address);
    is_bare_news(&told[0], "main", &second);
    daemon.kill();
    let third = repos.commit_and_push("third");
    git(&repos.bare, &["gc", "--quiet"]);
    let daemon = home.start();
    is_bare_news(&events(&daemon, "j", 2)[1], "main", &third);
    daemon.well();
}

#[test]
fn an_address_of_a_file_is_asked() {
    let home = Home::new();
    let repos = Repos::new(&home);
    asked(&home, &repos, &format!("file://{}", repos.bare.display()), 1);
}

/// Serves the repositories below a folder over git's own protocol, one `git daemon` per connection, until the test ends.
fn git_daemon(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("git://{}/main.git", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (to, from): (OwnedFd, OwnedFd) =
                (stream.as_ref().unwrap().try_clone().unwrap().into(), stream.unwrap().into());
            let base = format!("--base-path={}", folder.display());
            let mut serve = command(&folder);
            serve.args(["daemon", "--inetd", "--export-all", "--enable=receive-pack", &base]);
            let mut child =
                serve.stdin(Stdio::from(to)).stdout(Stdio::from(from)).stderr(Stdio::null()).spawn().unwrap();
            drop(serve);
            child.wait().unwrap();
        }
    });
    address
}

#[test]
fn a_push_over_gits_own_protocol_fires_here_and_there() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let address = git_daemon(home.path());
    git(&repos.clone, &["remote", "set-url", "origin", &address]);
    repos.job(&home, "folder", "");
    asked(&home, &repos, &address, 2);
    assert_eq!(events(&home.start(), "folder", 2)[1]["forced"], false);
}

/// `git http-backend` behind a small server of Python's.
const SERVER: &str = r#"
import os, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def serve(self):
        path, _, query = self.path.partition("?")
        size = int(self.headers.get("Content-Length") or 0)
        env = dict(os.environ, GIT_PROJECT_ROOT=sys.argv[1], GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(size),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), REMOTE_USER="pusher",
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        if path.startswith("/closed"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="closed"')
            self.end_headers()
            return
        said = subprocess.run(["git", "http-backend"], input=self.rfile.read(size), env=env, stdout=subprocess.PIPE).stdout
        head, _, body = said.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
        status = next((int(value.split()[0]) for name, value in lines if name == "Status"), 200)
        self.send_response(status)
        for name, value in lines:
            if name != "Status": self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = serve
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A server of Git over HTTP. Ended with the value.
struct Http {
    child: Child,
    port: u16,
}

impl Http {
    fn serve(folder: &Path) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", SERVER])
            .arg(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", "2")
            .envs([("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")])
            .envs([("GIT_CONFIG_KEY_1", "http.receivepack"), ("GIT_CONFIG_VALUE_1", "true")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_push_over_http_fires_here_and_there() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let http = Http::serve(home.path());
    let address = format!("http://127.0.0.1:{}/main.git", http.port);
    git(&repos.clone, &["remote", "set-url", "origin", &address]);
    repos.job(&home, "folder", "");
    asked(&home, &repos, &address, 2);
    assert_eq!(events(&home.start(), "folder", 2)[1]["forced"], false);
}

#[test]
fn a_remote_that_does_not_answer_is_a_problem_and_holds_up_nobody() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let http = Http::serve(home.path());
    // Listens, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    job(&home, "silent", &format!("git://{}/a.git", silent.local_addr().unwrap()), ", interval: 1s");
    job(&home, "closed", &format!("http://127.0.0.1:{}/closed.git", http.port), ", interval: 1s");
    job(&home, "gone", "git://127.0.0.1:1/a.git", ", interval: 1s");
    repos.job(&home, "j", "");
    let daemon = home.start();
    seen(&home, 1);
    repos.commit_and_push("second");
    events(&daemon, "j", 1);
    let problem = daemon.problem("closed.git");
    assert!(problem.contains("could not read Username"), "nobody is asked: {problem}");
    daemon.problem("127.0.0.1:1/a.git");
    // What listens no more is refused, and what answers again is well.
    drop(silent);
    let path: PathBuf = home.path().join("main.git");
    job(&home, "closed", &format!("file://{}", path.display()), ", interval: 1s");
    seen(&home, 2);
}

#[test]
fn what_a_jobs_own_run_may_have_pushed_to_a_remote_carries_its_cause() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let address = git_daemon(home.path());
    let work = home.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let text = format!(
        "agent: {{command: [sh, -c, 'until [ -e go ]; do sleep 0.05; done']}}\nworking_dir: {}\n\
         triggers: [{{type: git_push, repo: '{address}', interval: 1s}}]\n",
        work.display()
    );
    home.job("shut", &text);
    home.job("open", &format!("{text}sandbox: {{network: full}}\n"));
    let daemon = home.start();
    seen(&home, 2);
    for job in ["open", "shut"] {
        let run = daemon.fire(job);
        daemon.run_when(&run, "running", |run| run["state"] == "running");
    }
    repos.commit_and_push("second");
    let mut fires = Vec::new();
    for (job, depth) in [("open", 1), ("shut", 0)] {
        eventually("the push has fired", || {
            fires = daemon.list(&format!("/fires?job={job}"));
            fires.len() == 2
        });
        assert_eq!(fires[1]["cause"]["depth"], depth, "{job}: {fires:?}");
    }
    std::fs::write(work.join("go"), "").unwrap();
}
