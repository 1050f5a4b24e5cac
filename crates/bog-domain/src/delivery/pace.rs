//! How many deliveries may be under way to each host, and how fast: a host that is slow, broken or flooded costs the
//! others nothing.

use super::Host;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// Deliveries under way to one host.
const AT_ONCE: u32 = 4;

/// The same while its last answer was none: one may hang, and the next one still gets through.
const AT_ONCE_FAILING: u32 = 2;

/// Deliveries under way to all files together: each holds a thread while it writes, and a network's file system may
/// hang.
const FILES_AT_ONCE: u32 = 16;

/// Deliveries under way to all servers together: what stays on this machine waits for none of them.
const SERVERS_AT_ONCE: u32 = 224;

/// When so many are under way to servers, each server has one at most: those that hang leave room for those that do not.
const CROWDED: u32 = 128;

/// Attempts to reach one server in a second, on average; as many may come at once after a pause.
const PER_SECOND: i32 = 20;

/// The time between two attempts at that rate.
const SPACING: SignedDuration = SignedDuration::from_millis(1000 / PER_SECOND as i64);

/// What is known of the hosts that deliveries were made to lately.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    hosts: HashMap<Host, Known>,
}

/// What is known of one host.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    under_way: u32,
    /// Whether the last attempt failed in a way that may be the host's fault.
    failing: bool,
    /// When its allowance is full again ("theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371).
    full_at: Option<Timestamp>,
}

impl Pace {
    /// How many more deliveries to a host may begin now.
    #[must_use]
    pub fn room(&self, host: &Host, now: Timestamp) -> u32 {
        let known = self.known(host);
        match host {
            Host::Log | Host::Stdout => AT_ONCE.saturating_sub(known.under_way),
            // One at a time: two that append to one file would mistake each other's text for their own.
            Host::File(_) => {
                let others = FILES_AT_ONCE.saturating_sub(self.under_way(|host| matches!(host, Host::File(_))));
                1_u32.saturating_sub(known.under_way).min(others)
            }
            Host::Server(_) => {
                let all = self.under_way(|host| matches!(host, Host::Server(_)));
                let at_once = if known.failing { AT_ONCE_FAILING } else { AT_ONCE };
                let further = CROWDED.saturating_sub(all).max(1_u32.saturating_sub(known.under_way));
                let room = at_once.saturating_sub(known.under_way).min(further).min(known.allowance(now));
                room.min(SERVERS_AT_ONCE.saturating_sub(all))
            }
        }
    }

    /// When there is room again for want of which a host has to wait now; `None` where only the end of a delivery makes
    /// room.
    #[must_use]
    pub fn room_at(&self, host: &Host, now: Timestamp) -> Option<Timestamp> {
        let known = self.known(host);
        let waits = matches!(host, Host::Server(_)) && known.allowance(now) == 0;
        waits.then(|| known.full_at(now) - SPACING * (PER_SECOND - 1))
    }

    /// Notes that a delivery begins.
    pub fn begin(&mut self, host: &Host, now: Timestamp) {
        let known = self.hosts.entry(host.clone()).or_default();
        known.under_way += 1;
        known.full_at = Some(known.full_at(now) + SPACING);
    }

    /// Notes that a delivery ended, and whether the host did its part.
    pub fn end(&mut self, host: &Host, answers: bool) {
        if let Some(known) = self.hosts.get_mut(host) {
            known.under_way = known.under_way.saturating_sub(1);
            known.failing = !answers;
        }
    }

    /// Forgets hosts of which there is nothing to remember.
    pub fn forget(&mut self, now: Timestamp) {
        self.hosts.retain(|_, known| known.under_way > 0 || known.failing || known.full_at(now) > now);
    }

    fn known(&self, host: &Host) -> Known {
        self.hosts.get(host).copied().unwrap_or_default()
    }

    /// Deliveries under way to all hosts of a kind.
    fn under_way(&self, of_kind: impl Fn(&Host) -> bool) -> u32 {
        self.hosts.iter().filter(|(host, _)| of_kind(host)).map(|(_, known)| known.under_way).sum()
    }
}

impl Known {
    /// Attempts that may begin now.
    fn allowance(self, now: Timestamp) -> u32 {
        let debt = self.full_at(now).duration_since(now).as_nanos();
        // Rounded up: a part of an attempt is none.
        let used = (debt + SPACING.as_nanos() - 1) / SPACING.as_nanos();
        u32::try_from(i128::from(PER_SECOND) - used).unwrap_or_default()
    }

