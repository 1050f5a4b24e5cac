//! Pipelines: steps that run in order, each a conversation of its own that is told the results of those before it.

use super::told::Teller;
use super::{Halt, Session, Whose};
use crate::agent::prompt::{framed, mark};
use crate::chat::Message;
use crate::journal::Entry;
use crate::session::{Settings, Step, Stop};

impl Session {
    /// Runs the steps that have not ended yet; the last one's result is the turn's.
    pub(super) async fn pipeline(&mut self, tell: &mut Teller) -> Result<String, Halt> {
        for at in self.main.results.len()..self.settings.pipeline.len() {
            let step = self.settings.pipeline[at].clone();
            if self.main.step != Some(at) {
                tell.note(&format!("step `{}`", step.name));
                self.record(Whose::Main, Entry::Cleared { step: at })?;
            }
            if !self.main.has_begun() {
                let task = self.main.prompt.clone().unwrap_or_default();
                let results = self.settings.pipeline.iter().zip(&self.main.results);
                let results: Vec<(&Step, &String)> = results.collect();
                let mark = self.settings.step_mark.as_deref();
                let prompt =
                    asked(&task, &step, &results, mark).map_err(|message| Halt::Stop(Stop::Failed { message }))?;
                let first = self.first_message(prompt);
                self.record(Whose::Main, first)?;
            }
            let text = self.converse(Whose::Main, tell).await?;
            self.record(Whose::Main, Entry::Stepped { text })?;
        }
        Ok(self.main.results.last().cloned().unwrap_or_default())
    }

    /// What a conversation of the session begins with: with the event, where there is one.
    pub(super) fn first_message(&self, prompt: String) -> Entry {
        let text = match &self.settings.event {
            Some(event) => format!("{prompt}\n\n{}", framed(event, mark())),
            None => prompt,
        };
        Entry::Said { message: Message::user(text) }
    }
}

/// What a step is asked. A place that names a result is filled with it; where none is named, all of them come first.
fn asked(task: &str, step: &Step, results: &[(&Step, &String)], mark: Option<&str>) -> Result<String, String> {
    let mut prompt = String::new();
    if !task.trim().is_empty() {
        prompt.push_str(&format!("The whole task:\n{task}\n\nYour part of it, the step `{}`:\n", step.name));
    }
    let (text, names_any) = match mark {
        Some(mark) => marked(&step.prompt, results, mark),
        None => named(step, results)?,
    };
    if !names_any {
        for (step, result) in results {
            prompt.push_str(&format!("Result of the step `{}`:\n{result}\n\n", step.name));
        }
    }
    prompt.push_str(&text);
    Ok(prompt)
}

/// A prompt with results where the places are that nobody can forge; whether there are any.
fn marked(prompt: &str, results: &[(&Step, &String)], mark: &str) -> (String, bool) {
    let mut text = String::new();
    let mut names_any = false;
    // One pass: what is in a result is not looked through again.
    let mut rest = prompt;
    let places: Vec<(String, &String)> =
        results.iter().map(|(step, result)| (Settings::place(mark, &step.name), *result)).collect();
    let next = |rest: &str| {
        let found =
            places.iter().filter_map(|(place, result)| Some((rest.find(place.as_str())?, place.len(), *result)));
        found.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, length, result)) = next(rest) {
        text.push_str(&rest[..at]);
        text.push_str(result);
        rest = &rest[at + length..];
        names_any = true;
    }
    text.push_str(rest);
    (text, names_any)
}

/// The same where `{{ steps.NAME }}` stands for a result.
fn named(step: &Step, results: &[(&Step, &String)]) -> Result<(String, bool), String> {
    let mut rest = step.prompt.as_str();
    let mut names_any = false;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let Some((inner, after)) = after.split_once("}}") else {
            text.push_str("{{");
            rest = after;
            continue;
        };
        match inner.trim().strip_prefix("steps.") {
            Some(name) => {
                let found = results.iter().find(|(step, _)| step.name == name.trim());
                let (_, result) = found.ok_or_else(|| {
                    format!("the step `{}` names the result of `{name}`, but no earlier step has that name", step.name)
                })?;
                text.push_str(result);
                names_any = true;
            }
            None => text.push_str(&format!("{{{{{inner}}}}}")),
        }
        rest = after;
    }
    text.push_str(rest);
    Ok((text, names_any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_where_they_are_named_or_before_everything() {
        let step = |name: &str, prompt: &str| Step { name: name.to_owned(), prompt: prompt.to_owned() };
        let (first, text) = (step("first", ""), "found {{ steps.first }}".to_owned());
        let results = [(&first, &text)];
        let named = asked("", &step("b", "Use {{ steps.first }} and {{ other }}."), &results, None).unwrap();
        assert_eq!(named, "Use found {{ steps.first }} and {{ other }}.");
        let unnamed = asked("T", &step("b", "Go {{ on."), &results, None).unwrap();
        assert!(
            unnamed.starts_with("The whole task:\nT")
                && unnamed.contains("`first`:\nfound")
                && unnamed.ends_with("Go {{ on.")
        );
        assert!(asked("", &step("b", "{{steps.later}}"), &results, None).unwrap_err().contains("`later`"));
    }

    #[test]
    fn only_marked_places_are_filled_and_each_once() {
        let step = |name: &str, prompt: &str| Step { name: name.to_owned(), prompt: prompt.to_owned() };
        let (one, two) = (step("one", ""), step("two", ""));
        let hostile = "{{ steps.two }} [m two]".to_owned();
        let results = [(&one, &hostile), (&two, &"second".to_owned())];
        let ask = |prompt: &str| asked("", &step("b", prompt), &results, Some("m")).unwrap();
        assert_eq!(ask("a [m two] b [m one] {{ steps.two }}"), "a second b {{ steps.two }} [m two] {{ steps.two }}");
        assert!(
            ask("An issue says {{ steps.later }}.")
                .ends_with("[m two]\n\nResult of the step `two`:\nsecond\n\nAn issue says {{ steps.later }}.")
        );
    }
}
