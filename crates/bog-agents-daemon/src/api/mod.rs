//! The REST API: the inbox and the store over HTTP, for the command line and other programs.
//!
//! `router` is the URL map; each resource is a file. `server` owns the sockets, `auth` says who may ask,
//! `problem` what a refusal looks like, [`wire`] what travels. Nothing here decides what runs.

mod admin;
mod auth;
mod body;
mod convert;
mod deliveries;
mod effective;
mod events;
mod explain;
mod fire;
mod fires;
mod health;
mod hooks;
mod idempotency;
mod jobs;
mod masking;
mod metrics;
mod next;
mod openapi;
mod params;
mod problem;
mod revisions;
mod router;
mod runs;
mod server;
mod usage;
pub mod wire;

pub use auth::{CLIENT_HEADER, TOKEN, Token};
pub use hooks::Hooks;
pub use router::{Reach, router};
pub use server::serve;

use crate::inbox::Inbox;
use crate::jobs::Jobs;
use crate::outbox::Outbox;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::telemetry::{Metrics, Problems};
use jiff::Timestamp;
use std::path::PathBuf;

/// What the API stands on.
#[derive(Debug)]
pub struct App {
    /// What has happened.
    pub store: Store,
    /// The way in for what happens.
    pub inbox: Inbox,
    /// The jobs.
    pub jobs: Jobs,
    /// The way out for what they say.
    pub outbox: Outbox,
    /// What may not be told.
    pub secrets: Secrets,
    /// What is counted.
    pub metrics: Metrics,
    /// Who may ask.
    pub token: Token,
    /// The data folder, where the runs' event logs are.
    pub data_dir: PathBuf,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// What is wrong, for `/health`.
    pub problems: Problems,
    /// What requests need that fire triggers.
    pub hooks: Hooks,
}
