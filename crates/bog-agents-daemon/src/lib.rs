//! The parts of `bog-agents-daemon`, as a library so that its tests can drive them.

pub mod acp;
pub mod api;
pub mod cgroup;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod context;
pub mod daemon;
pub mod dispatcher;
pub mod env;
pub mod failpoint;
pub mod inbox;
pub mod jobs;
pub mod outbox;
pub mod outputs;
pub mod relay;
pub mod runner;
pub mod sandbox;
pub mod secrets;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod triggers;
pub mod wakes;
