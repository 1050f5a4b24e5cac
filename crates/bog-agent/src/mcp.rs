//! MCP servers: programs and addresses that bring tools of their own (modelcontextprotocol.io).
//!
//! Their tools are called `SERVER__TOOL`. A server that cannot be reached is told, and the session goes on without it, unless
//! it is required.

use crate::chat::{Arguments, ToolCall, ToolSpec};
use crate::environment::Environment;
use crate::{launch, session};
use globset::{Glob, GlobSet, GlobSetBuilder};
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock};
use rmcp::service::{RunningService, serve_client};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;

/// How long a server may take to be there and list its tools, and to answer a call.
const START: Duration = Duration::from_secs(60);
const CALL: Duration = Duration::from_secs(300);

/// The longest name of a tool that every provider takes.
const NAME: usize = 64;

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Address {
    /// What it is called.
    pub name: String,
    /// How it is reached.
    pub way: Way,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Way {
    /// A program that speaks on its standard streams.
    Program {
        /// The program.
        command: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// What it gets besides the environment of commands.
        env: Vec<(String, String)>,
    },
    /// A URL.
    Http {
        /// The URL.
        url: String,
        /// What is sent with every request.
        headers: Vec<(String, String)>,
    },
}

/// Shows no value of a variable or a header: many are secrets.
impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Program { command, .. } => f.debug_tuple("Program").field(command).finish(),
            Self::Http { url, .. } => f.debug_tuple("Http").field(url).finish(),
        }
    }
}

/// What programs of servers are started with.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The folder.
    pub cwd: &'a Path,
    /// The environment.
    pub environment: &'a Environment,
    /// Variables that they do not get.
    pub hidden: &'a [String],
    /// By way of what they are started.
    pub through: &'a [OsString],
    /// How URLs are reached.
    pub client: &'a reqwest::Client,
}

/// The servers of a session.
#[derive(Debug, Default)]
pub struct Servers {
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    name: String,
    service: RunningService<RoleClient, ()>,
    tools: Vec<Tool>,
    /// Ended with the session.
    _child: Option<Child>,
}

#[derive(Debug)]
struct Tool {
    /// What the server calls it.
    name: String,
    spec: ToolSpec,
}

impl Servers {
    /// Starts or reaches all of them at the same time, and says what is wrong with those that are left out.
    ///
    /// # Errors
    /// When one that is required cannot be had: which, and why.
    pub async fn start(
        addresses: &[Address],
        wishes: &BTreeMap<String, session::Mcp>,
        around: &Surroundings<'_>,
    ) -> Result<(Self, Vec<String>), String> {
        let nothing = session::Mcp::default();
        let starts = addresses.iter().map(|address| {
            let wish = wishes.get(&address.name).unwrap_or(&nothing);
            async move { (address, wish, within(START, Server::start(address, wish, around)).await) }
        });
        let (mut servers, mut wrong) = (Vec::new(), Vec::new());
        for (address, wish, started) in futures::future::join_all(starts).await {
            match started {
                Ok(server) => servers.push(server),
                Err(error) if wish.required => {
                    return Err(format!("the MCP server `{}` is required, but cannot be had: {error}", address.name));
                }
                Err(error) => wrong.push(format!("the MCP server `{}` is left out: {error}", address.name)),
            }
        }
        Ok((Self { servers }, wrong))
    }

    /// What the model is told of their tools.
    pub fn specs(&self) -> impl Iterator<Item = ToolSpec> {
        self.servers.iter().flat_map(|server| &server.tools).map(|tool| tool.spec.clone())
    }

    /// Makes a call, if one of them has that tool.
    pub async fn call(&self, call: &ToolCall) -> Option<Result<String, String>> {
        let tools = self.servers.iter().flat_map(|server| server.tools.iter().map(move |tool| (server, tool)));
        let (server, tool) = tools.into_iter().find(|(_, tool)| tool.spec.name == call.name)?;
        let mut params = CallToolRequestParams::new(tool.name.clone());
        if let Arguments::Object { value } = &call.arguments {
            params.arguments = Some(value.clone());
        }
        let answer = within(CALL, async {
            server.service.call_tool(params).await.map_err(|error| format!("the MCP server `{}`: {error}", server.name))
        });
        Some(answer.await.and_then(told))
    }
}