    /// A time that lies too far ahead is from before the clock was set back: that is no debt.
    fn full_at(self, now: Timestamp) -> Timestamp {
        let plausible = now..=now + SPACING * PER_SECOND;
        self.full_at.filter(|full_at| plausible.contains(full_at)).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    fn server(name: &str) -> Host {
        Host::Server(name.to_owned())
    }

    #[test]
    fn four_at_once_to_a_server_and_two_while_it_fails() {
        let (mut pace, slow, other) = (Pace::default(), server("slow"), server("other"));
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(pace.room(&slow, at(0)), left);
            pace.begin(&slow, at(0));
        }
        assert_eq!((pace.room(&other, at(0)), pace.room_at(&slow, at(0))), (4, None));
        for _ in 0..5 {
            pace.end(&slow, false);
        }
        assert_eq!(pace.room(&slow, at(9000)), 2);
        pace.begin(&slow, at(9000));
        assert_eq!(pace.room(&slow, at(9000)), 1);
        pace.end(&slow, true);
        assert_eq!(pace.room(&slow, at(9000)), 4);
    }

    #[test]
    fn a_server_is_asked_twenty_times_a_second() {
        let (mut pace, host) = (Pace::default(), server("x"));
        let mut begun = 0;
        for ms in 0..3000 {
            while pace.room(&host, at(ms)) > 0 {
                pace.begin(&host, at(ms));
                pace.end(&host, true);
                begun += 1;
            }
            let next = pace.room_at(&host, at(ms)).unwrap();
            assert!(next > at(ms) && next <= at(ms + 50), "{ms}: {next}");
        }
        assert_eq!(begun, 20 + 2999 / 50);
        assert_eq!(pace.room(&host, at(60_000)), 4);
        assert_eq!(pace.room_at(&host, at(60_000)), None);
        assert!(pace.room(&host, at(-86_400_000)) == 4);
    }

    #[test]
    fn files_are_written_one_at_a_time_and_all_of_them_sixteen() {
        let (mut pace, file) = (Pace::default(), |n: u32| Host::File(n.to_string()));
        for n in 0..FILES_AT_ONCE {
            assert_eq!(pace.room(&file(n), at(0)), 1);
            pace.begin(&file(n), at(0));
            assert_eq!(pace.room(&file(n), at(0)), 0);
        }
        assert_eq!((pace.room(&file(99), at(0)), pace.room(&Host::Log, at(0))), (0, 4));
        pace.end(&file(3), false);
        assert_eq!((pace.room(&file(99), at(0)), pace.room(&file(3), at(0))), (1, 1));
    }

    #[test]
    fn hosts_that_hang_leave_room_for_others_and_for_what_is_local() {
        let mut pace = Pace::default();
        let mut under_way = 0;
        for n in 0..1000 {
            let host = server(&n.to_string());
            for _ in 0..pace.room(&host, at(0)) {
                pace.begin(&host, at(0));
                under_way += 1;
            }
            let expected = if under_way <= CROWDED { 4 } else { 1 };
            assert!(under_way == SERVERS_AT_ONCE || pace.known(&host).under_way == expected, "{n}");
        }
        assert_eq!(under_way, SERVERS_AT_ONCE);
        assert_eq!((pace.room(&Host::Log, at(0)), pace.room(&Host::File("a".to_owned()), at(0))), (4, 1));
        // One that was answered makes room for the next, but for no second one of a host.
        pace.end(&server("0"), true);
        assert_eq!((pace.room(&server("new"), at(9000)), pace.room(&server("0"), at(9000))), (1, 0));
    }

    #[test]
    fn what_is_idle_and_well_is_forgotten() {
        let mut pace = Pace::default();
        for (name, answers) in [("well", true), ("ill", false)] {
            pace.begin(&server(name), at(0));
            pace.end(&server(name), answers);
        }
        pace.begin(&server("busy"), at(0));
        pace.forget(at(10));
        assert_eq!(pace.hosts.len(), 3, "the allowance is not full yet");
        pace.forget(at(1000));
        let mut left: Vec<_> = pace.hosts.keys().map(ToString::to_string).collect();
        left.sort();
        assert_eq!(left, ["server:busy", "server:ill"]);
    }
}
