//! Telling clients what a session tells, in the protocol's words.

use crate::agent::{Answer, Call, Told};
use crate::chat::{Block, Message};
use crate::session::{META, Note, Stop};
use crate::tools::{Item, Kind, State};
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    ContentBlock, ContentChunk, Cost, Meta, PermissionOption, PermissionOptionKind, Plan, PlanEntry, PlanEntryPriority,
    PlanEntryStatus, RequestPermissionOutcome, RequestPermissionRequest, SessionId, SessionNotification, SessionUpdate,
    StopReason, TextContent, ToolCall, ToolCallLocation, ToolCallStatus, ToolCallUpdate, ToolCallUpdateFields,
    ToolKind, UsageUpdate,
};
use agent_client_protocol::{Client, Error};
use serde::Serialize;

const ALLOW: &str = "allow";
const REJECT: &str = "reject";

/// A client, about one session.
pub struct Listener<'a> {
    /// The connection to it.
    pub client: &'a ConnectionTo<Client>,
    /// The session.
    pub session: SessionId,
}

impl Listener<'_> {
    /// Passes on what a session told, and brings back what it asked for.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn pass(&self, told: Told) -> Result<(), Error> {
        match told {
            Told::Text(text) => self.update(SessionUpdate::AgentMessageChunk(chunk(text))),
            Told::Thought(text) => self.update(SessionUpdate::AgentThoughtChunk(chunk(text))),
            Told::Note(note) => {
                let shown = chunk(format!("[{note}]\n")).meta(meta(&Note { note }));
                self.update(SessionUpdate::AgentThoughtChunk(shown))
            }
            Told::Call(call) => self.update(SessionUpdate::ToolCall(tool_call(&call))),
            Told::Running(id) => self.tool(id, ToolCallUpdateFields::new().status(ToolCallStatus::InProgress)),
            Told::Result { id, text, is_error } => {
                let status = if is_error { ToolCallStatus::Failed } else { ToolCallStatus::Completed };
                let content = vec![ContentBlock::Text(TextContent::new(text)).into()];
                self.tool(id, ToolCallUpdateFields::new().status(status).content(content))
            }
            Told::Plan(items) => self.update(SessionUpdate::Plan(plan(items))),
            Told::Used { report, context, window, cost_usd } => {
                let cost = cost_usd.map(|amount| Cost::new(amount, "USD"));
                self.update(SessionUpdate::UsageUpdate(
                    UsageUpdate::new(context, window).cost(cost).meta(meta(&report)),
                ))
            }
            Told::Ask(call, answer) => {
                // Nobody waits for it any more where the turn has ended.
                let _ = answer.send(self.ask(&call).await);
                Ok(())
            }
        }
    }

    /// Tells again what was said before.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn replay(&self, messages: &[Message]) -> Result<(), Error> {
        for message in messages {
            match message {
                Message::User { text } => self.update(SessionUpdate::UserMessageChunk(chunk(text.clone())))?,
                Message::Assistant { blocks } => {
                    for block in blocks {
                        match block {
                            Block::Text { text } => {
                                self.update(SessionUpdate::AgentMessageChunk(chunk(text.clone())))?;
                            }
                            Block::Call(call) => {
                                let title = crate::tools::title(call);
                                let told = ToolCall::new(call.id.clone(), title).raw_input(call.arguments.to_value());
                                self.update(SessionUpdate::ToolCall(told))?;
                            }
                            Block::Opaque { .. } => {}
                        }
                    }
                }
                Message::Tools { results } => {
                    for result in results {
                        let status = if result.is_error { ToolCallStatus::Failed } else { ToolCallStatus::Completed };
                        let content = vec![ContentBlock::Text(TextContent::new(result.text.clone())).into()];
                        self.tool(result.id.clone(), ToolCallUpdateFields::new().status(status).content(content))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks whether a call may be made. Whoever does not answer has not allowed it.
    async fn ask(&self, call: &Call) -> Answer {
        let fields = ToolCallUpdateFields::new().title(call.title.clone()).kind(kind(call.kind));
        let fields = fields.name(call.name.clone()).raw_input(call.input.clone()).locations(locations(call));
        let options = vec![
            PermissionOption::new(ALLOW, "Allow", PermissionOptionKind::AllowOnce),
            PermissionOption::new(REJECT, "Reject", PermissionOptionKind::RejectOnce),
        ];
        let update = ToolCallUpdate::new(call.id.clone(), fields);
        let request = RequestPermissionRequest::new(self.session.clone(), update, options);
        match self.client.send_request(request).block_task().await.map(|response| response.outcome) {
            Ok(RequestPermissionOutcome::Selected(selected)) if &*selected.option_id.0 == ALLOW => Answer::Allowed,
            Ok(RequestPermissionOutcome::Cancelled) => Answer::Cancelled,
            Ok(_) | Err(_) => Answer::Denied,
        }
    }

    fn tool(&self, id: String, fields: ToolCallUpdateFields) -> Result<(), Error> {
        self.update(SessionUpdate::ToolCallUpdate(ToolCallUpdate::new(id, fields)))
    }

    fn update(&self, update: SessionUpdate) -> Result<(), Error> {
        self.client.send_notification(SessionNotification::new(self.session.clone(), update))
    }
}

/// A report or a note for `_meta`.
pub fn meta(ours: &impl Serialize) -> Meta {
    let mut meta = Meta::new();
    meta.insert(META.to_owned(), serde_json::to_value(ours).unwrap_or_default());
    meta
}

/// The protocol's word for why a turn ended; the report says it exactly.
pub fn reason(stop: Option<&Stop>) -> StopReason {
    match stop {
        Some(Stop::Finished) | None => StopReason::EndTurn,
        Some(Stop::MaxSteps { .. }) => StopReason::MaxTurnRequests,
        Some(Stop::Refused { .. }) => StopReason::Refusal,
        Some(Stop::Cancelled) => StopReason::Cancelled,
        Some(Stop::Budget { .. } | Stop::Quota { .. } | Stop::Failed { .. }) => StopReason::EndTurn,
    }
}

fn chunk(text: String) -> ContentChunk {
    ContentChunk::new(ContentBlock::Text(TextContent::new(text)))
}

fn tool_call(call: &Call) -> ToolCall {
    let told = ToolCall::new(call.id.clone(), call.title.clone()).name(call.name.clone()).kind(kind(call.kind));
    told.status(ToolCallStatus::Pending).raw_input(call.input.clone()).locations(locations(call))
}

fn locations(call: &Call) -> Vec<ToolCallLocation> {
    call.location.iter().map(ToolCallLocation::new).collect()
}

fn kind(kind: Kind) -> ToolKind {
    match kind {
        Kind::Read => ToolKind::Read,
        Kind::Search => ToolKind::Search,
        Kind::Edit => ToolKind::Edit,
        Kind::Execute => ToolKind::Execute,
        Kind::Fetch => ToolKind::Fetch,
        Kind::Think => ToolKind::Think,
        Kind::Other => ToolKind::Other,
    }
}

fn plan(items: Vec<Item>) -> Plan {
    let entry = |item: Item| {
        let status = match item.status {
            State::Pending => PlanEntryStatus::Pending,
            State::InProgress => PlanEntryStatus::InProgress,
            State::Completed => PlanEntryStatus::Completed,
        };
        PlanEntry::new(item.content, PlanEntryPriority::Medium, status)
    };
    Plan::new(items.into_iter().map(entry).collect())
}
