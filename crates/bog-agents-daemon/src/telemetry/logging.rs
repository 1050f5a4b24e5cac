//! Log lines on standard error: text for people, JSON for programs.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Colours are for people who look and have not said that they want none (<https://no-color.org>).
fn colours() -> bool {
    std::io::stderr().is_terminal() && crate::env::var("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging. `BOG_LOG` sets the levels (`debug`, `bog_agents_daemon::store=trace`, ...); default `info`.
pub fn init(json: bool) {
    let filter = crate::env::var("BOG_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colours());
    // A second call, as in tests, changes nothing.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
