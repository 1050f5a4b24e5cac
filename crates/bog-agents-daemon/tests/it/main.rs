//! Everything that needs real processes, files and sockets.

#![expect(clippy::disallowed_methods, reason = "tests read the clock and the environment, and start what they need")]

mod agents;
mod api;
mod bad_input;
mod chaos;
mod cli;
mod clock;
mod contained;
mod crash_windows;
mod database;
mod disk_full;
mod grants;
mod jobs;
mod limits;
mod orphans;
mod relay;
mod runner;
#[cfg(target_os = "linux")]
mod sandbox;
mod secrets;
mod shutdown;
mod store;
mod support;
