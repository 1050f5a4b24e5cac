//! `skill`: the instructions of a skill, and of those that it is chained to.

use super::object;
use crate::skills::{Skill, chain};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    name: String,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(1, &[("name", "string", "the skill's name")]);
    ("Reads the instructions of a skill. Do so before you begin work that a skill is for.", parameters)
}

pub fn run(skills: &[Skill], args: &Args) -> Result<String, String> {
    let chain = chain(skills, &args.name)?;
    let texts = chain.iter().map(|skill| {
        let folder = skill.folder.display();
        format!("# Skill `{}` (its files are in `{folder}`)\n\n{}", skill.name, skill.text)
    });
    Ok(texts.collect::<Vec<_>>().join("\n\n"))
}
