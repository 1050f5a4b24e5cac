//! Changes in files.

use crate::error::SpecError;
use crate::files::{FileWatch, MAX_SECONDS};
use crate::spec::{FileChangeSpec, WatchMode};
use std::path::Path;

/// The least time between two looks under `watch: poll`, in seconds.
const MIN_POLL: f64 = 0.1;

/// Checks it and returns its identifying fields as text. `base` is the job's working folder.
pub(super) fn check(
    files: &FileChangeSpec,
    base: Option<&Path>,
    field: &impl Fn(&str) -> String,
) -> Result<String, SpecError> {
    let seconds = |name: &str, written: Option<f64>, least: f64| match written {
        Some(seconds) if !(least..=MAX_SECONDS).contains(&seconds) => {
            let message = format!("`{seconds}` is not allowed: {least} to {MAX_SECONDS} seconds, which is a day");
            Err(SpecError::new(field(name), message))
        }
        Some(_) | None => Ok(()),
    };
    seconds("debounce_seconds", files.debounce_seconds, 0.0)?;
    seconds("max_wait_seconds", files.max_wait_seconds, files.debounce_seconds.unwrap_or(0.0))?;
    seconds("poll_seconds", files.poll_seconds, MIN_POLL)?;
    if files.poll_seconds.is_some() && files.watch != Some(WatchMode::Poll) {
        let message = "only `watch: poll` looks by itself: add that, or leave this out";
        return Err(SpecError::new(field("poll_seconds"), message));
    }
    // Where the home folder is matters to nobody yet.
    FileWatch::parse(files, base, Some(Path::new("/"))).map_err(|error| {
        let index = error.index.map(|index| format!("[{index}]")).unwrap_or_default();
        SpecError::new(format!("{}{index}", field("patterns")), error)
    })?;
    Ok(format!("{:?}", files.patterns))
}
