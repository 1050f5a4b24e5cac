//! Who could do the work: agents on the path, and keys of model providers. Names only, never a value.

use super::Finding;
use crate::env;
use bog_agent::presets::Preset;
use bog_agent::providers;

pub(super) fn check() -> Vec<Finding> {
    vec![presets(), keys()]
}

fn presets() -> Finding {
    let found = |preset: &Preset| env::program(preset.program()).is_some();
    let names: Vec<_> = Preset::ALL.into_iter().filter(found).map(Preset::as_str).collect();
    let all = Preset::ALL.map(Preset::as_str).join(", ");
    let detail =
        if names.is_empty() { format!("none on PATH of {all}") } else { format!("on PATH: {}", names.join(", ")) };
    Finding::ok("agents", detail)
}

fn keys() -> Finding {
    let names: Vec<_> = providers::configured(env::var).iter().map(ToString::to_string).collect();
    let detail = if names.is_empty() {
        "none in this environment: the built-in agent will need one".to_owned()
    } else {
        format!("in this environment: {}", names.join(", "))
    };
    Finding::ok("provider keys", detail)
}
