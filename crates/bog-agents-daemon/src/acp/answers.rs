//! Which request of an agent is answered by what, on the connection that it came by. What takes its time is answered from a
//! task of the connection, so that nothing waits behind it.

use super::client::Client;
use super::updates::Update;
use agent_client_protocol::v1::schema::{
    CreateTerminalRequest, CreateTerminalResponse, KillTerminalRequest, KillTerminalResponse, ReadTextFileRequest,
    ReleaseTerminalRequest, ReleaseTerminalResponse, RequestPermissionRequest, TerminalOutputRequest,
    WaitForTerminalExitRequest, WaitForTerminalExitResponse, WriteTextFileRequest,
};
use agent_client_protocol::v1::{Builder, ConnectionTo};
use agent_client_protocol::{Agent, HandleDispatchFrom, on_receive_notification, on_receive_request};

/// Our side of the protocol.
type Ours = agent_client_protocol::Client;

/// A connection that answers for `client`.
pub fn answering(client: &Client) -> Builder<Ours, impl HandleDispatchFrom<Agent> + use<>> {
    with_terminals(with_files(client), client)
}

fn with_files(client: &Client) -> Builder<Ours, impl HandleDispatchFrom<Agent> + use<>> {
    let [updates, questions, reads, writes] = [(); 4].map(|()| client.clone());
    agent_client_protocol::Client
        .v1()
        .on_receive_notification(
            async move |update: Update, _| {
                updates.update(update);
                Ok(())
            },
            on_receive_notification!(),
        )
        .on_receive_request(
            async move |request: RequestPermissionRequest, responder, _| responder.respond(questions.permit(&request)),
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: ReadTextFileRequest, responder, _| responder.respond_with_result(reads.read(&request)),
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: WriteTextFileRequest, responder, _| {
                responder.respond_with_result(writes.write(&request))
            },
            on_receive_request!(),
        )
}

fn with_terminals<H: HandleDispatchFrom<Agent>>(
    builder: Builder<Ours, H>,
    client: &Client,
) -> Builder<Ours, impl HandleDispatchFrom<Agent> + use<H>> {
    let [starts, looks, waits, kills, releases] = [(); 5].map(|()| client.clone());
    builder
        .on_receive_request(
            async move |request: CreateTerminalRequest, responder, connection: ConnectionTo<Agent>| {
                let answer = starts.start(&request).and_then(|(id, follow)| {
                    connection.spawn(async move {
                        follow.await;
                        Ok(())
                    })?;
                    Ok(CreateTerminalResponse::new(id))
                });
                responder.respond_with_result(answer)
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: TerminalOutputRequest, responder, _| {
                responder.respond_with_result(looks.terminal(&request.terminal_id).map(|terminal| terminal.look()))
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: WaitForTerminalExitRequest, responder, connection: ConnectionTo<Agent>| match waits
                .terminal(&request.terminal_id)
            {
                Ok(terminal) => connection
                    .spawn(async move { responder.respond(WaitForTerminalExitResponse::new(terminal.wait().await)) }),
                Err(error) => responder.respond_with_error(error),
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: KillTerminalRequest, responder, _| {
                let killed = kills.terminal(&request.terminal_id).map(|terminal| terminal.kill());
                responder.respond_with_result(killed.map(|()| KillTerminalResponse::new()))
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: ReleaseTerminalRequest, responder, _| {
                let released = releases.release(&request.terminal_id);
                responder.respond_with_result(released.map(|()| ReleaseTerminalResponse::new()))
            },
            on_receive_request!(),
        )
}
