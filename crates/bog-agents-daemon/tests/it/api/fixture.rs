//! An API over a fresh data folder, and a way to ask it.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bog_agents_daemon::api::{App, Hooks, Reach, Token, router};
use bog_agents_daemon::clock;
use bog_agents_daemon::inbox::Inbox;
use bog_agents_daemon::jobs::Jobs;
use bog_agents_daemon::outbox::{Outbox, UnderWay};
use bog_agents_daemon::outputs::Services;
use bog_agents_daemon::outputs::file::Roots;
use bog_agents_daemon::outputs::http::{Http, Settings};
use bog_agents_daemon::secrets::Secrets;
use bog_agents_daemon::store::{AttemptEnd, Claim, Ended, NewDelivery, Store};
use bog_agents_daemon::telemetry::{Metrics, Problems};
use bog_agents_daemon::wakes::Wakes;
use bog_domain::containment::{
    Confinement, Containment, Enforcer, LimitHeld, LimitKind, Mechanism, Missing, NetworkAccess,
};
use bog_domain::delivery::{AfterDelivery, Purpose};
use bog_domain::hook;
use bog_domain::ids::{DeliveryId, RunId};
use bog_domain::job::Defaults;
use bog_domain::run::{Outcome, Usage};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// An API and what it stands on.
pub struct Api {
    pub folder: TempDir,
    pub store: Store,
    pub inbox: Inbox,
    pub token: Token,
    pub problems: Problems,
    pub secrets: Secrets,
    pub stop: CancellationToken,
    pub router: Router,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of an answer that must have this status.
    pub fn of(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

pub fn app(folder: &Path) -> (App, Store) {
    for name in ["jobs", "revisions", "runs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let secrets = Secrets::new();
    let store = Store::open(&folder.join("daemon.db"), Box::new(|_, _| {})).unwrap().store;
    let store = store.masking(secrets.clone());
    let metrics = Metrics::new();
    let wakes = Arc::new(Wakes::default());
    let inbox = Inbox::new(store.clone(), Arc::clone(&wakes), metrics.clone());
    let jobs = Jobs::new(store.clone(), secrets.clone(), Arc::clone(&wakes), folder, Defaults::default());
    let problems = Problems::new();
    let app = App {
        outbox: Outbox {
            store: store.clone(),
            wakes,
            jobs: jobs.clone(),
            secrets: secrets.clone(),
            metrics: metrics.clone(),
            problems: problems.clone(),
            roots: Roots { home: folder.join("home"), data_dir: folder.join("runs"), more: Vec::new() },
            services: services(secrets.clone()),
            under_way: UnderWay::default(),
        },
        hooks: Hooks::new(hook::Settings::default(), store.clone(), jobs.clone(), secrets.clone()),
        jobs,
        store: store.clone(),
        secrets,
        inbox,
        metrics,
        token: Token::load_or_create(folder).unwrap().0,
        data_dir: folder.to_owned(),
        started_at: clock::now(),
        problems,
    };
    (app, store)
}

fn services(secrets: Secrets) -> Services {
    let http = Http::new(Settings { allow_private: false, ca_file: None, timeout: Duration::from_secs(30) });
    Services { http, secrets, slack_api: "http://127.0.0.1:1".to_owned(), github_api: "http://127.0.0.1:1".to_owned() }
}

impl Api {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (app, store) = app(folder.path());
        let (inbox, token, problems) = (app.inbox.clone(), app.token.clone(), app.problems.clone());
        let secrets = app.secrets.clone();
        let stop = CancellationToken::new();
        let router = router(Arc::new(app), Reach::Loopback, stop.clone());
        Self { folder, store, inbox, token, problems, secrets, stop, router }
    }

    /// Asks with the token, and with what the headers add.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose()));
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let (status, text) = (StatusCode::as_u16(&parts.status), String::from_utf8(bytes.to_vec()).unwrap());
        Answer { status, headers: parts.headers, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask("POST", path, &[], &body).await
    }

    /// Makes a job that runs `true`, with these fields besides.
    pub async fn job(&self, id: &str, more: Value) -> Value {
        let mut spec = json!({ "id": id, "agent": { "command": ["true"] } });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.post("/jobs", &spec).await.of(201)
    }

    /// Fires a job by hand; its run.
    pub async fn fire(&self, id: &str) -> RunId {
        let fired = self.post(&format!("/jobs/{id}/run"), &Value::Null).await.of(202);
        fired["run_id"].as_str().unwrap().parse().unwrap()
    }

    /// Claims a run, as the dispatcher does.
    pub async fn claim(&self, run: RunId) -> Claim {
        let epoch = self.store.begin_epoch("boot".to_owned()).await.unwrap().number;
        let seen = self.store.run(run).await.unwrap().unwrap();
        let claim = Claim { run, attempt: seen.attempt + 1, epoch };
        assert!(self.store.claim(seen, claim, clock::now()).await.unwrap());
        claim
    }

    /// Ends a claimed run, with a delivery for each output that gave up.
    pub async fn finish(&self, claim: Claim, output: &str, gave_up: usize) {
        let delivery = |position: usize| NewDelivery {
            id: DeliveryId::new(clock::new_id()),
            purpose: Purpose::Output,
            position: u32::try_from(position).unwrap(),
            spec: serde_json::from_value(json!({ "type": "file", "path": format!("/tmp/{position}") })).unwrap(),
        };
        let deliveries: Vec<NewDelivery> = (0..gave_up).map(delivery).collect();
        let end = AttemptEnd {
            claim,
            outcome: Outcome::Succeeded,
            exit_code: Some(0),
            error: None,
            output: output.to_owned(),
            output_truncated: false,
            models: Vec::new(),
            usage: Usage { cpu_seconds: Some(0.5), ..Usage::default() },
            containment: Some(contained()),
            limit: None,
            left_behind: 0,
            finished_at: clock::now(),
            then: Ended::Finished(deliveries.clone()),
        };
        assert!(self.store.finish(end).await.unwrap());
        for delivery in deliveries {
            let after = AfterDelivery::GaveUp { error: "no space left".to_owned() };
            self.store.deliver(delivery.id, after, clock::now()).await.unwrap();
        }
    }
}

/// What a run on a machine that has everything is held by.
fn contained() -> Containment {
    let held = [Mechanism::PidNamespace, Mechanism::Landlock, Mechanism::Seccomp];
    let missing = Missing { mechanism: Mechanism::Cgroup, reason: "no subtree is delegated".to_owned() };
    let limit = LimitHeld { limit: LimitKind::Memory, allowed: 2 << 30, by: Enforcer::Watchdog };
    Containment {
        sandbox: Confinement::Enforced,
        network: NetworkAccess::None,
        held: held.to_vec(),
        missing: vec![missing],
        landlock_abi: 7,
        limits: vec![limit],
    }
}

/// A document with everything that differs from run to run replaced by its kind, and its fields by name.
pub fn tidy(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(tidy_text(text)),
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "pid" => json!("[pid]"),
                    "data_dir" => json!("[folder]"),
                    "version" => json!("[version]"),
                    "token" => json!("[token]"),
                    _ => tidy(value),
                };
                (name, value)
            })
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Ids and times among the words of a text, replaced by their kind.
fn tidy_text(text: String) -> String {
    let is_id = |word: &str| word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4;
    let is_time = |word: &str| word.len() >= 20 && word.parse::<jiff::Timestamp>().is_ok();
    let tidy_word = |word: &str| {
        let bare = word.trim_matches(|c: char| "`,;:.()".contains(c));
        if is_id(bare) {
            word.replace(bare, "[id]")
        } else if is_time(bare) {
            word.replace(bare, "[time]")
        } else {
            word.to_owned()
        }
    };
    // Whether there is a keyring to ask is the machine's affair.
    let text = text.split("; the keyring cannot be asked").next().unwrap_or_default();
    text.split(' ').map(tidy_word).collect::<Vec<_>>().join(" ")
}
