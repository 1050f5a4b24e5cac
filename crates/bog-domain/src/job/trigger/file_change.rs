//! Changes in files.

use crate::error::SpecError;
use crate::spec::FileChangeSpec;

/// Checks it and returns its identifying fields as text.
pub(super) fn check(files: &FileChangeSpec, field: &impl Fn(&str) -> String) -> Result<String, SpecError> {
    if files.patterns.is_empty() {
        return Err(SpecError::new(field("patterns"), "empty: name at least one glob, for example `src/**/*.py`"));
    }
    for (index, pattern) in files.patterns.iter().enumerate() {
        let glob = pattern.strip_prefix('!').unwrap_or(pattern);
        globset::Glob::new(glob).map_err(|error| {
            SpecError::new(
                format!("{}[{index}]", field("patterns")),
                format!("`{pattern}` is not a glob: {}", error.kind()),
            )
        })?;
    }
    Ok(format!("{:?}", files.patterns))
}
