//! What the daemon says of itself: metrics for machines, problems and log lines for people.

mod logging;
mod metrics;
mod problems;

pub use logging::init as init_logging;
pub use metrics::{Metrics, Sample, lag};
pub use problems::Problems;
