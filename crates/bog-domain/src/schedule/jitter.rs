//! Jitter: a delay that spreads jobs due at the same instant. It is drawn from a hash of what the slot is, not from
//! chance, so that a restart does not move a slot; a slot keeps its nominal instant as its identity.

use crate::ids::{JobUid, TriggerId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How far the slots of one trigger are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter<'a> {
    /// The job.
    pub job: JobUid,
    /// The trigger within it.
    pub trigger: &'a TriggerId,
    /// Delays lie in `0..max`; zero means none.
    pub max: Duration,
}

impl Jitter<'_> {
    /// The delay of the slot due at `due_at`, evenly spread over `0..limit`, where `limit` is `max` or less.
    #[must_use]
    pub fn delay(&self, due_at: Timestamp, limit: Duration) -> Duration {
        let limit = self.max.min(limit);
        if limit.is_zero() {
            return Duration::ZERO;
        }
        let hash = Sha256::new()
            .chain_update(self.job.uuid().as_bytes())
            .chain_update(due_at.as_nanosecond().to_be_bytes())
            .chain_update(self.trigger.as_str())
            .finalize();
        let mut head = [0; 8];
        head.copy_from_slice(&hash[..8]);
        // Multiply and shift maps 64 even bits to an even `0..limit` without the bias of a remainder.
        let nanos = (u128::from(u64::from_be_bytes(head)) * limit.as_nanos().min(u128::from(u64::MAX))) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn delay(job: u128, trigger: &str, second: i64, max: u64) -> Duration {
        let trigger = TriggerId::new(trigger);
        let jitter =
            Jitter { job: JobUid::new(Uuid::from_u128(job)), trigger: &trigger, max: Duration::from_secs(max) };
        jitter.delay(Timestamp::from_second(second).unwrap(), Duration::MAX)
    }

    #[test]
    fn the_same_slot_always_waits_the_same() {
        // Written down, so that no release moves the slots of the one before it.
        assert_eq!(delay(1, "cron-1", 1_767_225_600, 60), Duration::from_nanos(5_605_139_760));
        assert_ne!(delay(1, "cron-1", 1_767_225_600, 60), delay(2, "cron-1", 1_767_225_600, 60));
        assert_ne!(delay(1, "cron-1", 1_767_225_600, 60), delay(1, "cron-2", 1_767_225_600, 60));
        assert_ne!(delay(1, "cron-1", 1_767_225_600, 60), delay(1, "cron-1", 1_767_225_660, 60));
        assert_eq!(delay(1, "cron-1", 1_767_225_600, 0), Duration::ZERO);
    }

    #[test]
    fn delays_are_even() {
        let mut tenths = [0_u32; 10];
        for job in 0..10_000 {
            let delay = delay(job, "cron-1", 1_767_225_600, 60);
            assert!(delay < Duration::from_secs(60));
            tenths[(delay.as_millis() / 6000) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }
}
