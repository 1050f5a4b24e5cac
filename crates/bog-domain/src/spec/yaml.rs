//! Job files and JSON bodies to [`JobSpec`] and back. Both go through a JSON value, so that both name fields alike.

use super::JobSpec;
use crate::error::SpecError;
use crate::spec::locate::Position;

/// The largest job text that is read, in bytes.
pub const MAX_JOB_BYTES: usize = 1 << 20;

/// Reads a job file's text.
///
/// # Errors
/// Names the field, what is wrong with it, and the line and column.
pub fn parse(yaml: &str) -> Result<JobSpec, SpecError> {
    if yaml.len() > MAX_JOB_BYTES {
        return Err(SpecError::new(
            "",
            format!("the job is {} bytes long: at most {MAX_JOB_BYTES} are read", yaml.len()),
        ));
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: serde_json::Value = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let position = error.location().map(|at| Position { line: count(at.line()), column: count(at.column()) });
        let text = error.without_snippet().to_string();
        // The library's own hints speak of its options.
        let message = text.split(" at line ").next().unwrap_or(&text).split(", set ").next().unwrap_or_default();
        SpecError { field: String::new(), message: format!("not valid YAML: {message}"), position }
    })?;
    if value.is_null() {
        return Err(SpecError::new("", "the job is empty: it needs at least an `agent` or a `prompt`"));
    }
    from_json(value).map_err(|error| error.located_in(yaml))
}

/// Reads a job from a JSON value.
///
/// # Errors
/// Names the field and what is wrong with it.
pub fn from_json(value: serde_json::Value) -> Result<JobSpec, SpecError> {
    if !value.is_object() {
        return Err(SpecError::new("", "a job is a mapping of fields, for example `prompt: \"...\"`"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { path };
        SpecError::new(field, in_plain_words(&error.into_inner().to_string()))
    })
}

/// What serde expected, without the names of Rust's types.
fn in_plain_words(message: &str) -> String {
    let Some((before, wanted)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let wanted = match wanted {
        "f64" => "a number",
        "u64" | "u32" | "u16" | "usize" => "a whole number that is not negative",
        "a sequence" => "a list",
        name if name.starts_with("struct ") || name.starts_with("internally tagged enum ") => "a mapping of fields",
        other => other,
    };
    format!("{before}expected {wanted}")
}

/// Writes a job as a file's text. Reading it again gives the same job.
#[must_use]
pub fn to_yaml(spec: &JobSpec) -> String {
    serde_saphyr::to_string(spec).unwrap_or_else(|error| unreachable!("a job spec is plain data: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_field_line_and_column() {
        let samples = [
            "naem: x\n",
            "name: x\nlimits: {memroy: 1GiB}\n",
            "name: x\ntriggers:\n  - {type: cron, crn: 'x'}\n",
            "triggers:\n  - {type: corn}\n",
            "name: x\nlimits:\n  wall_clock: soon\n",
            "name: [x\n",
            "name: x\nname: y\n",
            "- x\n",
            "enabled: yes\n",
            "max_runs: -1\n",
            "limits: many\n",
            "triggers: [cron]\n",
            "env: LANG\n",
            "triggers:\n  - {type: interval, seconds: soon}\n",
            "agent: {command: [true], acp: [x]}\n",
            "",
        ];
        let errors: Vec<String> =
            samples.iter().map(|yaml| format!("{yaml:?}\n    {}", parse(yaml).unwrap_err())).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        let yaml = "prompt: x\ntriggers:\n  - {type: interval, seconds: 1800.0}\n  - {type: interval, seconds: 0.5}\n\
                    \x20 - {type: file_change, patterns: [a], debounce_seconds: 5}\n";
        let written = to_yaml(&parse(yaml).unwrap());
        for line in ["seconds: 1800\n", "seconds: 0.5\n", "debounce_seconds: 5\n"] {
            assert!(written.contains(line), "{written}");
        }
    }

    #[test]
    fn a_full_job_survives_a_round_trip() {
        let yaml = include_str!("../../tests/samples/full-job.yaml");
        let spec = parse(yaml).unwrap();
        assert_eq!(parse(&to_yaml(&spec)).unwrap(), spec);
    }
}
