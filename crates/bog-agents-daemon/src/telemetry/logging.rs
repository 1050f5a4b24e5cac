//! Log lines on standard error: text for people, JSON for programs.

use tracing_subscriber::EnvFilter;


/// Starts logging. `BOG_LOG` sets the levels (`debug`, `bog_agents_daemon::store=trace`, ...); default `info`.
pub fn init(json: bool) {
    let filter = crate::env::var("BOG_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call, as in tests, changes nothing.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
