//! The agent as a client of the protocol sees it.

use crate::support::World;
use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    CancelNotification, ContentBlock, InitializeRequest, LoadSessionRequest, Meta, NewSessionRequest, PromptRequest,
    PromptResponse, RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
    SelectedPermissionOutcome, SessionNotification, SessionUpdate, StopReason,
};
use agent_client_protocol::{Agent, ByteStreams, Client, Error, on_receive_notification, on_receive_request};
use bog_agent::serve::{Host, serve};
use bog_agent::session::{META, Report, Settings, Stop, Turn};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::sync::{Arc, Mutex};
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

type Seen = Arc<Mutex<Vec<SessionUpdate>>>;

/// Talks to an agent of `world`; permissions are given for everything but `write`.
async fn talk(
    world: &World,
    main: impl AsyncFnOnce(ConnectionTo<Agent>, Seen) -> Result<(), Error> + Send,
) -> Vec<SessionUpdate> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(theirs);
    let host = Host { environment: world.environment(), defaults: world.settings.clone(), ..Host::default() };
    let agent = serve(input, output, host);
    let (input, output) = tokio::io::split(ours);
    let seen = Seen::default();
    let updates = Arc::clone(&seen);
    let client = Client
        .v1()
        .on_receive_notification(
            async move |notification: SessionNotification, _| {
                updates.lock().unwrap().push(notification.update);
                Ok(())
            },
            on_receive_notification!(),
        )
        .on_receive_request(
            async move |request: RequestPermissionRequest, responder, _| {
                let option = if request.tool_call.fields.name.as_deref() == Some("write") { "reject" } else { "allow" };
                let outcome = RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option));
                responder.respond(RequestPermissionResponse::new(outcome))
            },
            on_receive_request!(),
        )
        .connect_with(
            ByteStreams::new(output.compat_write(), input.compat()),
            async |connection: ConnectionTo<Agent>| {
                connection.send_request(InitializeRequest::new(ProtocolVersion::V1)).block_task().await?;
                main(connection, Arc::clone(&seen)).await
            },
        );
    let (served, done) = tokio::join!(agent, client);
    done.unwrap();
    served.unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

fn meta(value: impl Serialize) -> Meta {
    [(META.to_owned(), serde_json::to_value(value).unwrap())].into_iter().collect()
}

fn report(response: &PromptResponse) -> Report {
    serde_json::from_value(response.meta.as_ref().unwrap()[META].clone()).unwrap()
}

fn prompt(session: &agent_client_protocol::v1::schema::SessionId, text: &str) -> PromptRequest {
    PromptRequest::new(session.clone(), vec![ContentBlock::from(text)])
}

fn world(script: &[Value]) -> World {
    let mut world = World::new(&["scripted:../script.jsonl"]);
    let lines: Vec<String> = script.iter().map(ToString::to_string).collect();
    fs::write(world.folder.path().join("script.jsonl"), lines.join("\n")).unwrap();
    world.settings.shell = true;
    world.settings.state_dir = Some(world.folder.path().join("state"));
    world
}

#[tokio::test]
async fn a_turn_is_streamed_asked_about_and_reported() {
    let world = world(&[
        json!({"text": "I look.", "thought": "hm", "usage": {"input": 5, "output": 5}, "calls": [
            {"name": "read", "arguments": {"path": "a.txt"}},
            {"name": "shell", "arguments": {"command": "echo from a command"}},
            {"name": "write", "arguments": {"path": "b.txt", "content": ""}},
            {"name": "todo", "arguments": {"items": [{"content": "rest", "status": "pending"}]}},
        ]}),
        json!({"text": "Done.", "usage": {"input": 5, "output": 5}}),
    ]);
    let work = world.work();
    let seen = talk(&world, async move |agent, _| {
        let session = agent.send_request(NewSessionRequest::new(work)).block_task().await?.session_id;
        let response = agent.send_request(prompt(&session, "work")).block_task().await?;
        assert_eq!(response.stop_reason, StopReason::EndTurn);
        let report = report(&response);
        assert_eq!((report.stop, report.text.as_deref(), report.steps), (Some(Stop::Finished), Some("Done."), 2));
        Ok(())
    })
    .await;
    let json: Vec<String> = seen.iter().map(|update| serde_json::to_string(update).unwrap()).collect();
    let has = |parts: &[&str]| json.iter().any(|update| parts.iter().all(|part| update.contains(part)));
    assert!(has(&["agent_message_chunk", "I look."]) && has(&["agent_thought_chunk", "hm"]));
    assert!(
        has(&["\"tool_call\"", "\"kind\":\"read\"", "a.txt"]) && has(&["tool_call_update", "1\\thello"]),
        "{json:#?}"
    );
    assert!(has(&["completed", "from a command"]) && has(&["failed", "not permitted"]), "{json:#?}");
    assert!(has(&["\"plan\"", "rest", "pending"]) && has(&["usage_update", META, "\"steps\":2"]), "{json:#?}");
    assert!(!world.work().join("b.txt").exists());
}

