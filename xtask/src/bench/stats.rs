//! Percentiles, and figures as people read them.

use std::time::Duration;

/// Samples in ascending order.
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Sorts the samples. An empty set has the percentile zero.
    pub fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// The nearest-rank percentile, `percent` from 1 to 100.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `p50 1.2 ms, p99 3.4 ms`
    pub fn p50_p99(&self) -> String {
        format!("p50 {}, p99 {}", ms(self.percentile(50)), ms(self.percentile(99)))
    }
}

/// A duration in milliseconds.
pub fn ms(duration: Duration) -> String {
    let value = duration.as_secs_f64() * 1e3;
    if value < 10.0 { format!("{value:.2} ms") } else { format!("{value:.0} ms") }
}

/// `count` things in `duration`, as a rate.
pub fn per_second(count: usize, duration: Duration) -> f64 {
    let count = u32::try_from(count).map_or(f64::MAX, f64::from);
    count / duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let samples = Samples::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(samples.percentile(50), Duration::from_millis(100));
        assert_eq!(samples.percentile(99), Duration::from_millis(198));
        assert_eq!(samples.percentile(100), Duration::from_millis(200));
        assert_eq!(Samples::new(vec![Duration::from_millis(7)]).p50_p99(), "p50 7.00 ms, p99 7.00 ms");
        assert_eq!(Samples::new(Vec::new()).percentile(50), Duration::ZERO);
    }
}
