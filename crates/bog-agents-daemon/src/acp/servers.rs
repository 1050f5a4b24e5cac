//! MCP servers as the protocol names them, with the values of the variables that the job names.

use super::instructions::{Server, Transport};
use agent_client_protocol::v1::schema::{EnvVariable, HttpHeader, McpServer, McpServerHttp, McpServerStdio};

/// A server for an agent that speaks to servers over HTTP, or does not.
///
/// # Errors
/// Why the agent cannot have it.
pub fn mcp_server(server: &Server, http: bool) -> Result<McpServer, String> {
    let value = |name: &String| {
        crate::env::var(name).ok_or_else(|| format!("`{name}` is not set: name it in the job's `secrets` or `env`"))
    };
    match &server.transport {
        Transport::Stdio { command, env } => {
            let (program, arguments) = command.split_first().ok_or("it names no program")?;
            let variable = |name: &String| Ok::<_, String>(EnvVariable::new(name.clone(), value(name)?));
            let env = env.iter().map(variable).collect::<Result<Vec<_>, _>>()?;
            let path = crate::env::program(program).unwrap_or_else(|| program.into());
            Ok(McpServer::Stdio(McpServerStdio::new(&server.name, path).args(arguments.to_vec()).env(env)))
        }
        Transport::Http { .. } if !http => Err("the agent does not speak to MCP servers over HTTP".to_owned()),
        Transport::Http { url, headers } => {
            let header =
                |(name, variable): (&String, &String)| Ok::<_, String>(HttpHeader::new(name.clone(), value(variable)?));
            let headers = headers.iter().map(header).collect::<Result<Vec<_>, _>>()?;
            Ok(McpServer::Http(McpServerHttp::new(&server.name, url).headers(headers)))
        }
    }
}
