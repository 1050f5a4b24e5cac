//! A limit that was hit, in words.

use bog_domain::containment::{LimitHit, LimitKind};
use bog_domain::units::ByteSize;
use std::time::Duration;

/// What was exceeded, by how much, and what to raise.
pub fn explain(hit: &LimitHit) -> String {
    let LimitHit { limit, allowed, peak } = *hit;
    let (what, allowed, peak) = match limit {
        LimitKind::Memory => ("memory", bytes(allowed), peak_bytes(peak)),
        LimitKind::Cpu => ("CPU rate, in thousandths of a core,", allowed.to_string(), peak.to_string()),
        LimitKind::CpuSeconds => ("CPU time", time(allowed), time(peak)),
        LimitKind::Pids => ("processes and threads", allowed.to_string(), peak.to_string()),
        LimitKind::OpenFiles => ("open files", allowed.to_string(), peak.to_string()),
        LimitKind::Disk => ("disk in the run's folder", bytes(allowed), peak_bytes(peak)),
    };
    format!(
        "the limit of `{allowed}` {what} was reached, the peak was `{peak}`; raise `limits.{limit}` if the job needs more"
    )
}

fn time(millis: u64) -> String {
    format!("{:?}", Duration::from_millis(millis))
}

fn bytes(count: u64) -> String {
    ByteSize::new(count).to_string()
}

/// In whole KiB or MiB, rounded up: a peak never looks smaller than the limit it is over.
fn peak_bytes(count: u64) -> String {
    bytes(count.next_multiple_of(if count < 10 << 20 { 1 << 10 } else { 1 << 20 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_to_raise_is_named() {
        let said = |limit, allowed, peak| explain(&LimitHit { limit, allowed, peak });
        assert_eq!(
            said(LimitKind::Memory, 256 << 20, (300 << 20) + 4096),
            "the limit of `256MiB` memory was reached, the peak was `301MiB`; raise `limits.memory` if the job needs more"
        );
        assert_eq!(
            said(LimitKind::CpuSeconds, 1_500, 1_730),
            "the limit of `1.5s` CPU time was reached, the peak was `1.73s`; raise `limits.cpu_seconds` if the job needs more"
        );
        assert_eq!(
            said(LimitKind::Pids, 40, 41),
            "the limit of `40` processes and threads was reached, the peak was `41`; raise `limits.pids` if the job needs more"
        );
        assert_eq!(
            said(LimitKind::Disk, 1 << 20, (1 << 20) + 4096),
            "the limit of `1MiB` disk in the run's folder was reached, the peak was `1028KiB`; raise `limits.disk` if the \
             job needs more"
        );
    }
}
