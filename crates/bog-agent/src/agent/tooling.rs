//! Making the calls that the model wants: each is asked for where that is wanted, written down before it begins and when it
//! has ended, and told.

use super::told::{Answer, Call, Teller, Told};
use super::{Halt, Session, Whose};
use crate::chat::{Arguments, Message, ToolCall, ToolResult, ToolSpec};
use crate::journal::Entry;
use crate::session::{Ask, Stop};
use crate::tools::{Kind, Tool, Toolbox, location, malformed, title};
use tokio::sync::oneshot;

/// What the model is told of a call that was under way when everything ended.
const INTERRUPTED: &str = "this call was interrupted: it began, and nobody knows how much of it was done; look before you \
                           repeat it";

/// What it is told of a call that may not be made.
const DENIED: &str = "this call is not permitted here; do without it, or say at the end that it was needed";

impl Session {
    /// The tools of a conversation: a sub-agent has none of its own below it.
    pub(super) fn specs(&self, whose: Whose) -> Vec<ToolSpec> {
        let ours = self.toolbox.tools.iter().filter(|tool| whose == Whose::Main || **tool != Tool::Task);
        ours.map(|tool| tool.spec()).chain(self.servers.specs()).collect()
    }

    /// Makes a call and writes down what came of it. `began`: it was under way before.
    pub(super) async fn make(
        &mut self,
        whose: Whose,
        call: ToolCall,
        began: bool,
        tell: &mut Teller,
    ) -> Result<(), Halt> {
        let shown = self.shown(&call, tell);
        let is_task = shown.name == Tool::Task.as_str() && whose == Whose::Main;
        tell.tell(Told::Call(shown.clone()));
        let outcome = if began && !is_task {
            Err(INTERRUPTED.to_owned())
        } else {
            match self.permitted(&shown, tell).await? {
                false => Err(DENIED.to_owned()),
                true => {
                    if !began {
                        // Reading twice does no harm.
                        self.record_so(whose, Entry::Started { id: call.id.clone() }, shown.kind.may_change())?;
                    }
                    tell.tell(Told::Running(call.id.clone()));
                    if is_task { self.sub_agent(&call, tell).await? } else { self.carry_out(whose, &call).await }
                }
            }
        };
        if Tool::of_name(&call.name) == Some(Tool::Todo) && outcome.is_ok() {
            let mut items = self.toolbox.todo();
            items.iter_mut().for_each(|item| item.content = tell.masked(&item.content));
            tell.tell(Told::Plan(items));
        }
        let cut = |text: String| self.toolbox.cut(&call.id, text);
        let result = ToolResult::of(&call, outcome.map(cut).map_err(cut));
        tell.result(&result.id, &result.text, result.is_error);
        self.record(whose, Entry::Ended { result })?;
        Ok(())
    }

    async fn carry_out(&self, whose: Whose, call: &ToolCall) -> Result<String, String> {
        if let Arguments::Malformed { error, .. } = &call.arguments {
            return Err(malformed(&call.name, error));
        }
        if let Some(tool) = Tool::of_name(&call.name).filter(|tool| self.toolbox.tools.contains(tool)) {
            let text = self.toolbox.call(tool, call).await?;
            return Ok(if text.is_empty() { "(nothing)".to_owned() } else { text });
        }
        match self.servers.call(call).await {
            Some(outcome) => outcome,
            None => {
                let names: Vec<String> = self.specs(whose).into_iter().map(|tool| tool.name).collect();
                Err(format!("there is no tool `{}`; there are `{}`", call.name, names.join("`, `")))
            }
        }
    }

    /// Lets an agent of its own work on a task; what it reports is the call's result.
    async fn sub_agent(&mut self, call: &ToolCall, tell: &mut Teller) -> Result<Result<String, String>, Halt> {
        let prompt = match Toolbox::task(&call.arguments) {
            Ok(prompt) => prompt,
            Err(error) => return Ok(Err(error)),
        };
        if self.sub.as_ref().is_none_or(|(id, _)| *id != call.id) {
            self.sub = Some((call.id.clone(), super::Conversation::default()));
            self.record(Whose::Sub, Entry::Began { prompt: prompt.clone() })?;
            self.record(Whose::Sub, Entry::Said { message: Message::user(prompt) })?;
        }
        // A future that contains itself has no size.
        match Box::pin(self.converse(Whose::Sub, tell)).await {
            Ok(text) => Ok(Ok(text)),
            // The others end the whole turn.
            Err(Halt::Stop(Stop::Refused { message })) => Ok(Err(message)),
            Err(halt) => Err(halt),
        }
    }

    async fn permitted(&self, call: &Call, tell: &Teller) -> Result<bool, Halt> {
        let is_asked = match self.settings.ask {
            Ask::Everything => true,
            Ask::Changes => call.kind.may_change(),
            Ask::Nothing => false,
        };
        if !is_asked {
            return Ok(true);
        }
        let (sender, answer) = oneshot::channel();
        tell.tell(Told::Ask(call.clone(), sender));
        match answer.await {
            Ok(Answer::Allowed) => Ok(true),
            Ok(Answer::Denied) => Ok(false),
            // Nobody is there to answer.
            Ok(Answer::Cancelled) | Err(_) => Err(Halt::Stop(Stop::Cancelled)),
        }
    }

    fn shown(&self, call: &ToolCall, tell: &Teller) -> Call {
        let kind = Tool::of_name(&call.name).map_or(Kind::Other, Tool::kind);
        let file = location(call).map(|path| self.toolbox.roots.cwd().join(path).display().to_string());
        Call {
            id: call.id.clone(),
            name: call.name.clone(),
            title: tell.masked(&title(call)),
            kind,
            location: file.map(|file| tell.masked(&file)),
            input: tell.masked_json(&call.arguments.to_value()),
        }
    }
}
