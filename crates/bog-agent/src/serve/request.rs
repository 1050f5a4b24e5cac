//! Reading what clients send: settings in `_meta`, MCP servers, and the parts of a prompt.

use crate::mcp::{Address, Way};
use crate::session::META;
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{ContentBlock, EmbeddedResourceResource, McpServer, Meta};
use serde::de::DeserializeOwned;

/// What stands in `_meta` for us; none where nothing does.
///
/// # Errors
/// When it is not what it should be: what is wrong.
pub fn ours<T: DeserializeOwned>(meta: Option<&Meta>) -> Result<Option<T>, Error> {
    let Some(value) = meta.and_then(|meta| meta.get(META)) else { return Ok(None) };
    let read = serde_json::from_value(value.clone());
    read.map(Some).map_err(|error| wrong(&format!("`_meta` has a wrong `{META}`: {error}")))
}

/// A request that cannot be granted, in words.
pub fn wrong(message: &str) -> Error {
    let mut error = Error::invalid_params();
    message.clone_into(&mut error.message);
    error
}

/// Where MCP servers are.
///
/// # Errors
/// When one is reached in a way that is not spoken here.
pub fn addresses(servers: Vec<McpServer>) -> Result<Vec<Address>, Error> {
    let address = |server| match server {
        McpServer::Stdio(server) => {
            let env = server.env.into_iter().map(|variable| (variable.name, variable.value)).collect();
            Ok(Address { name: server.name, way: Way::Program { command: server.command, args: server.args, env } })
        }
        McpServer::Http(server) => {
            let headers = server.headers.into_iter().map(|header| (header.name, header.value)).collect();
            Ok(Address { name: server.name, way: Way::Http { url: server.url, headers } })
        }
        McpServer::Sse(server) => Err(wrong(&format!(
            "the MCP server `{}` is reached by SSE, which is out of use; give it by `http`",
            server.name
        ))),
        _ => Err(wrong("an MCP server is reached in a way that is not known; give it as a program or by `http`")),
    };
    servers.into_iter().map(address).collect()
}

/// A prompt as text.
pub fn text(prompt: Vec<ContentBlock>) -> String {
    let parts = prompt.into_iter().map(|part| match part {
        ContentBlock::Text(text) => text.text,
        ContentBlock::ResourceLink(link) => format!("[{}]({})", link.name, link.uri),
        ContentBlock::Resource(resource) => match resource.resource {
            EmbeddedResourceResource::TextResourceContents(text) => format!("{}:\n{}", text.uri, text.text),
            EmbeddedResourceResource::BlobResourceContents(blob) => format!("[{}, which is no text]", blob.uri),
            _ => "[a resource that cannot be read]".to_owned(),
        },
        ContentBlock::Image(_) | ContentBlock::Audio(_) => "[what cannot be read as text]".to_owned(),
        _ => "[what is not known]".to_owned(),
    });
    parts.collect::<Vec<_>>().join("\n")
}
