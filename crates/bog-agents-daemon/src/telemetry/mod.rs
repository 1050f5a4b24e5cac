//! What the daemon says of itself: metrics for machines, log lines for people.

mod logging;
mod metrics;

pub use logging::init as init_logging;
pub use metrics::Metrics;
