//! The environment of an agent: given by whoever starts it, never read from the process.

use crate::providers::Provider;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

/// Names and values.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<[(OsString, OsString)]>,
}

/// Never shows a value: many are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

impl Environment {
    /// Of these variables; a later one of the same name is passed over.
    #[must_use]
    pub fn new(variables: Vec<(OsString, OsString)>) -> Self {
        Self { variables: variables.into() }
    }

    /// A variable's value, if it is set, not empty, and text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str()).filter(|value| !value.trim().is_empty()).map(str::to_owned)
    }

    /// What commands of the model get: everything but the keys to models, and but `hidden`.
    pub fn for_commands<'a>(&'a self, hidden: &'a [String]) -> impl Iterator<Item = &'a (OsString, OsString)> {
        let is_key = |name: &OsString| {
            let keys = Provider::ALL.iter().flat_map(|provider| provider.model_keys());
            keys.into_iter().any(|key| name == key && *key != "OLLAMA_HOST")
                || hidden.iter().any(|hidden| name == hidden.as_str())
        };
        self.variables.iter().filter(move |(name, _)| !is_key(name))
    }

    /// The values of these variables, with their names, for masking.
    #[must_use]
    pub fn values(&self, names: &[String]) -> Vec<(String, Vec<u8>)> {
        let named = |name: &String| self.get(name).map(|value| (name.clone(), value.into_bytes()));
        names.iter().filter_map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let pairs = [("PATH", "/bin"), ("ANTHROPIC_API_KEY", "sk-very-secret"), ("MY_KEY", "other"), ("EMPTY", "")];
        Environment::new(pairs.map(|(name, value)| (name.into(), value.into())).to_vec())
    }

    #[test]
    fn commands_do_not_see_keys_to_models() {
        let environment = environment();
        let hidden = ["MY_KEY".to_owned()];
        let names: Vec<_> = environment.for_commands(&hidden).map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH", "EMPTY"]);
    }

    #[test]
    fn empty_is_absent_and_debug_shows_no_value() {
        let environment = environment();
        assert_eq!(environment.get("EMPTY"), None);
        assert_eq!(environment.get("PATH").as_deref(), Some("/bin"));
        assert!(!format!("{environment:?}").contains("very-secret"));
    }
}
