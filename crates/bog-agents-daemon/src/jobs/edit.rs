//! Small edits of a job's text that leave everything else as the person wrote it.

use bog_domain::spec::locate;

/// Sets `enabled` in a job's text by changing that one value, or adding one line; comments and order stay.
#[must_use]
pub fn set_enabled(yaml: &str, enabled: bool) -> String {
    if let Some(range) = locate::scalar_range(yaml, "enabled") {
        return format!("{}{enabled}{}", &yaml[..range.start], &yaml[range.end..]);
    }
    let text = yaml.trim_end();
    // A job in flow style, `{...}`, takes no line after it.
    if let Some(inside) = text.strip_suffix('}').filter(|_| text.starts_with('{')) {
        let comma = if inside.trim_end().ends_with([',', '{']) { "" } else { ", " };
        return format!("{}{comma}enabled: {enabled}}}\n", inside.trim_end());
    }
    let text = text.strip_suffix("...").map_or(text, str::trim_end);
    format!("{text}\nenabled: {enabled}\n")
}

/// RFC 7396: objects merge, null removes, anything else replaces.
pub(super) fn merge_patch(target: &mut serde_json::Value, patch: serde_json::Value) {
    use serde_json::Value;
    match (target, patch) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    fields.remove(&name);
                } else {
                    merge_patch(fields.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (target, Value::Object(changes)) => {
            *target = Value::Object(serde_json::Map::new());
            merge_patch(target, Value::Object(changes));
        }
        (target, patch) => *target = patch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::spec::yaml::parse;

    #[test]
    fn changes_one_value_and_keeps_the_rest() {
        let yaml = "# mine\nname: x # why\nenabled: true   # for now\nprompt: |\n  enabled: no\n";
        let edited = set_enabled(yaml, false);
        assert_eq!(edited, yaml.replace("enabled: true ", "enabled: false "));
        assert_eq!(parse(&edited).unwrap().enabled, Some(false));
    }

    #[test]
    fn adds_a_line_where_there_is_none() {
        for yaml in ["prompt: x", "prompt: |\n  a\n  b\n", "{prompt: x}", "{prompt: x,}\n", "---\nprompt: x\n...\n"] {
            let edited = set_enabled(yaml, false);
            let spec = parse(&edited).unwrap_or_else(|error| panic!("{edited}: {error}"));
            assert_eq!(spec.enabled, Some(false), "{edited}");
            assert_eq!(spec.prompt, parse(yaml).unwrap().prompt, "{edited}");
        }
    }
}
