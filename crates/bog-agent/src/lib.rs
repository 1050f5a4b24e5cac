//! The agent built into `bog-agents-daemon`, and what is known of others: model providers and where they are reached, agents
//! with a command line of their own.
//!
//! [`serve::serve`] is the agent as its clients see it, [`agent`] is a session of it, [`model`] calls models, `tools` are
//! what they may use. Nothing here reads the environment of the process, knows the daemon, or contains itself: callers pass
//! the environment in and put a sandbox around.

pub mod agent;
pub mod chat;
mod clock;
pub mod endpoints;
pub mod environment;
mod journal;
pub mod launch;
mod ledger;
pub mod mcp;
mod memory;
pub mod model;
pub mod presets;
mod prices;
pub mod providers;
pub mod serve;
pub mod session;
mod skills;
mod tasks;
pub mod tls;
mod tools;