impl Server {
    async fn start(address: &Address, wish: &session::Mcp, around: &Surroundings<'_>) -> Result<Self, String> {
        let (service, child) = match &address.way {
            Way::Program { command, args, env } => program(command, args, env, around).await?,
            Way::Http { url, headers } => (http(url, headers, around).await?, None),
        };
        let listed = service.list_all_tools().await.map_err(|error| format!("it does not list its tools: {error}"))?;
        let wanted = wish.tools.as_deref().map(globs).transpose()?;
        let mut tools = Vec::new();
        for tool in listed {
            if wanted.as_ref().is_none_or(|wanted| wanted.is_match(tool.name.as_ref())) {
                let spec = ToolSpec {
                    name: full_name(&address.name, &tool.name),
                    description: tool.description.unwrap_or_default().into_owned(),
                    parameters: Value::Object(tool.input_schema.as_ref().clone()),
                };
                tools.push(Tool { name: tool.name.into_owned(), spec });
            }
        }
        Ok(Self { name: address.name.clone(), service, tools, _child: child })
    }
}

async fn program(
    command: &Path,
    args: &[String],
    env: &[(String, String)],
    around: &Surroundings<'_>,
) -> Result<(RunningService<RoleClient, ()>, Option<Child>), String> {
    if command.is_absolute() && !command.exists() {
        // By way of another program it would only be seen to say nothing.
        return Err(format!("`{}` cannot be started: it does not exist", command.display()));
    }
    let mut process = launch::command(around.through, command);
    process.args(args).current_dir(around.cwd).env_clear();
    process.envs(around.environment.for_commands(around.hidden).map(|(name, value)| (name, value)));
    process.envs(env.iter().map(|(name, value)| (name, value)));
    // What it says on the side is nobody's: a full pipe would stop it.
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = process.spawn().map_err(|error| format!("`{}` cannot be started: {error}", command.display()))?;
    let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("its streams cannot be had".to_owned());
    };
    let service = serve_client((), (stdout, stdin)).await.map_err(|error| format!("it does not speak MCP: {error}"))?;
    Ok((service, Some(child)))
}

async fn http(
    url: &str,
    headers: &[(String, String)],
    around: &Surroundings<'_>,
) -> Result<RunningService<RoleClient, ()>, String> {
    let mut custom = HashMap::new();
    for (name, value) in headers {
        let wrong = || format!("its header `{name}` is none");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        custom.insert(key, value);
    }
    let config = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(custom);
    let transport = StreamableHttpClientTransport::with_client(around.client.clone(), config);
    serve_client((), transport).await.map_err(|error| format!("`{url}` does not speak MCP: {error}"))
}

fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|error| format!("`{pattern}` is no glob: {error}"))?);
    }
    set.build().map_err(|error| error.to_string())
}

/// A name that every provider takes.
fn full_name(server: &str, tool: &str) -> String {
    let name = format!("{server}__{tool}");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(NAME).collect()
}

/// What the model is told of an answer.
fn told(result: CallToolResult) -> Result<String, String> {
    let parts = result.content.iter().map(|part| match part {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(_) => "[an image, which cannot be shown]".to_owned(),
        ContentBlock::Audio(_) => "[a sound, which cannot be shown]".to_owned(),
        ContentBlock::Resource(_) | ContentBlock::ResourceLink(_) => {
            serde_json::to_string(part).unwrap_or_else(|_| "[a resource]".to_owned())
        }
        _ => "[something that cannot be shown]".to_owned(),
    });
    let mut text = parts.collect::<Vec<_>>().join("\n");
    if let Some(structured) = result.structured_content.filter(|_| text.is_empty()) {
        text = structured.to_string();
    }
    if text.is_empty() {
        text = "(nothing)".to_owned();
    }
    if result.is_error == Some(true) { Err(text) } else { Ok(text) }
}

async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let done = tokio::time::timeout(patience, work).await;
    done.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_that_every_provider_takes_them() {
        assert_eq!(full_name("my server", "read.file"), "my_server__read_file");
        assert_eq!(full_name("s", &"x".repeat(100)).len(), NAME);
    }
}
