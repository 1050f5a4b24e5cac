//! The tools that a model may call, one file each. All are bounded in size and time, and touch no file outside of the
//! session's folders.

mod cut;
mod edit;
mod fetch;
mod git;
mod glob;
mod grep;
mod ls;
mod process;
mod read;
mod roots;
mod shell;
mod skill;
mod task;
mod todo;
mod walk;
mod write;

pub use roots::Roots;
pub use todo::{Item, State};

use crate::chat::{Arguments, ToolCall, ToolSpec};
use crate::environment::Environment;
use crate::skills::Skill;
use crate::tasks::blocking;
use cut::Kept;
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a tool that only looks at files may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tool of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Lists a folder.
    Ls,
    /// Reads a file.
    Read,
    /// Writes a file.
    Write,
    /// Changes a file.
    Edit,
    /// Finds files by name.
    Glob,
    /// Finds lines by content.
    Grep,
    /// Runs a command.
    Shell,
    /// Looks at a git repository.
    Git,
    /// Fetches a URL.
    Fetch,
    /// Keeps a list of what is to be done.
    Todo,
    /// Gives a part of the work to an agent of its own.
    Task,
    /// Reads a skill.
    Skill,
}

/// What kind of thing a tool does, for people and for permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It reads.
    Read,
    /// It searches.
    Search,
    /// It changes files.
    Edit,
    /// It runs a program.
    Execute,
    /// It reaches out.
    Fetch,
    /// It orders the model's thoughts.
    Think,
    /// Anything at all: a tool of an MCP server.
    Other,
}

impl Kind {
    /// Whether it may change anything, here or elsewhere.
    #[must_use]
    pub const fn may_change(self) -> bool {
        match self {
            Self::Read | Self::Search | Self::Think => false,
            Self::Edit | Self::Execute | Self::Fetch | Self::Other => true,
        }
    }
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 12] = [
        Self::Ls,
        Self::Read,
        Self::Write,
        Self::Edit,
        Self::Glob,
        Self::Grep,
        Self::Shell,
        Self::Git,
        Self::Fetch,
        Self::Todo,
        Self::Task,
        Self::Skill,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ls => "ls",
            Self::Read => "read",
            Self::Write => "write",
            Self::Edit => "edit",
            Self::Glob => "glob",
            Self::Grep => "grep",
            Self::Shell => "shell",
            Self::Git => "git",
            Self::Fetch => "fetch",
            Self::Todo => "todo",
            Self::Task => "task",
            Self::Skill => "skill",
        }
    }

    /// The tool of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// What kind of thing it does.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Ls | Self::Read | Self::Git | Self::Skill => Kind::Read,
            Self::Glob | Self::Grep => Kind::Search,
            Self::Write | Self::Edit => Kind::Edit,
            Self::Shell => Kind::Execute,
            Self::Fetch => Kind::Fetch,
            Self::Todo | Self::Task => Kind::Think,
        }
    }

    /// What the model is told of it.
    #[must_use]
    pub fn spec(self) -> ToolSpec {
        let (description, parameters) = match self {
            Self::Ls => ls::about(),
            Self::Read => read::about(),
            Self::Write => write::about(),
            Self::Edit => edit::about(),
            Self::Glob => glob::about(),
            Self::Grep => grep::about(),
            Self::Shell => shell::about(),
            Self::Git => git::about(),
            Self::Fetch => fetch::about(),
            Self::Todo => todo::about(),
            Self::Task => task::about(),
            Self::Skill => skill::about(),
        };
        ToolSpec { name: self.as_str().to_owned(), description: description.to_owned(), parameters }
    }
}

/// What tools work with.
#[derive(Debug)]
pub struct Toolbox {
    /// Which files.
    pub roots: Arc<Roots>,
    /// What commands get as their environment.
    pub environment: Environment,
    /// Variables that commands do not get.
    pub hidden: Vec<String>,
    /// By way of what commands are started.
    pub through: Vec<OsString>,
    /// How URLs are fetched.
    pub client: Client,
    /// What is known how to be done.
    pub skills: Vec<Skill>,
    /// Which tools there are.
    pub tools: Vec<Tool>,
    /// Big results, as long as they may be read again.
    kept: Mutex<Kept>,
    todo: Mutex<Vec<Item>>,
}

impl Toolbox {
    /// With nothing kept yet.
    #[must_use]
    pub fn new(roots: Roots, environment: Environment, client: Client) -> Self {
        let (hidden, skills, tools) = (Vec::new(), Vec::new(), Vec::new());
        let (kept, todo) = (Mutex::default(), Mutex::default());
        Self { roots: Arc::new(roots), environment, hidden, through: Vec::new(), client, skills, tools, kept, todo }
    }

