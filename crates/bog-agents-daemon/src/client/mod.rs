//! The REST API as the command line uses it: where the daemon is, what it is asked, what it answers.
//!
//! Only the shapes of [`crate::api::wire`] cross this border. It never follows a redirect and never uses a proxy: the
//! token goes to the daemon and to nobody else.

mod address;
mod daemon;
mod deliveries;
mod error;
mod events;
mod http;
mod jobs;
mod runs;

pub use address::Address;
pub use deliveries::DeliveryQuery;
pub use error::ClientError;
pub use events::{RunEvents, RunUpdate};
pub use http::Client;
pub use runs::{FireQuery, RunQuery};
