//! What an agent may ask its client for: permission, files, terminals. All of it is answered right here, in the sandbox, at
//! once and by the job's rules: nobody is there to be asked.

use super::Host;
use super::ending::reached;
use super::instructions::{Instructions, Kind};
use super::memory::Memory;
use super::report::Reporter;
use super::terminal::{Terminal, Terminals};
use super::updates::{self, Calls, Update, Used};
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{
    CreateTerminalRequest, Meta, PermissionOptionKind, ReadTextFileRequest, ReadTextFileResponse,
    RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse, SelectedPermissionOutcome,
    TerminalId, WriteTextFileRequest, WriteTextFileResponse,
};
use bog_agent::session::{Budget, Report};
use bog_domain::agent_end::{ModelUsage, minus, plus};
use bog_domain::event::EventKind;
use bog_domain::permission::{Asked, Rule, ToolKind, decide};
use serde_json::json;
use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The largest file that is read for an agent.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The client's side of a conversation. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    reporter: Reporter,
    memory: Arc<Mutex<Memory>>,
    rules: Vec<Rule>,
    working_dir: PathBuf,
    home: PathBuf,
    contained: bool,
    /// Whether it is the built-in agent's.
    is_ours: bool,
    /// What the run may use in all.
    budget: Budget,
    over_budget: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Calls,
    terminals: Terminals,
    closed: bool,
}

impl Client {
    /// The client of a host's conversation.
    pub fn new(host: &Host) -> Self {
        let Instructions { permissions, working_dir, home, contained, settings, .. } = &host.instructions;
        Self(Arc::new(Inner {
            reporter: host.reporter.clone(),
            memory: Arc::clone(&host.memory),
            rules: permissions.clone(),
            working_dir: working_dir.clone(),
            home: home.clone(),
            contained: *contained,
            is_ours: host.instructions.agent == Kind::Builtin,
            budget: settings.budget,
            over_budget: Notify::new(),
            state: Mutex::default(),
        }))
    }

    /// What the built-in agent says of itself; nothing where it is another.
    pub fn report(&self, meta: Option<&Meta>) -> Option<Report> {
        updates::report(meta, self.0.is_ours)
    }

    /// Waits until the agent says that it has spent what the run may cost.
    pub async fn over_budget(&self) {
        self.0.over_budget.notified().await;
    }