    /// What is to be done, as the model last wrote it down.
    #[must_use]
    pub fn todo(&self) -> Vec<Item> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads a call of `task`: what the sub-agent is asked.
    ///
    /// # Errors
    /// When the arguments are wrong: how, for the model.
    pub fn task(arguments: &Arguments) -> Result<String, String> {
        args::<task::Args>(arguments, Tool::Task).map(|args| args.prompt)
    }

    /// Makes a call of one of our tools, but of `task`, which is the session's.
    ///
    /// # Errors
    /// When it failed: how, for the model.
    pub async fn call(&self, tool: Tool, call: &ToolCall) -> Result<String, String> {
        let arguments = &call.arguments;
        let roots = Arc::clone(&self.roots);
        match tool {
            Tool::Ls => look(args(arguments, tool)?, move |args| ls::run(&roots, &args)).await,
            Tool::Read => {
                let args: read::Args = args(arguments, tool)?;
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).find(&args.path)?;
                look(args, move |args| read::run(&roots, &args, kept.as_deref())).await
            }
            Tool::Write => look(args(arguments, tool)?, move |args| write::run(&roots, &args)).await,
            Tool::Edit => look(args(arguments, tool)?, move |args| edit::run(&roots, &args)).await,
            Tool::Glob => look(args(arguments, tool)?, move |args| glob::run(&roots, &args)).await,
            Tool::Grep => look(args(arguments, tool)?, move |args| grep::run(&roots, &args)).await,
            Tool::Shell => shell::run(self, &args(arguments, tool)?).await,
            Tool::Git => git::run(self, &args(arguments, tool)?).await,
            Tool::Fetch => fetch::run(&self.client, &args(arguments, tool)?).await,
            Tool::Skill => skill::run(&self.skills, &args(arguments, tool)?),
            Tool::Todo => {
                let (text, items) = todo::run(args(arguments, tool)?);
                *self.todo.lock().unwrap_or_else(PoisonError::into_inner) = items;
                Ok(text)
            }
            Tool::Task => Err("`task` is not to be had here".to_owned()),
        }
    }

    /// Cuts a result that is too long for the model, and keeps all of it to be read in parts.
    #[must_use]
    pub fn cut(&self, id: &str, text: String) -> String {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).cut(id, text)
    }
}

/// What a call does, in a few words.
#[must_use]
pub fn title(call: &ToolCall) -> String {
    let text = |name: &str| match &call.arguments {
        Arguments::Object { value } => value.get(name).and_then(Value::as_str),
        Arguments::Malformed { .. } => None,
    };
    let what =
        ["path", "pattern", "command", "url", "name", "description"].into_iter().find_map(text).unwrap_or_default();
    let what: String = what.chars().take(200).collect();
    if what.is_empty() { call.name.clone() } else { format!("{} {what}", call.name) }
}

/// The file that a call is about.
#[must_use]
pub fn location(call: &ToolCall) -> Option<&str> {
    match &call.arguments {
        Arguments::Object { value } => value.get("path").and_then(Value::as_str),
        Arguments::Malformed { .. } => None,
    }
}

/// Reads arguments.
fn args<T: DeserializeOwned>(arguments: &Arguments, tool: Tool) -> Result<T, String> {
    match arguments {
        Arguments::Object { value } => serde_json::from_value(Value::Object(value.clone()))
            .map_err(|error| format!("the arguments of `{}` are wrong: {error}", tool.as_str())),
        Arguments::Malformed { error, .. } => Err(malformed(tool.as_str(), error)),
    }
}

/// What the model is told of arguments that are no JSON object.
#[must_use]
pub fn malformed(tool: &str, error: &str) -> String {
    format!(
        "the arguments of `{tool}` are no JSON object: {error}; nothing was done, call it again with whole arguments"
    )
}

/// Looks at files, off this thread and for a limited time.
async fn look<A: Send + 'static>(
    args: A,
    work: impl FnOnce(A) -> Result<String, String> + Send + 'static,
) -> Result<String, String> {
    let done = tokio::time::timeout(PATIENCE, blocking(move || work(args))).await;
    done.map_err(|_| format!("it took longer than {} s and was given up", PATIENCE.as_secs()))??
}

/// A parameter: its name, its JSON type, what it is.
type Parameter = (&'static str, &'static str, &'static str);

/// The JSON schema of an object with these parameters, of which the first `required` must be there.
fn object(required: usize, parameters: &[Parameter]) -> Value {
    let properties: Map<String, Value> = parameters
        .iter()
        .map(|(name, kind, about)| ((*name).to_owned(), json!({"type": kind, "description": about})))
        .collect();
    let required: Vec<&str> = parameters.iter().take(required).map(|(name, _, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[cfg(test)]
mod tests;