#[tokio::test]
async fn a_session_is_loaded_shown_again_and_resumed() {
    let world = world(&[json!({"text": "first answer"}), json!({"text": "second answer"})]);
    let (work, settings) = (world.work(), world.settings.clone());
    let id = Arc::new(Mutex::new(String::new()));
    let known = Arc::clone(&id);
    talk(&world, async move |agent, _| {
        let session = agent.send_request(NewSessionRequest::new(work)).block_task().await?.session_id;
        agent.send_request(prompt(&session, "first question")).block_task().await?;
        known.lock().unwrap().push_str(&session.0);
        Ok(())
    })
    .await;
    let (work, id) = (world.work(), id.lock().unwrap().clone());
    let seen = talk(&world, async move |agent, seen| {
        let load = LoadSessionRequest::new(id.clone(), work.clone());
        agent.send_request(load.clone()).block_task().await?;
        assert_eq!(seen.lock().unwrap().len(), 2, "question and answer are shown again");
        agent.send_request(load.meta(meta(&settings))).block_task().await?;
        assert_eq!(seen.lock().unwrap().len(), 2, "not to a client of ours");
        let session = id.clone().into();
        let again = prompt(&session, "").meta(meta(Turn { resume: true }));
        let response = agent.send_request(again).block_task().await?;
        assert_eq!(report(&response).text.as_deref(), Some("first answer"));
        let response = agent.send_request(prompt(&session, "second question")).block_task().await?;
        assert_eq!(report(&response).text.as_deref(), Some("second answer"));
        let missing = agent.send_request(LoadSessionRequest::new("nothing", work)).block_task().await;
        assert!(missing.unwrap_err().message.contains("there is no session `nothing`"));
        Ok(())
    })
    .await;
    assert!(!seen.is_empty());
}

#[tokio::test]
async fn a_turn_is_cancelled() {
    let world = world(&[json!({"calls": [{"name": "shell", "arguments": {"command": "echo $$; sleep 1000"}}]})]);
    let work = world.work();
    talk(&world, async move |agent, seen| {
        let session = agent.send_request(NewSessionRequest::new(work)).block_task().await?.session_id;
        let turn = agent.send_request(prompt(&session, "wait"));
        let is_running = |update: &SessionUpdate| serde_json::to_string(update).unwrap().contains("in_progress");
        while !seen.lock().unwrap().iter().any(is_running) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let busy = agent.send_request(prompt(&session, "more")).block_task().await;
        assert!(busy.unwrap_err().message.contains("at work"));
        agent.send_notification(CancelNotification::new(session.clone()))?;
        let response = turn.block_task().await?;
        assert_eq!(response.stop_reason, StopReason::Cancelled);
        assert_eq!(report(&response).stop, Some(Stop::Cancelled));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let world = world(&[]);
    let work = world.work();
    talk(&world, async move |agent, _| {
        let relative = agent.send_request(NewSessionRequest::new("relative")).block_task().await;
        assert!(relative.unwrap_err().message.contains("give an absolute path"));
        let unknown = NewSessionRequest::new(work.clone()).meta(meta(json!({"modle": []})));
        let error = agent.send_request(unknown).block_task().await.unwrap_err();
        assert!(error.message.contains("unknown field `modle`"), "{}", error.message);
        let settings = Settings { models: vec!["anthropic:claude-sonnet-4-5".to_owned()], ..Settings::default() };
        let error =
            agent.send_request(NewSessionRequest::new(work).meta(meta(settings))).block_task().await.unwrap_err();
        assert!(error.message.contains("set `ANTHROPIC_API_KEY`"), "{}", error.message);
        let error = agent.send_request(prompt(&"none".into(), "x")).block_task().await.unwrap_err();
        assert!(error.message.contains("no session `none`"), "{}", error.message);
        Ok(())
    })
    .await;
}