    /// Takes an update in.
    pub fn update(&self, update: Update) {
        let used = updates::tell(update.update, &mut self.state().calls, &self.0.reporter, self.0.is_ours);
        match used {
            Some(Used::ByModel(models)) => self.used(models),
            Some(Used::Step(step)) => {
                let latest = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner).latest().to_vec();
                self.used(plus(&latest, &[step]));
            }
            Some(Used::Cost(cost)) => self.used(vec![ModelUsage { cost_usd: Some(cost), ..ModelUsage::default() }]),
            None => {}
        }
    }

    /// The whole conversation has used so much.
    pub fn used(&self, models: Vec<ModelUsage>) {
        let mut memory = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let of_run = plus(memory.carried(), &minus(&models, memory.before()));
        if reached(self.0.budget, &of_run).is_some() {
            self.0.over_budget.notify_one();
        }
        if memory.latest() != models {
            self.0.reporter.used(of_run);
        }
        memory.used(models);
    }

    /// Answers a request for permission.
    pub fn permit(&self, request: &RequestPermissionRequest) -> RequestPermissionResponse {
        let (is_new, call) = {
            let mut state = self.state();
            let is_new = !state.calls.knows(&request.tool_call.tool_call_id);
            (is_new, state.calls.with(&request.tool_call))
        };
        let title = call.title.clone().unwrap_or_else(|| "something".to_owned());
        if is_new {
            // Some agents tell of a call by asking for it.
            let kind = call.kind.unwrap_or(ToolKind::Other).as_str();
            let data = json!({ "id": request.tool_call.tool_call_id, "name": title, "title": title, "kind": kind });
            self.0.reporter.event(EventKind::ToolCall, data);
        }
        let decided = self.decide(call.kind.unwrap_or(ToolKind::Other), &call.paths);
        let (wanted, said) = match &decided {
            Ok(()) => {
                ([PermissionOptionKind::AllowOnce, PermissionOptionKind::AllowAlways], format!("allowed: {title}"))
            }
            Err(why) => (
                [PermissionOptionKind::RejectOnce, PermissionOptionKind::RejectAlways],
                format!("denied: {title}: {why}"),
            ),
        };
        self.0.reporter.event(EventKind::Note, json!({ "text": said, "allowed": decided.is_ok() }));
        let of_kind = |kind: &PermissionOptionKind| request.options.iter().find(|option| option.kind == *kind);
        let chosen = wanted.iter().find_map(of_kind).map(|option| option.option_id.clone());
        RequestPermissionResponse::new(match chosen {
            Some(id) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id)),
            None => RequestPermissionOutcome::Cancelled,
        })
    }

    /// Reads a file, or the lines of it that are wanted.
    pub fn read(&self, request: &ReadTextFileRequest) -> Result<ReadTextFileResponse, Error> {
        let path = self.permitted(ToolKind::Read, &request.path)?;
        let read = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error: std::io::Error| wrong(&path, "be read", &error))?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(refused(format!("`{}` is larger than {FILE_BYTES} bytes: read a part of it", path.display())));
        }
        let text = String::from_utf8_lossy(&bytes);
        if request.line.is_none() && request.limit.is_none() {
            return Ok(ReadTextFileResponse::new(text));
        }
        let first = request.line.unwrap_or(1).max(1) as usize - 1;
        let count = request.limit.map_or(usize::MAX, |limit| limit as usize);
        Ok(ReadTextFileResponse::new(text.split_inclusive('\n').skip(first).take(count).collect::<String>()))
    }

    /// Writes a file, and the folders that it is to be in.
    pub fn write(&self, request: &WriteTextFileRequest) -> Result<WriteTextFileResponse, Error> {
        let path = self.permitted(ToolKind::Edit, &request.path)?;
        let folder = path.parent().unwrap_or(&path);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &request.content));
        written.map(|()| WriteTextFileResponse::new()).map_err(|error| wrong(&path, "be written", &error))
    }

    /// Starts a command; what comes with its terminal must be run.
    pub fn start(
        &self,
        request: &CreateTerminalRequest,
    ) -> Result<(TerminalId, impl Future<Output = ()> + Send + use<>), Error> {
        self.decide(ToolKind::Execute, &[]).map_err(refused)?;
        let mut state = self.state();
        if state.closed {
            return Err(refused("the conversation is over"));
        }
        state
            .terminals
            .create(request, &self.0.working_dir)
            .map_err(|error| refused(format!("`{}` cannot be started: {error}", request.command)))
    }

    /// The terminal of an id.
    pub fn terminal(&self, id: &TerminalId) -> Result<Arc<Terminal>, Error> {
        self.state().terminals.get(id).ok_or_else(|| unknown(id))
    }

    /// Ends a terminal and forgets it.
    pub fn release(&self, id: &TerminalId) -> Result<(), Error> {
        self.state().terminals.release(id).ok_or_else(|| unknown(id))
    }

    /// Ends whatever it started.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.terminals.release_all();
    }

    fn permitted(&self, kind: ToolKind, path: &Path) -> Result<PathBuf, Error> {
        self.decide(kind, &[path.to_owned()])
            .map_err(|why| refused(format!("`{}`: {why}", path.display())))
            .map(|()| self.0.working_dir.join(path))
    }

    fn decide(&self, kind: ToolKind, paths: &[PathBuf]) -> Result<(), bog_domain::permission::Denied> {
        let Inner { working_dir, home, contained, rules, .. } = &*self.0;
        decide(rules, &Asked { kind, paths, working_dir, home, contained: *contained })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(why: impl ToString) -> Error {
    let mut error = Error::internal_error();
    error.message = why.to_string();
    error
}

fn wrong(path: &Path, what: &str, error: &std::io::Error) -> Error {
    refused(format!("`{}` cannot {what}: {error}", path.display()))
}

fn unknown(id: &TerminalId) -> Error {
    refused(format!("there is no terminal `{id}`"))
}
