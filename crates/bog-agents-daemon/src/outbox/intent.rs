//! What is written down before a target begins, so that the attempt after a crash can tell whether this one got through:
//! where a file ended, and that a comment may be there. Of files it also says who is about to write them: a trigger that
//! watches one sees whose doing its change is, however soon it looks.

use super::Outbox;
use crate::outputs::{Target, file};
use crate::store::{DueDelivery, StoreError};
use bog_domain::delivery::Attempted;

/// What is noted of a target that can be asked whether it has a delivery already: that it may.
const MAY_BE_THERE: &str = "\"may be there\"";

/// What earlier attempts left.
pub(super) struct Before {
    /// Where the file ended before the first of them.
    pub intent: Option<file::Intent>,
    /// The attempt's number, from 1: more than 1 where an earlier one may have got through, recorded or not.
    pub attempt: u32,
}

impl Outbox {
    /// What was or is now noted, durably, of an attempt that is about to begin; or why it cannot.
    ///
    /// # Errors
    /// When it cannot be written: then the target must not begin.
    pub(super) async fn intend(
        &self,
        due: &DueDelivery,
        target: &Target,
        roots: &file::Roots,
    ) -> Result<Result<Before, Attempted>, StoreError> {
        let (noted, number) = (due.delivery.intent.as_deref(), due.delivery.attempts + 1);
        let before = match target {
            Target::Append { path } => {
                let intent = noted.and_then(|noted| serde_json::from_str(noted).ok());
                if intent.is_none() {
                    match file::intend(roots, path) {
                        Ok(intent) => self.note(due, serde_json::to_string(&intent)?).await?,
                        Err(attempted) => return Ok(Err(attempted)),
                    }
                }
                Before { intent, attempt: number }
            }
            Target::Replace { path } => {
                if noted.is_none() {
                    let intent = file::Intent { path: path.clone(), offset: 0 };
                    self.note(due, serde_json::to_string(&intent)?).await?;
                }
                Before { intent: None, attempt: number }
            }
            Target::GithubComment(_) => {
                if noted.is_none() {
                    self.note(due, MAY_BE_THERE.to_owned()).await?;
                }
                Before { intent: None, attempt: if noted.is_some() { number.max(2) } else { number } }
            }
            Target::Log | Target::Stdout | Target::Slack(_) | Target::Webhook(_) | Target::Email(_) => {
                Before { intent: None, attempt: number }
            }
        };
        Ok(Ok(before))
    }

    async fn note(&self, due: &DueDelivery, intent: String) -> Result<(), StoreError> {
        self.store.intend(due.delivery.id, intent).await?;
        crate::failpoint::hit("outbox.intended");
        Ok(())
    }
}
