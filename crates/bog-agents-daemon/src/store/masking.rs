//! What comes from outside is masked on its way into the database: what agents said, what went wrong, what events held.
//! Jobs are written as they are: they hold names, and their files are the source.

use super::{Arrival, AttemptEnd, Ended, Store, StoreError};
use bog_domain::delivery::AfterDelivery;

impl Store {
    /// The specs, as JSON text, of active jobs that may name secrets: of thousands most do not.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn specs_that_may_name_secrets(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT spec FROM jobs WHERE deleted_at IS NULL AND (instr(spec, '\"secrets\"') OR instr(spec, '_env') \
                       OR instr(spec, '\"slack\"') OR instr(spec, '\"email\"') OR instr(spec, '\"github_comment\"') OR instr(spec, '\"github\"'))";
            let mut statement = tx.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) fn masked(&self, text: String) -> String {
        self.secrets.masked(text)
    }

    pub(super) fn masked_end(&self, end: AttemptEnd) -> AttemptEnd {
        let then = match end.then {
            Ended::GateOpen { said } => Ended::GateOpen { said: self.masked(said) },
            Ended::GateClosed { reason } => Ended::GateClosed { reason: self.masked(reason) },
            same @ (Ended::Finished(_) | Ended::Retry { .. } | Ended::Paused) => same,
        };
        AttemptEnd { error: end.error.map(|error| self.masked(error)), output: self.masked(end.output), then, ..end }
    }

    pub(super) fn masked_arrival(&self, arrival: Arrival) -> Arrival {
        let filtered = arrival.filtered.map(|reason| self.masked(reason));
        Arrival { context: self.secrets.masked_json(arrival.context), filtered, ..arrival }
    }

    pub(super) fn masked_after(&self, mut after: AfterDelivery) -> AfterDelivery {
        let said = match &mut after {
            AfterDelivery::Delivered { receipt } => receipt.as_mut(),
            AfterDelivery::RetryAfter { error, .. }
            | AfterDelivery::GaveUp { error }
            | AfterDelivery::Unknown { error } => Some(error),
        };
        if let Some(said) = said {
            *said = self.masked(std::mem::take(said));
        }
        after
    }
}
