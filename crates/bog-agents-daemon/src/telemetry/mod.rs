//! What the daemon says of itself: metrics for machines, log lines for people.

mod logging;
mod metrics;

pub use logging::{LogFormat, init};
pub use metrics::Metrics;
