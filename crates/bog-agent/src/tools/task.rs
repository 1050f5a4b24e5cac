//! `task`: a part of the work for an agent of its own, whose steps do not fill the context of whoever asked. The session
//! carries it out; here is only what the model is told.

use super::object;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    pub prompt: String,
    #[serde(default)]
    #[expect(dead_code, reason = "it is for people, who see it in the call")]
    description: Option<String>,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        1,
        &[
            ("prompt", "string", "all that it needs to know, and what it is to report"),
            ("description", "string", "the task in a few words, for people"),
        ],
    );
    let about = "Gives a task to a second agent with the same tools, which knows nothing of this conversation and answers \
                 with one report. For searches and other work whose steps are not of interest.";
    (about, parameters)
}
