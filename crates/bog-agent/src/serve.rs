//! The agent as others see it: the Agent Client Protocol over two streams (agentclientprotocol.com), so that the daemon and
//! every editor that speaks it can use it.
//!
//! What the protocol has no fields for travels in `_meta`: see [`crate::session`].

mod answer;
mod request;
mod sessions;

use crate::environment::Environment;
use crate::launch::Through;
use crate::model::Patience;
use crate::session::Settings;
use agent_client_protocol::v1::schema::{
    AgentCapabilities, CancelNotification, Implementation, InitializeRequest, InitializeResponse, LoadSessionRequest,
    LoadSessionResponse, McpCapabilities, NewSessionRequest, NewSessionResponse, PromptCapabilities, PromptRequest,
};
use agent_client_protocol::{Agent, ByteStreams, on_receive_notification, on_receive_request};
use sessions::Sessions;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

/// What an agent is run with.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its environment. The process's own is not looked at.
    pub environment: Environment,
    /// By way of what it starts programs.
    pub through: Through,
    /// What sessions are given whose client gives no settings in `_meta`.
    pub defaults: Settings,
    /// How long failing providers are tried.
    pub patience: Patience,
}

/// The protocol broke down.
#[derive(Debug, thiserror::Error)]
#[error("the agent client protocol broke down: {0}")]
pub struct ServeError(agent_client_protocol::Error);

/// Serves one client until it closes its stream.
///
/// # Errors
/// When the streams fail.
pub async fn serve(
    input: impl AsyncRead + Send + 'static,
    output: impl AsyncWrite + Send + 'static,
    host: Host,
) -> Result<(), ServeError> {
    let sessions = Arc::new(Sessions::new(host));
    let (begin, load) = (Arc::clone(&sessions), Arc::clone(&sessions));
    let (prompt, cancel) = (Arc::clone(&sessions), sessions);
    Agent
        .v1()
        .name("bog-agents-daemon agent")
        .on_receive_request(
            async move |request: InitializeRequest, responder, _| responder.respond(about(&request)),
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: NewSessionRequest, responder, connection| {
                let sessions = Arc::clone(&begin);
                connection.spawn(async move {
                    let begun = sessions.begin(request).await;
                    responder.respond_with_result(begun.map(NewSessionResponse::new))
                })
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: LoadSessionRequest, responder, connection| {
                let sessions = Arc::clone(&load);
                let client = connection.clone();
                connection.spawn(async move {
                    let loaded = sessions.load(request, &client).await;
                    responder.respond_with_result(loaded.map(|()| LoadSessionResponse::new()))
                })
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: PromptRequest, responder, connection| {
                // Taken here, in the order of the messages: a cancel that comes next finds the turn it is meant for.
                let turn = prompt.start(request);
                let client = connection.clone();
                connection.spawn(async move {
                    let ended = match turn {
                        Ok(turn) => turn.run(&client).await,
                        Err(error) => Err(error),
                    };
                    responder.respond_with_result(ended)
                })
            },
            on_receive_request!(),
        )
        .on_receive_notification(
            async move |notification: CancelNotification, _| {
                cancel.cancel(&notification.session_id);
                Ok(())
            },
            on_receive_notification!(),
        )
        .connect_to(ByteStreams::new(output.compat_write(), input.compat()))
        .await
        .map_err(ServeError)
}

/// What the agent can do.
fn about(request: &InitializeRequest) -> InitializeResponse {
    let capabilities = AgentCapabilities::new()
        .load_session(true)
        .prompt_capabilities(PromptCapabilities::new().embedded_context(true))
        .mcp_capabilities(McpCapabilities::new().http(true));
    let info = Implementation::new("bog-agents-daemon", env!("CARGO_PKG_VERSION"));
    InitializeResponse::new(request.protocol_version).agent_capabilities(capabilities).agent_info(info)
}
